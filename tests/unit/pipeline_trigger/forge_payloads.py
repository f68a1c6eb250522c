"""Payloads as the forges send them, in short: what their documentation shows, without the rest."""

import json
from typing import Any

A, B = "a1" * 20, "b2" * 20
ZERO = "0" * 40
REPOSITORY = {"id": 1, "full_name": "team/shop", "default_branch": "main"}


def push(**more: Any) -> dict[str, Any]:
    return {
        "ref": "refs/heads/main",
        "before": A,
        "after": B,
        "deleted": False,
        "commits": [{"id": B, "message": "Faster"}],
        "head_commit": {"id": B, "message": "Faster checkout"},
        "pusher": {"name": "ana"},
        "sender": {"login": "ana"},
        "repository": REPOSITORY,
        **more,
    }


def pull_request(head: object = None, **more: Any) -> dict[str, Any]:
    side = {"ref": "topic", "sha": B, "repo": REPOSITORY if head is None else head}
    base = {"ref": "main", "sha": A, "repo": REPOSITORY}
    return {
        "action": "opened",
        "number": 7,
        "pull_request": {"number": 7, "head": side, "base": base, "draft": False},
        "repository": REPOSITORY,
        "sender": {"login": "bo"},
        **more,
    }


GITLAB_PROJECT = {"id": 1, "path_with_namespace": "team/sub/shop", "default_branch": "main"}


def gitlab_push(**more: Any) -> dict[str, Any]:
    return {
        "object_kind": "push",
        "ref": "refs/heads/main",
        "before": A,
        "after": B,
        "checkout_sha": B,
        "user_username": "ana",
        "project": GITLAB_PROJECT,
        "commits": [{"id": A, "message": "first"}, {"id": B, "message": "second"}],
        "total_commits_count": 2,
        **more,
    }


def merge_request(**more: Any) -> dict[str, Any]:
    attributes = {
        "iid": 3,
        "action": "open",
        "source_branch": "topic",
        "target_branch": "main",
        "source_project_id": 1,
        "target_project_id": 1,
        "title": "A title",
        "last_commit": {"id": B, "message": "fixed"},
        "source": GITLAB_PROJECT,
        "target": GITLAB_PROJECT,
        **more,
    }
    return {
        "object_kind": "merge_request",
        "user": {"username": "bo"},
        "project": GITLAB_PROJECT,
        "object_attributes": attributes,
    }


def registry(*events: dict[str, Any]) -> dict[str, Any]:
    return {"events": list(events) or [manifest()]}


def manifest(**more: Any) -> dict[str, Any]:
    target = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": "sha256:" + "c" * 64,
        "repository": "team/shop",
        "tag": "v1",
    }
    event = {"id": "e-1", "action": "push", "target": target, "actor": {"name": "ci"}}
    return {**event, "request": {"host": "registry.example.com"}, **more}


def raw(payload: object) -> bytes:
    return json.dumps(payload).encode()
