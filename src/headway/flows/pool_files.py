"""What a worker's job said, put where it would be if the job had run here, and told to the watch.

Logs and their indexes are written byte for byte at their offset, so that the same piece again
changes nothing. `RUN/.KEY.pool` says whose logs they are: an attempt, a pool, a generation; when
the job begins anew elsewhere, what the worker before said of it goes. Called by flows/pool_away.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from headway import typed
from headway.model.errors import Failed
from headway.model.job import JobOrder, Line, StepReport
from headway.ports.job_runner import JobWatch
from headway.store.pool_claims import Piece

Parse = Callable[[bytes, float, int], Line | None]
"""A stored line, its time and the number of open groups; None for one that only ends a group."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Where an attempt of a job is done: `pool` "" is this machine."""

    attempt: int
    pool: str
    generation: int = 0


def read_mark(home: Path, order: JobOrder) -> Mark | None:
    """Where this attempt is done; None if that is not decided."""
    try:
        found = typed.loads(_mark(home, order).read_bytes(), Mark)
    except FileNotFoundError:
        return None
    return found if found.attempt == order.attempt else None


def write_mark(home: Path, order: JobOrder, mark: Mark) -> None:
    """Decide it, for good."""
    file = _mark(home, order)
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f"{file.name}.new")
    fresh.write_bytes(msgspec.json.encode(mark))
    fresh.replace(file)


def _mark(home: Path, order: JobOrder) -> Path:
    return home / "runs" / order.run / f".{order.key}.pool"


class Said:
    """The words of one attempt of a job."""

    def __init__(self, home: Path, order: JobOrder, mark: Mark, parse: Parse) -> None:
        self._home, self._order, self._mark, self._parse = home, order, mark, parse
        self._folder = home / "runs" / order.run / order.key
        self._rest: dict[int, bytes] = {}
        self._depth: dict[int, int] = {}

    def take(self, piece: Piece, at: float, watch: JobWatch) -> None:
        """Put it where it belongs. Raises Failed (`storage-full`)."""
        try:
            if piece.generation != self._mark.generation:
                self._begin_anew(piece.generation)
            if piece.kind in {"log", "idx"}:
                self._write(piece)
        except OSError as error:
            raise Failed(
                f"the log of {self._order.name} cannot be written",
                why=error.strerror or str(error),
                code="storage-full",
            ) from error
        self._tell(piece, at, watch)

    def _tell(self, piece: Piece, at: float, watch: JobWatch) -> None:
        key = self._order.key
        if piece.kind == "log":
            self._lines(piece.number, piece.data, at, watch)
        elif piece.kind == "began":
            watch.step_began(key, piece.number, typed.loads(piece.data, str))
        elif piece.kind == "ended":
            self._lines(piece.number, b"", at, watch)
            watch.step_ended(key, piece.number, typed.loads(piece.data, StepReport))

    def _lines(self, number: int, data: bytes, at: float, watch: JobWatch) -> None:
        *whole, rest = (self._rest.get(number, b"") + data).split(b"\n")
        if not data and rest:
            whole, rest = [rest], b""
        self._rest[number] = rest
        for raw in whole:
            depth = self._depth.get(number, 0)
            line = self._parse(raw, at, depth)
            if line is None:
                self._depth[number] = max(0, depth - 1)
                continue
            self._depth[number] = depth + (line.level == "group")
            if line.level != "debug":
                watch.line(self._order.key, number, line)

    def _begin_anew(self, generation: int) -> None:
        self._rest, self._depth = {}, {}
        logs = self._folder / "logs"
        aside = self._folder.parent / ".tries" / self._order.key / str(self._order.tries - 1)
        if self._mark.generation == 0 and self._order.tries > 1 and not (aside / "logs").exists():
            aside.mkdir(parents=True, exist_ok=True)
            if logs.is_dir():
                logs.rename(aside / "logs")
        shutil.rmtree(self._folder, ignore_errors=True)
        logs.mkdir(parents=True)
        self._mark = replace(self._mark, generation=generation)
        write_mark(self._home, self._order, self._mark)

    def _write(self, piece: Piece) -> None:
        path = self._folder / "logs" / f"{piece.number}.{piece.kind}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        file = os.open(path, flags, 0o644)
        try:
            view, offset = memoryview(piece.data), piece.offset
            while view:
                written = os.pwrite(file, view, offset)
                view, offset = view[written:], offset + written
        finally:
            os.close(file)
