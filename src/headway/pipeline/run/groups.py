"""Concurrency groups: who holds one, who waits, who has to go. flows/pipeline_groups keeps them.

docs.github.com, "Control the concurrency of workflows and jobs": one holder at a time; by default
one waiter, and a newer one takes its place; with `queue: max` up to 100 wait in their order; names
are compared without case. Called by schedule (which group) and the flow (its turn).
"""

from dataclasses import replace
from typing import Literal

from headway.expression import Scope, truth
from headway.pipeline.run.contexts import Contexts, filled, valued
from headway.pipeline.syntax.ir import Concurrency
from headway.record import dataclass

MAX_WAITING = 100


@dataclass(frozen=True, slots=True)
class Group:
    """A group somebody wants to enter. `name` in lower case. `all`: waiters keep their places."""

    name: str
    cancel: bool = False
    all: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """Who holds a group or waits for it: a run, or one instance of it (`key`)."""

    run: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A group's holder, and who waits, the longest first."""

    holder: Member | None = None
    waiting: tuple[Member, ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of asking. `evicted`: who shall be cancelled so that the asker gets its turn."""

    line: Line
    answer: Literal["held", "wait", "refused", "lost"]
    evicted: tuple[Member, ...] = ()


def group(written: Concurrency | None, contexts: Contexts) -> Group | None:
    """The group as written, evaluated; None without one. Raises ExpressionError."""
    if written is None:
        return None
    scope = Scope(contexts, {})
    name = filled(written.group, scope).strip().lower()
    if not name:
        return None
    cancel = written.cancel_in_progress
    in_progress = cancel is not None and truth(valued(cancel, scope))
    return Group(name, in_progress, written.queue == "max")


def ask(line: Line, who: Member, wanted: Group) -> Turn:
    """Enter the group or wait for it."""
    if line.holder in {None, who}:
        first = line.waiting[0] if line.waiting else who
        if who in (line.holder, first):
            return Turn(Line(who, tuple(w for w in line.waiting if w != who)), "held")
    if who in line.waiting:
        return Turn(line, "wait")
    return _join(line, who, wanted)


def again(line: Line, who: Member) -> Turn:
    """Ask as one who waits already; `lost`: somebody newer took the place."""
    if who != line.holder and who not in line.waiting:
        return Turn(line, "lost")
    return ask(line, who, Group(""))


def leave(line: Line, who: Member) -> Line:
    """The line without this member."""
    holder = None if line.holder == who else line.holder
    return Line(holder, tuple(w for w in line.waiting if w != who))


def _join(line: Line, who: Member, wanted: Group) -> Turn:
    in_progress = (line.holder,) if wanted.cancel and line.holder else ()
    if wanted.all and not wanted.cancel:
        if len(line.waiting) >= MAX_WAITING:
            return Turn(line, "refused")
        return Turn(replace(line, waiting=(*line.waiting, who)), "wait")
    return Turn(replace(line, waiting=(who,)), "wait", (*in_progress, *line.waiting))
