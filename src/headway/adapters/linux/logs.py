"""The logs of a job's steps on disk: one file a step, an index beside it, both only ever appended.

JOB/logs/N.log holds the masked bytes of step N; N.idx 24 bytes for each stretch of it: offset,
Unix time and number of lines before it (little-endian u64, f64, u64). A log is bounded: beyond
HEAD_BYTES only the last TAIL_BYTES are kept, and the log says so. Written by output, read by all
that shows logs; a reader goes on from any offset, also while the step runs.
"""

import hashlib
import os
import struct
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from headway.adapters.linux.workspace import open_regular
from headway.model.job import Level, Line

HEAD_BYTES = 16 * 1024**2
TAIL_BYTES = 64 * 1024
READ_BYTES = 1024**2
_INDEX = struct.Struct("<QdQ")
_INDEX_EVERY_BYTES, _INDEX_EVERY_SECONDS = 64 * 1024, 0.2
_MARKS = {*get_args(Level), "debug", "command", "group"}


class LogFile:
    """One step's log while it is written. A log that is there already (the step was interrupted) is
    gone on with. Raises OSError when the disk is full.
    """

    def __init__(self, folder: Path, step: int, head_bytes: int = HEAD_BYTES) -> None:
        self._path = folder / "logs" / f"{step}.log"
        self._index_path = self._path.with_suffix(".idx")
        self._sum = hashlib.sha256()
        self._file = self._index = -1
        self._head = head_bytes
        self._late: deque[bytes] = deque()
        self._late_bytes = self._cut_bytes = 0
        self._indexed = (-_INDEX_EVERY_BYTES, 0.0)
        self.size = self.lines = 0
        self._go_on()

    def _go_on(self) -> None:
        try:
            with open_regular(self._path) as file:
                data = file.read()
        except FileNotFoundError:
            return
        self._sum.update(data)
        self.size, self.lines = len(data), data.count(b"\n")

    @property
    def full(self) -> bool:
        """Whether lines go to the tail already, of which most will be left out."""
        return self._cut_bytes > 0

    def append(self, data: bytes, at: float) -> bool:
        """Add whole lines, masked. False: the head is full, and they are only kept as the tail."""
        if not self.full and self.size + len(data) <= self._head:
            self._write(data, at)
            return True
        self._cut_bytes += len(data)
        self._late.append(data[-TAIL_BYTES:])
        self._late_bytes += len(self._late[-1])
        while self._late_bytes - len(self._late[0]) > TAIL_BYTES:
            self._late_bytes -= len(self._late.popleft())
        return False

    def flush(self, at: float) -> bytes:
        """Write what was kept of the end; gives it."""
        if not self._cut_bytes:
            return b""
        tail = b"".join(self._late)[-TAIL_BYTES:]
        tail = tail.partition(b"\n")[2] or tail
        left_out = self._cut_bytes - len(tail)
        data = b"[headway: %d bytes left out here]\n" % left_out + tail
        self._late.clear()
        self._cut_bytes = 0
        self._write(data, at)
        return data

    def close(self) -> str:
        """Close the files; gives the sha256 of the log (hex)."""
        for descriptor in (self._file, self._index):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._index = -1
        return self._sum.hexdigest()

    def _write(self, data: bytes, at: float) -> None:
        if self._file < 0:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            self._file = os.open(self._path, flags, 0o644)
            self._index = os.open(self._index_path, flags, 0o644)
        offset, since = self._indexed
        if self.size - offset >= _INDEX_EVERY_BYTES or at - since >= _INDEX_EVERY_SECONDS:
            os.write(self._index, _INDEX.pack(self.size, at, self.lines))
            self._indexed = (self.size, at)
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]
        self._sum.update(data)
        self.size += len(data)
        self.lines += data.count(b"\n")


def read(folder: Path, step: int, offset: int = 0, limit: int = READ_BYTES) -> tuple[bytes, int]:
    """Masked bytes of a step's log from that offset, and the offset to go on from. Nothing (yet):
    no bytes. Raises OSError for a log that a step has replaced by something else.
    """
    try:
        with open_regular(folder / "logs" / f"{step}.log") as file:
            file.seek(max(0, offset))
            data = file.read(limit)
    except FileNotFoundError:
        return b"", offset
    return data, offset + len(data)


def tail(folder: Path, step: int, lines: int = 20) -> bytes:
    """The last lines of a step's log, of at most TAIL_BYTES."""
    try:
        with open_regular(folder / "logs" / f"{step}.log") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL_BYTES))
            data = file.read()
    except FileNotFoundError:
        return b""
    return b"".join(data.splitlines(keepends=True)[-lines:])


def index(
    folder: Path, step: int, begun: int = 0, limit: int = -1
) -> tuple[tuple[int, float, int], ...]:
    """(offset, Unix time, lines before) of each stretch of a step's log, in order, from the stretch
    `begun` on; of at most so many bytes.
    """
    try:
        with open_regular(folder / "logs" / f"{step}.idx") as file:
            file.seek(begun * _INDEX.size)
            data = file.read(limit)
    except FileNotFoundError:
        return ()
    whole = len(data) - len(data) % _INDEX.size
    return tuple(_INDEX.iter_unpack(data[:whole]))


def lines(folder: Path, step: int) -> Iterator[Line]:
    """The whole log so far as it was told to watchers, with times as exact as the index."""
    times = deque(index(folder, step))
    data, at, depth, offset = b"", 0.0, 0, 0
    while True:
        more, following = read(folder, step, offset)
        data += more
        *whole, data = data.split(b"\n")
        if not more and data:
            whole, data = [data], b""
        start = following - len(data) - sum(len(line) + 1 for line in whole)
        for raw in whole:
            while times and times[0][0] <= start:
                at = times.popleft()[1]
            start += len(raw) + 1
            line = parse(raw, at, depth)
            depth = depth_after(raw, depth)
            if line is not None:
                yield line
        if not more:
            return
        offset = following


def parse(raw: bytes, at: float, depth: int) -> Line | None:
    """A stored line as it is shown; None for one that only ends a group."""
    text = raw.decode("utf-8", "replace").removesuffix("\r")
    if not text.startswith("##["):
        return Line(at, text, depth)
    mark, closed, rest = text[3:].partition("]")
    if mark == "endgroup":
        return None
    if closed and mark in _MARKS:
        rest = rest.replace("%0A", "\n")
        return Line(at, rest, depth, mark)  # type: ignore[arg-type]
    return Line(at, text, depth)


def depth_after(raw: bytes, depth: int) -> int:
    """How many groups are open after a stored line, if so many were before it."""
    if raw.startswith(b"##[group]"):
        return depth + 1
    return max(0, depth - 1) if raw.startswith(b"##[endgroup]") else depth
