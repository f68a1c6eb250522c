"""What one job of a run says, step after step and try after try, from a position on.

A position is a short text that tells which line was seen last; going on from it loses nothing and
repeats nothing, in another connection or another process. Used by api/run_logs.
"""

import re
from dataclasses import field
from functools import partial
from pathlib import Path

from headway.adapters.linux.run_logs import numbers
from headway.adapters.linux.tail import Stored, Tail
from headway.adapters.linux.workspace import earlier, workspace
from headway.model.errors import Invalid
from headway.pipeline.run.state import RunState
from headway.record import dataclass

_POSITION = re.compile(r"([1-9][0-9]{0,3})-([1-9][0-9]{0,5})-([0-9]{1,15})-([0-9a-f]{8})")


@dataclass(frozen=True, slots=True)
class Position:
    """Behind a line: the try (from 1), the number of the step's log (from 0), the byte after the
    line, and the CRC-32 of the log up to there. As a text: `TRY-STEP-BYTE-SUM`, STEP from 1.
    """

    tries: int
    step: int
    end: int = 0
    sum: int = 0

    def __str__(self) -> str:
        return f"{self.tries}-{self.step + 1}-{self.end}-{self.sum:08x}"


def position(text: str) -> Position:
    """What the text says. Raises Invalid (`bad-position`)."""
    found = _POSITION.fullmatch(text)
    if found is None:
        raise Invalid(
            f"{text[:80]!r} is no position in a log",
            next="give the id of an event as it came, or none",
            code="bad-position",
        )
    return Position(int(found[1]), int(found[2]) - 1, int(found[3]), int(found[4], 16))


@dataclass(frozen=True, slots=True)
class Batch:
    """The next lines of one step. `drained`: there was nothing more just now."""

    tries: int
    step: int
    lines: list[Stored]
    drained: bool

    def after(self, line: Stored) -> Position:
        """The position behind one of its lines."""
        return Position(self.tries, self.step, line.end, line.sum)


@dataclass(slots=True)
class JobLog:
    """Reads on where it was. `only`: the number of the one step to read, None for all of them.
    `begun`: the position to go on from; None: the beginning of the last try.
    """

    home: Path
    run: str
    key: str
    only: int | None = None
    begun: Position | None = None
    _tries: int = 0
    _step: int = -1
    _tail: Tail | None = field(default=None)

    def more(self, state: RunState, *, ended: bool) -> Batch | None:
        """At most a piece; None: nothing comes any more. `state` and `ended` (the job is over) were
        read before this call, so that what the job has said by then is on disk. Raises OSError for
        a log that a step has replaced, Invalid (`bad-name`).
        """
        self._open(state)
        while True:
            over = ended or len(state.tries.get(self.key, ())) >= self._tries
            following = self._following()  # looked for first: then this step's log is whole
            lines = self._lines(last=over or following is not None)
            if lines or (self._tail and not self._tail.drained):
                return Batch(self._tries, self._step, lines, drained=False)
            if following is not None:
                self._go_to(following)
            elif self._tries < _latest(state, self.key) and self._begins(ended=ended):
                self._tries, self._step, self._tail = self._tries + 1, -1, None
            elif ended:
                return None
            else:
                return Batch(self._tries, self._step, [], drained=True)

    def _open(self, state: RunState) -> None:
        if self._tries:
            return
        latest = _latest(state, self.key)
        begun = self.begun or Position(latest, -1)
        self._tries = min(begun.tries, latest)
        step = begun.step if self.only in {None, begun.step} else -1
        if begun.tries == self._tries and step >= 0:
            self._go_to(step, (begun.end, begun.sum))

    def _go_to(self, step: int, after: tuple[int, int] = (0, 0)) -> None:
        self._step = step
        self._tail = Tail(partial(self._folder, self._tries), step, after)

    def _lines(self, *, last: bool) -> list[Stored]:
        return self._tail.more(last=last) if self._tail else []

    def _following(self) -> int | None:
        there = numbers(self._folder(self._tries))
        wanted = (n for n in there if n > self._step and self.only in {None, n})
        return next(wanted, None)

    def _folder(self, tries: int) -> Path:
        """Where the logs of that try are: the job's own folder, until the next try begins."""
        place = workspace(self.home, self.run, self.key)
        aside = earlier(place, tries)
        return aside.folder if aside.logs.exists() else place.folder

    def _begins(self, *, ended: bool) -> bool:
        """Whether the job's own folder is the next try's already."""
        place = workspace(self.home, self.run, self.key)
        return ended or earlier(place, self._tries).logs.exists()


def _latest(state: RunState, key: str) -> int:
    return max(1, len(state.tries.get(key, ())) + (key in state.orders))
