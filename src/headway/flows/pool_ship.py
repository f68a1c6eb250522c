"""Hands over what a job says, while it runs: a thread beside each job of a worker.

The log files on the worker's disk are the buffer: their new bytes are read, at most BATCH_BYTES at
a time, and written to the database with how far that is, in one transaction that a fenced worker
cannot make. So nothing is lost, doubled or held in memory, also when the database is away for a
while. Where a step begins and ends is told in between, in order. Called by flows/pool_task.
"""

import os
import queue
import re
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import sqlalchemy as sa

from headway.flows.pool_patience import patiently
from headway.model.job import StepReport
from headway.store import pool_claims
from headway.store.pool_claims import Claim, Piece
from headway.store.pool_place import tx

BATCH_BYTES = 1 << 20
PIECE_BYTES = 256 * 1024
EVERY_SECONDS = 0.1
_LOG = re.compile(r"(0|[1-9][0-9]{0,6})\.(log|idx)")


class Ship(threading.Thread):
    """Ships one job's words until `finish`. `fenced` is called once when the job is not ours."""

    def __init__(
        self, engine: sa.Engine, claim: Claim, folder: Path, fenced: Callable[[], None]
    ) -> None:
        """`folder`: of the job, with `logs` in it."""
        super().__init__(name=f"ship {claim.job}", daemon=True)
        self._engine, self._claim, self._logs = engine, claim, folder / "logs"
        self._fenced = fenced
        self._marks: queue.SimpleQueue[Piece] = queue.SimpleQueue()
        self._shipped: dict[str, int] = {}
        self._wake = threading.Event()
        self._end = threading.Event()
        self._void = threading.Event()

    def going_on(self, shipped: dict[str, int]) -> None:
        """What was handed over before this process was started. To be said before `start`."""
        self._shipped = dict(shipped)

    def began(self, number: int, name: str) -> None:
        """A step begins."""
        self._mark(Piece("began", number, 0, msgspec.json.encode(name)))

    def ended(self, number: int, report: StepReport) -> None:
        """A step is over; its log is whole by now."""
        self._mark(Piece("ended", number, 0, msgspec.json.encode(report)))

    def finish(self) -> None:
        """Until all is handed over, or void."""
        self._end.set()
        self._wake.set()
        self.join()

    def void(self) -> None:
        """Nothing more is handed over."""
        self._void.set()
        self._wake.set()

    def run(self) -> None:
        """Batch after batch."""
        while not self._void.is_set():
            ending = self._end.is_set()
            more = self._round()
            if ending and not more and self._marks.empty():
                return
            if not more:
                self._wake.wait(EVERY_SECONDS)
                self._wake.clear()

    def _mark(self, piece: Piece) -> None:
        self._marks.put(piece)
        self._wake.set()

    def _round(self) -> bool:
        """Everything there is, up to a mark; True if there may be more."""
        mark = None if self._marks.empty() else self._marks.get()
        while self._files():
            if self._void.is_set():
                return False
        if mark is not None:
            self._send([mark], self._shipped)
        return mark is not None

    def _files(self) -> bool:
        """One batch of new bytes; False if there were none."""
        pieces: list[Piece] = []
        shipped, left = dict(self._shipped), BATCH_BYTES
        names = os.listdir(self._logs) if self._logs.is_dir() else ()  # noqa: PTH208
        for name in sorted(names, key=_in_order):
            while left > 0 and (piece := self._piece(name, shipped.get(name, 0), left)):
                pieces.append(piece)
                left -= len(piece.data)
                shipped[name] = piece.offset + len(piece.data)
        if pieces:
            self._send(pieces, shipped)
        return bool(pieces)

    def _piece(self, name: str, offset: int, most: int) -> Piece | None:
        found = _LOG.fullmatch(name)
        if found is None:
            return None
        data = _read(self._logs / name, offset, min(most, PIECE_BYTES))
        return Piece(found[2], int(found[1]), offset, data) if data else None

    def _send(self, pieces: list[Piece], shipped: dict[str, int]) -> None:
        def go() -> bool:
            with tx(self._engine) as one:
                return pool_claims.ship(one, self._claim, pieces, shipped)

        try:
            ours = patiently(go, self._ask)
        except _Void:
            return
        if ours:
            self._shipped = dict(shipped)
        else:
            self._void.set()
            self._fenced()

    def _ask(self) -> None:
        if self._void.is_set():
            raise _Void


def _in_order(name: str) -> tuple[int, str]:
    """A step's log is handed over whole before that of a later step, its index before both."""
    found = _LOG.fullmatch(name)
    return (int(found[1]) if found else -1), name


class _Void(Exception):
    """Nobody wants it any longer."""


def _read(path: Path, offset: int, most: int) -> bytes:
    """Bytes of a log; none if a step has put something else in its place."""
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(path, flags)
    except OSError:
        return b""
    try:
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return os.pread(descriptor, most, offset) if regular else b""
    finally:
        os.close(descriptor)
