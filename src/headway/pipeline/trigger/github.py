"""Payloads of GitHub, and of Gitea and Forgejo, which are made after them.

Formats: docs.github.com, "Webhook events and payloads"; docs.gitea.com/usage/webhooks; Gitea's
words for what happened to a pull request differ (`synchronized`, `label_updated`, …).
Called by hooks.read.
"""

from collections.abc import Callable, Mapping
from typing import Any

from headway.pipeline.trigger import payload as of
from headway.pipeline.trigger.event import HEADS, Ignored, Source, TriggerEvent

_GITEA = {
    "synchronized": "synchronize",
    "label_updated": "labeled",
    "label_cleared": "unlabeled",
    "milestoned": "milestoned",
    "updated": "edited",
}
Payload = Mapping[str, Any]


def read(source: Source, name: str, payload: dict[str, Any]) -> TriggerEvent | Ignored:
    """The event that the header calls `name`. Raises Unreadable."""
    if name == "ping":
        return Ignored("a ping: the hook works")
    reader = _READERS.get(name)
    if reader is None:
        return Ignored(f"the event {name[:60]!r} starts no workflow here")
    if not of.mapping(payload, "repository"):
        return Ignored("it is not about a repository")
    return reader(source, payload)


def _type(payload: Payload) -> str:
    word = of.text(payload, "action", most=100)
    return _GITEA.get(word, word)


def _default(payload: Payload) -> str:
    """The default branch; "" if it is not told."""
    known = of.find(payload, "repository", "default_branch")
    return of.branch(payload, "repository", "default_branch") if known else ""


def _common(source: Source, payload: Payload) -> dict[str, Any]:
    pusher = of.text(payload, "pusher", "login") or of.text(payload, "pusher", "name")
    return {
        "source": source,
        "repo": of.text(payload, "repository", "full_name"),
        "actor": of.text(payload, "sender", "login") or pusher,
        "default_branch": _default(payload),
        "payload": payload,
    }


def _push(source: Source, payload: Payload) -> TriggerEvent:
    """An annotated tag's `after` is the tag's own object: the commit is `head_commit`.

    The commits' lists of files are not the difference of the two trees: that is git's to say.
    """
    ref = of.ref(payload, "ref")
    after = of.sha_or_nothing(payload, "after")
    head = of.text(payload, "head_commit", "id")
    return TriggerEvent(
        name="push",
        ref=ref,
        sha=of.sha(payload, "head_commit", "id") if head and not ref.startswith(HEADS) else after,
        before=of.sha_or_nothing(payload, "before"),
        commits=max(of.size(payload, "commits"), of.number(payload, "total_commits")),
        message=of.text(payload, "head_commit", "message", most=of.MOST_MESSAGE),
        deleted=of.flag(payload, "deleted") or not after,
        **_common(source, payload),
    )


def _pull_request(source: Source, payload: Payload) -> TriggerEvent:
    number = of.number(payload, "number") or of.number(payload, "pull_request", "number")
    if not number:
        raise of.Unreadable("`number` is not the number of a pull request")
    return TriggerEvent(
        name="pull_request",
        type=_type(payload),
        ref=f"refs/pull/{number}/merge",
        sha=of.sha(payload, "pull_request", "head", "sha"),
        base=of.branch(payload, "pull_request", "base", "ref"),
        base_sha=of.sha_or_nothing(payload, "pull_request", "base", "sha"),
        head=of.text(payload, "pull_request", "head", "ref", most=of.MOST_NAME),
        head_sha=of.sha(payload, "pull_request", "head", "sha"),
        draft=of.flag(payload, "pull_request", "draft"),
        number=number,
        fork=(fork := _fork(payload)),
        trusted=not fork,
        **_common(source, payload),
    )


def _fork(payload: Payload) -> bool:
    """Whether head and base are not surely the same repository: a deleted fork tells no name."""
    head, base = (of.mapping(payload, "pull_request", side, "repo") for side in ("head", "base"))
    ids = of.number(head, "id"), of.number(base, "id")
    if all(ids):
        return ids[0] != ids[1]
    names = [of.text(repo, "full_name").lower() for repo in (head, base)]
    return not all(names) or names[0] != names[1]


def _merge_group(source: Source, payload: Payload) -> TriggerEvent:
    base = of.ref(payload, "merge_group", "base_ref")
    return TriggerEvent(
        name="merge_group",
        type=_type(payload),
        ref=of.ref(payload, "merge_group", "head_ref"),
        sha=of.sha(payload, "merge_group", "head_sha"),
        base=base.removeprefix(HEADS),
        base_sha=of.sha_or_nothing(payload, "merge_group", "base_sha"),
        message=of.text(payload, "merge_group", "head_commit", "message", most=of.MOST_MESSAGE),
        **_common(source, payload),
    )


def _release(source: Source, payload: Payload) -> TriggerEvent:
    tag = of.text(payload, "release", "tag_name")
    ref = of.ref({"release.tag_name": f"refs/tags/{tag}"}, "release.tag_name")
    return TriggerEvent(
        name="release",
        type=_type(payload),
        ref=ref,
        sha="",
        draft=of.flag(payload, "release", "draft"),
        **_common(source, payload),
    )


def _workflow_dispatch(source: Source, payload: Payload) -> TriggerEvent:
    return TriggerEvent(
        name="workflow_dispatch",
        ref=of.ref(payload, "ref"),
        sha="",
        workflow=of.text(payload, "workflow"),
        **_common(source, payload),
    )


def _repository_dispatch(source: Source, payload: Payload) -> TriggerEvent:
    known = _common(source, payload)
    branch = of.branch(payload, "branch") if of.find(payload, "branch") else known["default_branch"]
    if not branch:
        raise of.Unreadable("the payload tells no default branch")
    action = of.text(payload, "action", most=100)
    return TriggerEvent(
        name="repository_dispatch", type=action, ref=f"{HEADS}{branch}", sha="", **known
    )


_READERS: dict[str, Callable[[Source, Payload], TriggerEvent]] = {
    "push": _push,
    "pull_request": _pull_request,
    "merge_group": _merge_group,
    "release": _release,
    "workflow_dispatch": _workflow_dispatch,
    "repository_dispatch": _repository_dispatch,
}
