"""Payloads of GitHub, and of Gitea and Forgejo, which are made after them.

Formats: docs.github.com, "Webhook events and payloads"; docs.gitea.com/usage/webhooks; Gitea's
words for what happened to a pull request differ (`synchronized`, `label_updated`, …).
Called by hooks.read.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from headway.pipeline.trigger import payload as of
from headway.pipeline.trigger.activity import heard, possible
from headway.pipeline.trigger.event import HEADS, TAGS, Ignored, Source, TriggerEvent

_GITEA = {
    "synchronized": "synchronize",
    "label_updated": "labeled",
    "label_cleared": "unlabeled",
    "milestoned": "milestoned",
    "updated": "edited",
}
OWN_CONTEXT = "headway / "
Payload = Mapping[str, Any]


def read(source: Source, name: str, payload: dict[str, Any]) -> TriggerEvent | Ignored:
    """The event that the header calls `name`. Raises Unreadable."""
    if name == "ping":
        return Ignored("a ping: the hook works")
    reader = _READERS.get(name)
    if reader is None and not heard(name):
        return Ignored(f"the event {name[:60]!r} starts no workflow")
    if not of.mapping(payload, "repository"):
        return Ignored("it is not about a repository")
    type = _type(payload)
    if not possible(name, type):
        return Ignored(f"{name} of the type {type[:60]!r} starts no workflow")
    return reader(source, payload) if reader else _about_default(source, name, payload)


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


def _about_default(source: Source, name: str, payload: Payload) -> TriggerEvent:
    """An event that is about the repository: it runs on the default branch."""
    known = _common(source, payload)
    return TriggerEvent(
        name=name,
        type=_type(payload),
        ref=_home(known),
        sha="",
        head=of.text(payload, "workflow_run", "head_branch"),
        **known,
    )


def _home(known: dict[str, Any]) -> str:
    if not known["default_branch"]:
        raise of.Unreadable("the payload tells no default branch")
    return f"{HEADS}{known['default_branch']}"


def _create(source: Source, payload: Payload) -> TriggerEvent:
    kind = {"branch": HEADS, "tag": TAGS}.get(of.text(payload, "ref_type"))
    if kind is None:
        raise of.Unreadable("`ref_type` is neither `branch` nor `tag`")
    full = of.ref({"ref": f"{kind}{of.text(payload, 'ref', most=1024)}"}, "ref")
    return TriggerEvent(name="create", ref=full, sha="", **_common(source, payload))


def _deployment(source: Source, payload: Payload) -> TriggerEvent:
    """`ref` is short, and may be a commit's name."""
    name = "deployment_status" if of.mapping(payload, "deployment_status") else "deployment"
    sha = of.sha(payload, "deployment", "sha")
    return TriggerEvent(name=name, ref="", sha=sha, **_common(source, payload))


def _deployment_status(source: Source, payload: Payload) -> TriggerEvent | Ignored:
    if of.text(payload, "deployment_status", "state") == "inactive":
        return Ignored("a deployment that becomes inactive starts no workflow")
    return _deployment(source, payload)


def _status(source: Source, payload: Payload) -> TriggerEvent | Ignored:
    """Headway's own statuses come back here: answering them would go round for ever."""
    if of.text(payload, "context").startswith(OWN_CONTEXT):
        return Ignored("it is a status that Headway set itself")
    return _about_default(source, "status", payload)


def _of_pull_request(name: str) -> Callable[[Source, Payload], TriggerEvent]:
    return lambda source, payload: replace(_pull_request(source, payload), name=name)


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
    action = of.text(payload, "action", most=100)
    return TriggerEvent(name="repository_dispatch", type=action, ref=_home(known), sha="", **known)


_READERS: dict[str, Callable[[Source, Payload], TriggerEvent | Ignored]] = {
    "create": _create,
    "deployment": _deployment,
    "deployment_status": _deployment_status,
    "status": _status,
    "pull_request_review": _of_pull_request("pull_request_review"),
    "pull_request_review_comment": _of_pull_request("pull_request_review_comment"),
    "push": _push,
    "pull_request": _pull_request,
    "merge_group": _merge_group,
    "release": _release,
    "workflow_dispatch": _workflow_dispatch,
    "repository_dispatch": _repository_dispatch,
}
