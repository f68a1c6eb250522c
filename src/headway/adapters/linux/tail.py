"""Reads one step's log line by line, in bounded pieces, while it is written and moved.

The logs of a try are moved aside when the next begins, and those of a job that a worker has lost
are begun anew: both are noticed, so that a reader neither loses a line nor mixes two logs. Used by
run_logs (`headway pipeline logs`) and job_log (HTTP).
"""

import os
import zlib
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from headway.adapters.linux import logs
from headway.adapters.linux.workspace import open_regular
from headway.model.job import Line
from headway.record import dataclass

PIECE_BYTES = 16 * 1024
MOST_LINE = 1024**2
SEEN_BYTES = 64


@dataclass(frozen=True, slots=True)
class Stored:
    """One line of a log. `raw`: its bytes, with the newline. `number` counts from 1, `end` is the
    byte after it, `sum` the CRC-32 of all before that. `line`: as it is shown; None for one that
    only ends a group.
    """

    raw: bytes
    number: int
    end: int
    sum: int
    line: Line | None


class Tail:
    """How far one log was read. `where` gives the job's folder; it may be another each time.

    `after`: end and sum of the line that was seen last, (0, 0) for none. If the log is another one
    by now, it is read from its beginning. `drained`: the last piece was empty.
    """

    def __init__(
        self, where: Callable[[], Path], step: int, after: tuple[int, int] = (0, 0)
    ) -> None:
        self._where, self._step = where, step
        self._file: tuple[int, int] | None = None
        self.drained = False
        self._begin(after)

    def _begin(self, after: tuple[int, int]) -> None:
        self._after = after
        self._offset = self._number = self._end = self._sum = self._depth = 0
        self._rest = self._seen = b""
        self._times: deque[tuple[int, float, int]] = deque()
        self._indexed, self._at = 0, 0.0

    def more(self, *, last: bool) -> list[Stored]:
        """The new lines of the next piece; with `last` also one that never got its end. No line
        is longer than MOST_LINE. Raises OSError for a log that a step has replaced.
        """
        data = self._read()
        self.drained = not data
        if self.drained and self._after[0] > self._offset:
            self._anew()
        whole, rest = _cut(self._rest + data)
        if self.drained and last and rest:
            whole, rest = [*whole, rest], b""
        self._rest = rest
        found = [self._stored(raw) for raw in whole]
        return self._new(found) if self._after[0] else found

    def _new(self, found: list[Stored]) -> list[Stored]:
        """Those behind the line that was seen last; none, and all again, if it is not there."""
        end, sum = self._after
        if self._end < end:
            return []
        if not any((s.end, s.sum) == (end, sum) for s in found):
            self._anew()
            return []
        self._after = (0, 0)
        return [s for s in found if s.end > end]

    def _anew(self) -> None:
        self._begin((0, 0))
        self.drained = False

    def _stored(self, raw: bytes) -> Stored:
        while self._times and self._times[0][0] <= self._end:
            self._at = self._times.popleft()[1]
        self._number += 1
        self._end += len(raw)
        self._sum = zlib.crc32(raw, self._sum)
        text = raw.removesuffix(b"\n")
        line = logs.parse(text, self._at, self._depth)
        self._depth = logs.depth_after(text, self._depth)
        return Stored(raw, self._number, self._end, self._sum, line)

    def _read(self) -> bytes:
        file = self._open()
        if file is None:
            return b""
        with file:
            if self._is_another(file):
                self._begin((0, 0))
            file.seek(self._offset)
            data = file.read(PIECE_BYTES)
        self._offset += len(data)
        self._seen = (self._seen + data)[-SEEN_BYTES:]
        if data and (not self._times or self._times[-1][0] < self._offset):
            more = logs.index(self._where(), self._step, self._indexed, logs.READ_BYTES)
            self._indexed += len(more)
            self._times.extend(more)
        return data

    def _is_another(self, file: BinaryIO) -> bool:
        """Whether this is not the log that was read before; a new file may have an old number."""
        stat = os.fstat(file.fileno())
        before, self._file = self._file, (stat.st_dev, stat.st_ino)
        file.seek(self._offset - len(self._seen))
        return before not in {None, self._file} or file.read(len(self._seen)) != self._seen

    def _open(self) -> BinaryIO | None:
        """The log where it is now: not one that came to its place after it was moved."""
        folder = self._where()
        while True:
            file = None
            with suppress(FileNotFoundError):
                file = open_regular(folder / "logs" / f"{self._step}.log")
            if (now := self._where()) == folder:
                return file
            folder = now
            if file is not None:
                file.close()


def _cut(data: bytes) -> tuple[list[bytes], bytes]:
    """Whole lines with their ends, and the rest; the same wherever the pieces begin."""
    *lines, rest = data.split(b"\n")
    whole: list[bytes] = []
    for line in lines:
        short = _short(line, whole)
        whole.append(short + b"\n")
    return whole, _short(rest, whole)


def _short(line: bytes, whole: list[bytes]) -> bytes:
    while len(line) > MOST_LINE:
        whole.append(line[:MOST_LINE])
        line = line[MOST_LINE:]
    return line
