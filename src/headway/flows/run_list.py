"""Runs as a list, newest first, a page at a time. Used by the pages and the API.

The names of runs hold the time of their creation, so that a page costs the reading of its own runs
and of a folder's names, however many there are.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from headway.flows import pipeline
from headway.model.errors import HeadwayError
from headway.pipeline.run.state import RunSpec, RunState
from headway.store import run_log

LOOKED_AT = 500
"""How many runs are looked at for one page, when a filter lets few of them through."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A run, and how it stands (flows/pipeline.stands)."""

    run: RunState
    stands: str


@dataclass(frozen=True, slots=True)
class Listing:
    """`next`: the name to go on behind; empty at the end. `unreadable`: runs with damaged logs."""

    runs: tuple[Listed, ...]
    next: str
    unreadable: tuple[str, ...]


def service_of(spec: RunSpec) -> str:
    """The service that a run belongs to: its own, else the one whose hosted repository it is of."""
    return spec.service or PurePosixPath(spec.repo).name.removesuffix(".git")


def listed(
    home: Path, wanted: Callable[[Listed], bool], behind: str = "", limit: int = 50
) -> Listing:
    """At most so many of the `wanted` ones, behind that name."""
    names = run_log.newest(home, behind)
    found: list[Listed] = []
    broken: list[str] = []
    last = ""
    for name in names[:LOOKED_AT]:
        last = name
        try:
            state = pipeline.show(home, name)
        except HeadwayError:
            broken.append(name)
            continue
        one = Listed(state, pipeline.stands(home, state, time.time()))
        if wanted(one):
            found.append(one)
        if len(found) == limit:
            break
    return Listing(tuple(found), last if last and last != names[-1] else "", tuple(broken))
