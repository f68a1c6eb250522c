"""Logs of a run's steps for people and programs, also while they are written.

A step's log is a file of masked bytes in the home (adapters/linux/logs). One `Reader` goes on from
where it was, so that following is the same as reading again. Called by `headway pipeline logs`.
"""

from collections.abc import Iterator
from dataclasses import field
from pathlib import Path

from headway.adapters.linux import logs
from headway.adapters.linux.workspace import earlier, workspace
from headway.model.errors import Invalid
from headway.model.job import Line
from headway.pipeline.run.state import RunState
from headway.record import dataclass


@dataclass(frozen=True, slots=True)
class Said:
    """One line of a step's log. `number`: of the step's log in the job, from 0."""

    job: str
    name: str
    number: int
    step: str
    line: Line


@dataclass(slots=True)
class _Place:
    """How far one step's log was read. `rest`: bytes of a line that has no end yet."""

    offset: int = 0
    rest: bytes = b""
    depth: int = 0


@dataclass(slots=True)
class Reader:
    """Reads what is new in the logs of a run. `only`: (job key, step number or None) or None.
    `tries`: that try of the job, 0 for its last.
    """

    home: Path
    run: str
    only: tuple[str, int | None] | None = None
    tries: int = 0
    _places: dict[tuple[str, int, int], _Place] = field(default_factory=dict)

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
        files = (folder_of(self.home, state, key, self.tries) / "logs").glob("*.log")
        return sorted(int(f.stem) for f in files if f.stem.isdigit())

    def _step(self, state: RunState, key: str, number: int, *, last: bool) -> Iterator[Said]:
        place = self._places.setdefault((key, number, state.orders[key].tries), _Place())
        folder = folder_of(self.home, state, key, self.tries)
        name, step = state.orders[key].name, step_name(state, key, number)
        while True:
            more, place.offset = logs.read(folder, number, place.offset)
            *whole, place.rest = (place.rest + more).split(b"\n")
            if not more and place.rest and last:
                whole, place.rest = [*whole, place.rest], b""
            for raw in whole:
                line = logs.parse(raw, 0.0, place.depth)
                place.depth = _depth(raw, place.depth)
                if line is not None:
                    yield Said(key, name, number, step, line)
            if not more:
                return


def _depth(raw: bytes, depth: int) -> int:
    if raw.startswith(b"##[group]"):
        return depth + 1
    return max(0, depth - 1) if raw.startswith(b"##[endgroup]") else depth


def step_name(state: RunState, key: str, number: int) -> str:
    """What people call the step that wrote this log."""
    report = state.ended.get(key)
    for step in report.steps if report else ():
        if step.log == number:
            return step.name
    steps = state.orders[key].steps
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


def find_step(state: RunState, key: str, given: str) -> int:
    """The number of the log that a number (from 1), an id or a name means.

    Raises Invalid (`unknown-step`).
    """
    report = state.ended.get(key)
    for step in report.steps if report else ():
        if given in {step.id, step.name} and step.log >= 0:
            return step.log
    ids = [step.id for step in state.orders[key].steps]
    if given in ids:
        return ids.index(given)
    if given.isdigit() and given != "0":
        return int(given) - 1
    raise Invalid(
        f"job `{key}` has no log of a step `{given}`",
        why=f"its steps are {', '.join(ids)}",
        next=f"headway pipeline logs {state.spec.id} {key}",
        code="unknown-step",
    )
