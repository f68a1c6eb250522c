"""Who reads and writes which caches: scopes by the trust of a branch. Called by the cache actions.

A run writes only into the scope of its own branch and reads that of the default branch too, so
that what a branch left behind can harm nobody but itself. A pull request has a scope of its own; a
fork's change has one that no trusted run ever reads.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headway.model.job import JobOrder
from headway.pipeline.cache.eviction import CACHE_SCOPES

_REQUESTS = ("pull_request", "pull_request_target", "pull_request_review")


@dataclass(frozen=True, slots=True)
class Scopes:
    """`write`: the one scope that may be written; `read`: what may be read, in this order."""

    write: str
    read: tuple[str, ...]


def scopes(order: JobOrder) -> Scopes:
    """The scopes of a job."""
    github: Mapping[str, Any] = order.contexts.get("github") or {}
    event = github.get("event") or {}
    own = _own(order, github, event)
    shared = [_trusted(order, name) for name in _bases(order, github, event)]
    return Scopes(own, tuple(dict.fromkeys([own, *shared])))


def _own(order: JobOrder, github: Mapping[str, Any], event: Mapping[str, Any]) -> str:
    ref = order.ref or order.sha
    name = str(github.get("event_name", ""))
    number = event.get("number") or _at(event, "pull_request", "number")
    if name.startswith(_REQUESTS) or not order.trusted:
        which = f"{number or github.get('head_ref') or ref}"
        kind = "request" if order.trusted else "fork"
        return _scope(order, kind, which)
    return _trusted(order, ref)


def _bases(order: JobOrder, github: Mapping[str, Any], event: Mapping[str, Any]) -> list[str]:
    """The branches whose caches a run may read beside its own."""
    default = _at(event, "repository", "default_branch") or "main"
    base = github.get("base_ref") or ""
    return [f"refs/heads/{_short(str(name))}" for name in (base, default) if name]


def _trusted(order: JobOrder, ref: str) -> str:
    full = ref if ref.startswith("refs/") else f"refs/heads/{ref}"
    return _scope(order, "branch", full)


def _scope(order: JobOrder, kind: str, name: str) -> str:
    """Short and of plain characters, whatever a branch is called."""
    hashed = hashlib.sha256(f"{order.repo}\0{name}".encode("utf-8", "surrogatepass"))
    return f"{CACHE_SCOPES}{kind}/{hashed.hexdigest()[:40]}"


def _short(ref: str) -> str:
    return ref.removeprefix("refs/heads/")


def _at(found: Any, *path: str) -> Any:
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found
