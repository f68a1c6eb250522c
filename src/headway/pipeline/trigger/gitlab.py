"""Payloads of GitLab, told in GitHub's words, so that one workflow serves both.

Format: docs.gitlab.com/user/project/integrations/webhook_events. `github.event` gets the parts
that workflows use, and what GitLab sent under `gitlab`. Called by hooks.read.
"""

from collections.abc import Callable
from typing import Any

from headway.pipeline.trigger import payload as of
from headway.pipeline.trigger.event import Ignored, TriggerEvent

_ACTIONS = {"open": "opened", "reopen": "reopened", "close": "closed", "merge": "closed"}
_RELEASES = {"create": "published", "update": "edited", "delete": "deleted"}
Payload = dict[str, Any]


def read(name: str, payload: Payload) -> TriggerEvent | Ignored:
    """`name`: the header, for words only; `object_kind` says what it is. Raises Unreadable."""
    kind = of.text(payload, "object_kind")
    reader = _READERS.get(kind)
    if reader is None:
        return Ignored(f"the event {(kind or name)[:60]!r} starts no workflow here")
    if not of.mapping(payload, "project"):
        return Ignored("it is not about a project")
    return reader(payload)


def _common(payload: Payload, told: Payload) -> dict[str, Any]:
    name = of.text(payload, "project", "path_with_namespace")
    actor = of.text(payload, "user_username") or of.text(payload, "user", "username")
    known = of.find(payload, "project", "default_branch")
    default = of.branch(payload, "project", "default_branch") if known else ""
    told["repository"] = {"full_name": name, "default_branch": default}
    told["sender"] = {"login": actor}
    told["gitlab"] = payload
    return {
        "source": "gitlab",
        "repo": name,
        "actor": actor,
        "default_branch": default,
        "payload": told,
    }


def _push(payload: Payload) -> TriggerEvent:
    """`checkout_sha` is the commit, also where `after` is a tag's own object."""
    ref = of.ref(payload, "ref")
    after = of.sha_or_nothing(payload, "after")
    before = of.sha_or_nothing(payload, "before")
    message = _message(payload, of.text(payload, "checkout_sha") or after)
    told: Payload = {"ref": ref, "before": before or "0" * 40, "after": after or "0" * 40}
    told |= {"deleted": not after, "created": not before, "head_commit": {"message": message}}
    return TriggerEvent(
        name="push",
        ref=ref,
        sha=of.sha_or_nothing(payload, "checkout_sha") or after,
        before=before,
        commits=of.number(payload, "total_commits_count"),
        message=message,
        deleted=not after,
        **_common(payload, told),
    )


def _message(payload: Payload, sha: str) -> str:
    """Of the head commit: the one called so, else the last."""
    found = of.find(payload, "commits")
    commits = found if isinstance(found, list) else []
    named = [c for c in commits if of.text(c, "id") == sha] or commits[-1:]
    return of.text(named[0], "message", most=of.MOST_MESSAGE) if named else ""


def _merge_request(payload: Payload) -> TriggerEvent | Ignored:
    at = of.mapping(payload, "object_attributes")
    action = of.text(at, "action")
    type = _ACTIONS.get(action, "")
    if action == "update":
        type = "synchronize" if of.text(at, "oldrev") else "edited"
    if not type:
        return Ignored(
            f"a merge request that is {(action or 'none')[:60]!r} starts no workflow here"
        )
    number = of.number(at, "iid")
    if not number:
        raise of.Unreadable("`object_attributes.iid` is not the number of a merge request")
    sha = of.sha(at, "last_commit", "id")
    base = of.branch(at, "target_branch")
    fork = _fork(at)
    return TriggerEvent(
        name="pull_request",
        type=type,
        ref=f"refs/pull/{number}/merge",
        sha=sha,
        base=base,
        head=of.text(at, "source_branch"),
        head_sha=sha,
        message=of.text(at, "last_commit", "message", most=of.MOST_MESSAGE),
        draft=of.flag(at, "draft"),
        number=number,
        fork=fork,
        trusted=not fork,
        **_common(payload, _told(at, type, number)),
    )


def _told(at: Payload, type: str, number: int) -> Payload:
    sides = {
        side: {
            "ref": of.text(at, f"{word}_branch"),
            "sha": of.text(at, "last_commit", "id") if side == "head" else "",
            "repo": {"full_name": of.text(at, word, "path_with_namespace")},
        }
        for side, word in (("head", "source"), ("base", "target"))
    }
    request: Payload = {
        "number": number,
        "title": of.text(at, "title"),
        "body": of.text(at, "description", most=of.MOST_MESSAGE),
        "draft": of.flag(at, "draft"),
        "merged": of.text(at, "action") == "merge",
        "html_url": of.text(at, "url"),
        **sides,
    }
    return {"action": type, "number": number, "pull_request": request}


def _fork(at: Payload) -> bool:
    ids = of.number(at, "source_project_id"), of.number(at, "target_project_id")
    return not all(ids) or ids[0] != ids[1]


def _release(payload: Payload) -> TriggerEvent | Ignored:
    type = _RELEASES.get(of.text(payload, "action"), "")
    if not type:
        return Ignored("this action on a release starts no workflow here")
    tag = of.text(payload, "tag")
    ref = of.ref({"tag": f"refs/tags/{tag}"}, "tag")
    told = {"action": type, "release": {"tag_name": tag, "name": of.text(payload, "name")}}
    sha = of.sha_or_nothing(payload, "commit", "id")
    return TriggerEvent(name="release", type=type, ref=ref, sha=sha, **_common(payload, told))


_READERS: dict[str, Callable[[Payload], TriggerEvent | Ignored]] = {
    "push": _push,
    "tag_push": _push,
    "merge_request": _merge_request,
    "release": _release,
}
