"""Logs of a run's steps for people and programs, also while they are written.

A step's log is a file of masked bytes in the home (logs.py). One `Reader` goes on from where it
was, so that following is the same as reading again. Called by `headway pipeline logs`; what jobs
and steps are called also by api/run_logs.
"""

import re
from collections.abc import Iterator
from dataclasses import field
from itertools import zip_longest
from pathlib import Path

from headway.adapters.linux.tail import Tail
from headway.adapters.linux.workspace import earlier, workspace
from headway.model.errors import Invalid
from headway.model.job import Line
from headway.pipeline.run.state import RunState
from headway.record import dataclass

_LOG = re.compile(r"([0-9]{1,6})\.log")


@dataclass(frozen=True, slots=True)
class Said:
    """One line of a step's log. `number`: of the step's log in the job, from 0."""

    job: str
    name: str
    number: int
    step: str
    line: Line


@dataclass(slots=True)
class Reader:
    """Reads what is new in the logs of a run. `only`: (job key, step number or None) or None.
    `tries`: that try of the job, 0 for its last.
    """

    home: Path
    run: str
    only: tuple[str, int | None] | None = None
    tries: int = 0
    _tails: dict[tuple[str, int, int], Tail] = field(default_factory=dict)

    def fresh(self, state: RunState, *, last: bool) -> Iterator[Said]:
        """Lines that came since; with `last` also one that never got its end."""
        for key in state.orders:
            if self.only is None or self.only[0] == key:
                for number in self._numbers(state, key):
                    yield from self._step(state, key, number, last=last)

    def _numbers(self, state: RunState, key: str) -> list[int]:
        wanted = self.only[1] if self.only else None
        if wanted is not None:
            return [wanted]
        return numbers(folder_of(self.home, state, key, self.tries))

    def _step(self, state: RunState, key: str, number: int, *, last: bool) -> Iterator[Said]:
        folder = folder_of(self.home, state, key, self.tries)
        tail = self._tails.setdefault(
            (key, number, state.orders[key].tries), Tail(lambda: folder, number)
        )
        name, step = state.orders[key].name, step_name(state, key, number)
        while True:
            for stored in tail.more(last=last):
                if stored.line is not None:
                    yield Said(key, name, number, step, stored.line)
            if tail.drained:
                return


def numbers(folder: Path) -> list[int]:
    """Of the logs that a job has in its folder, in the order in which its steps ran."""
    found = (_LOG.fullmatch(file.name) for file in (folder / "logs").glob("*.log"))
    return sorted(int(name[1]) for name in found if name)


def step_name(state: RunState, key: str, number: int) -> str:
    """What people call the step that wrote this log."""
    report = state.ended.get(key)
    for step in report.steps if report else ():
        if step.log == number:
            return step.name
    steps = state.orders[key].steps if key in state.orders else ()
    if number < len(steps):
        spec = steps[number]
        first = (spec.run or "").strip().splitlines()[:1]
        return spec.name or spec.uses or " ".join(first) or f"step {number + 1}"
    return f"step {number + 1}"


def folder_of(home: Path, state: RunState, key: str, tries: int) -> Path:
    """Where the logs of that try of the job are; 0: its last. Raises Invalid (`unknown-try`)."""
    place, last = workspace(home, state.spec.id, key), state.orders[key].tries
    if tries > last:
        raise Invalid(f"`{key}` was tried {last} time(s)", code="unknown-try")
    return place.folder if tries in {0, last} else earlier(place, tries).folder


def find_job(state: RunState, given: str) -> str:
    """The key of the instance that a key, a name or an id means. Raises Invalid (`unknown-job`)."""
    for key, order in state.orders.items():
        if given in {key, order.name}:
            return key
    same = [key for key, order in state.orders.items() if order.id == given]
    if len(same) == 1:
        return same[0]
    known = ", ".join(state.orders) or "none"
    raise Invalid(
        f"run {state.spec.id} started {len(same) or 'no'} job(s) `{given}`",
        why=f"started: {known}",
        next=f"headway pipeline show {state.spec.id}",
        code="unknown-job",
    )


def find_planned(state: RunState, given: str) -> str:
    """As `find_job`, but also an instance that has not begun. Raises Invalid (`unknown-job`)."""
    known = {
        key: (name, plan.job)
        for plan in state.plans.values()
        for key, name in zip_longest(plan.keys, plan.names[: len(plan.keys)], fillvalue="")
    }
    if given in known:
        return given
    for which in (0, 1):
        same = [key for key, called in known.items() if called[which] == given]
        if len(same) == 1:
            return same[0]
    raise Invalid(
        f"run {state.spec.id} has no job `{given[:100]}` now, or several",
        why=f"there are: {', '.join(known)[:500] or 'none'}",
        next=f"headway pipeline show {state.spec.id}",
        code="unknown-job",
    )


def find_step(state: RunState, key: str, given: str) -> int:
    """The number of the log that a number (from 1), an id or a name means.

    Raises Invalid (`unknown-step`).
    """
    report = state.ended.get(key)
    for step in report.steps if report else ():
        if given in {step.id, step.name} and step.log >= 0:
            return step.log
    ids = [step.id for step in state.orders[key].steps] if key in state.orders else []
    if given in ids:
        return ids.index(given)
    if re.fullmatch("[1-9][0-9]{0,5}", given):
        return int(given) - 1
    raise Invalid(
        f"job `{key}` has no log of a step `{given}`",
        why=f"its steps are {', '.join(ids)}",
        next=f"headway pipeline logs {state.spec.id} {key}",
        code="unknown-step",
    )
