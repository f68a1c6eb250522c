"""What the stable version did before, for when nobody runs beside the candidate: may it be used?

A snapshot is the judge's memory of a release, kept after the windows it was measured in. It tells
nothing of what changed since: the hour, the day of the week, the load. So its age is always said, a
stale one is warned of, and an old one is not used. Called by flows/baseline.
"""

from dataclasses import dataclass, replace
from typing import Literal

from headway.analysis.memory import Memory

STALE_SECONDS = 86400.0
DEAD_SECONDS = 7 * 86400.0


@dataclass(frozen=True, slots=True)
class Kept:
    """The memory of `release`, last added to `at` (Unix seconds)."""

    release: str
    at: float
    memory: Memory


@dataclass(frozen=True, slots=True)
class Standing:
    """What may be used now: `memory`, None for nothing. `words`: why, for people; empty if there is
    no snapshot at all. `stale`: used, but to be warned of.
    """

    memory: Memory | None = None
    words: str = ""
    stale: bool = False
    release: str = ""
    age_seconds: float = 0.0


def standing(
    kept: Kept | None,
    now: float,
    bounds_ms: tuple[float, ...],
    policy: Literal["stable", "snapshot"],
) -> Standing:
    """Whether the snapshot may stand in for a stable version that is not there.

    `policy`: analysis.baseline. `snapshot` also uses a stale one, `stable` only one of today.
    """
    if kept is None or kept.memory.requests <= 0:
        return Standing()
    age = max(0.0, now - kept.at)
    known = Standing(release=kept.release, age_seconds=age)
    if age > DEAD_SECONDS:
        return replace(known, words=f"{_what(kept, age)} is too old to compare with")
    if age > STALE_SECONDS and policy != "snapshot":
        hint = "`baseline: snapshot` would use it all the same"
        return replace(known, words=f"{_what(kept, age)} is stale and not used; {hint}")
    memory, foreign = _fitting(kept.memory, bounds_ms)
    stale = age > STALE_SECONDS or foreign
    words = f"compared with {_what(kept, age)}"
    if age > STALE_SECONDS:
        words += ": stale, so the hour or the load may be what differs"
    if foreign:
        words += ": its latencies were counted in other buckets and are left out"
    return replace(known, memory=memory, words=words, stale=stale)


def _fitting(memory: Memory, bounds_ms: tuple[float, ...]) -> tuple[Memory, bool]:
    """The memory without latencies that cannot be compared, and whether there were any."""
    if not memory.buckets or memory.bounds_ms == bounds_ms:
        return memory, False
    return replace(memory, bounds_ms=(), buckets=()), True


def _what(kept: Kept, age: float) -> str:
    return f"the snapshot of {kept.release}, {ago(age)} old"


def ago(seconds: float) -> str:
    """An age as people say it: `40 s`, `12 min`, `5 h`, `3 days`."""
    for unit, of, least in (("days", 86400.0, 2), ("h", 3600.0, 2), ("min", 60.0, 2)):
        if seconds >= of * least:
            return f"{seconds / of:.0f} {unit}"
    return f"{seconds:.0f} s"
