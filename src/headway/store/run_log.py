"""The log of a pipeline run: HOME/runs/RUN/log.jsonl, appended to and never changed.

One JSON line for each event of pipeline/run/state.py. Each line carries its number and a digest
over itself and the digest before it (BLAKE2b, 8 bytes), so that a damaged, missing or moved line is
noticed. What a crash left of the last line is dropped; anything else that is wrong is an error. One
process drives a run at a time: it holds a lock on HOME/runs/RUN/lock, which ends with it. Other
processes ask by files in HOME/runs/RUN/requests. Imports no database: `headway run` starts fast.

Called by flows/pipeline.py and everything that shows runs.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from headway import typed
from headway.model.errors import Drifted, Failed, HeadwayError, Invalid
from headway.pipeline.run import state
from headway.pipeline.run.state import Event
from headway.record import dataclass

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_ULID = re.compile("[0-9A-HJKMNP-TV-Z]{26}")
_TYPES: dict[str, type[Event]] = {
    "created": state.Created,
    "planned": state.Planned,
    "called": state.Called,
    "started": state.Started,
    "ended": state.Ended,
    "retried": state.Retried,
    "cancelled": state.Cancelled,
    "asked": state.Asked,
    "decided": state.Decided,
    "finished": state.Finished,
}
_DECODERS = {kind: typed.decoder(made) for kind, made in _TYPES.items()}
_ENCODER = msgspec.json.Encoder()


class _Envelope(msgspec.Struct):
    """One line: `sum` is over the line's number, its event's bytes and the `sum` before it."""

    n: int
    sum: str
    kind: str
    event: msgspec.Raw


class _At(msgspec.Struct):
    at: float


_ENVELOPE = typed.decoder(_Envelope)


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody wants the run, or one instance (`key`), to stop. `forced`: see state.Cancelled.

    With `environment` it is a decision about that one instead, said at the Unix time `at` by a
    member of `teams`.
    """

    by: str
    because: str
    key: str = ""
    forced: bool = False
    environment: str = ""
    approved: bool = False
    at: float = 0.0
    teams: tuple[str, ...] = ()


class RunLog:
    """An open log: `events` as read when it was opened; more are appended by its one driver."""

    def __init__(self, folder: Path, lock: int, read: "_Read") -> None:
        self.folder = folder
        self.events = read.events
        self._lock = lock
        self._count = len(read.events)
        self._sum = read.sum
        self._file = os.open(folder / "log.jsonl", os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        self._size = read.size
        self._placed = False
        if read.torn:
            os.ftruncate(self._file, self._size)
            os.fsync(self._file)

    def append(self, events: Iterable[Event], *, sync: bool = True) -> None:
        """Write the events in one go; with `sync` they are on disk when this returns.

        Raises Failed (`storage-full`).
        """
        lines, count, last = bytearray(), self._count, self._sum
        for event in events:
            line, last = _line(count, event, last)
            count += 1
            lines += line
        if not lines:
            return
        try:
            _write(self._file, bytes(lines))
            if sync:
                os.fdatasync(self._file)
        except OSError as error:
            os.ftruncate(self._file, self._size)
            raise _full(self.folder, error) from error
        self._count, self._sum, self._size = count, last, self._size + len(lines)

    def sync(self) -> None:
        """All that was appended is on disk when this returns, and so is the log itself, if it was
        created without a sync. Raises Failed (`storage-full`).
        """
        try:
            os.fdatasync(self._file)
            if not self._placed:
                _sync_folder(self.folder)
                _sync_folder(self.folder.parent)
                self._placed = True
        except OSError as error:
            raise _full(self.folder, error) from error

    def requests(self, seen: set[str]) -> list[Request]:
        """The requests that came since; their names are added to `seen`."""
        return _requests(self.folder / "requests", seen)

    def close(self) -> None:
        """Let go of the run."""
        os.close(self._file)
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class _Read:
    """What a log's bytes say: its events, the last line's `sum`, the bytes that are sound."""

    events: tuple[Event, ...]
    sum: str
    size: int
    torn: bool


def folder(home: Path, run: str) -> Path:
    """Where everything of the run is kept. Raises Invalid (`bad-name`)."""
    if not _NAME.fullmatch(run):
        raise Invalid(
            f"{run!r} cannot be the name of a run",
            why="letters, digits, `.`, `_`, `-`; at most 100; a letter or digit first",
            code="bad-name",
        )
    return home / "runs" / run


def create(home: Path, events: Iterable[Event], *, sync: bool = True) -> bool:
    """Begin the log of a new run with these events, the first of which is its creation; False if
    there is one already. Without `sync` it is on disk when its driver syncs, for a run that follows
    at once. Raises Invalid (`bad-name`), Failed (`storage-full`).
    """
    first, *rest = events
    if not isinstance(first, state.Created):
        raise ValueError("a run begins with its creation")
    place = folder(home, first.spec.id)
    lines, last = bytearray(), ""
    for number, event in enumerate((first, *rest)):
        line, last = _line(number, event, last)
        lines += line
    try:
        (place / "requests").mkdir(parents=True, exist_ok=True)
        return _publish(place / "log.jsonl", bytes(lines), sync=sync)
    except OSError as error:
        raise _full(place, error) from error


def read(home: Path, run: str) -> tuple[Event, ...]:
    """The events so far. Raises Invalid (`unknown-run`, `bad-name`), Failed (`damaged`)."""
    place = folder(home, run)
    return _parse(place, _bytes(place, run)).events


def exists(home: Path, run: str) -> bool:
    """Whether there is such a run. Raises Invalid (`bad-name`)."""
    return (folder(home, run) / "log.jsonl").is_file()


def drive(home: Path, run: str) -> RunLog:
    """The log, for the one process that may append. Raises as `read`, and Drifted (`run-running`).

    Close it in the end.
    """
    place = folder(home, run)
    _bytes(place, run)
    lock = os.open(place / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(lock, run)
        return RunLog(place, lock, _parse(place, _bytes(place, run)))
    except HeadwayError:
        os.close(lock)
        raise


def _lock(lock: int, run: str) -> None:
    """Somebody who only looks (`driven`) holds the lock for a moment: ask again."""
    for _ in range(5):
        with contextlib.suppress(BlockingIOError):
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(0.01)
    raise Drifted(
        f"another process runs {run} already",
        next=f"headway pipeline show {run}",
        code="run-running",
    )


def driven(home: Path, run: str) -> bool:
    """Whether a living process drives the run now."""
    try:
        lock = os.open(folder(home, run) / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def runs(home: Path) -> tuple[str, ...]:
    """The names of all runs, the newest first. One whose first line cannot be read comes last."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for entry in os.scandir(home / "runs"):
            log = Path(entry.path) / "log.jsonl"
            if _NAME.fullmatch(entry.name) and log.is_file():
                found.append((_created_at(log), entry.name))
    return tuple(name for _, name in sorted(found, reverse=True))


def newest(home: Path, behind: str = "") -> list[str]:
    """Names of runs, the newest first by the ULID in them, without opening one; with `behind` those
    that come after that name. Names without a ULID come last.
    """
    try:
        names = [e.name for e in os.scandir(home / "runs") if _NAME.fullmatch(e.name)]
    except FileNotFoundError:
        return []
    ordered = sorted(names, key=_age, reverse=True)
    return [n for n in ordered if not behind or _age(n) < _age(behind)]


def _age(name: str) -> tuple[str, str]:
    """What sorts by time: the ULID behind the prefix, then the attempt."""
    base, _, attempt = name.partition(".")
    kind, _, id = base.rpartition("_")
    return (id, attempt.zfill(4)) if kind and _ULID.fullmatch(id) else ("", name)


def ask(home: Path, run: str, request: Request) -> None:
    """Leave a request for whoever drives the run, now or later. Raises Invalid (`unknown-run`)."""
    place = folder(home, run)
    if not (place / "log.jsonl").is_file():
        raise _unknown(run)
    requests = place / "requests"
    requests.mkdir(exist_ok=True)
    taken = {entry.name for entry in os.scandir(requests)}
    number = len(taken)
    while not _publish(requests / f"{number:06}.json", _ENCODER.encode(request)):
        number += 1


def asked(home: Path, run: str) -> int:
    """How many requests there are. Raises Invalid (`bad-name`)."""
    return sum(1 for _ in _names(folder(home, run) / "requests"))


def _created_at(log: Path) -> float:
    with log.open("rb") as file:
        line = file.readline()
    try:
        return typed.loads(_ENVELOPE.decode(line).event, _At).at
    except msgspec.DecodeError:
        return 0.0


def _line(number: int, event: Event, before: str) -> tuple[bytes, str]:
    body = _ENCODER.encode(event)
    found = _sum(number, body, before)
    return b'{"n":%d,"sum":"%s","kind":"%s","event":%s}\n' % (
        number,
        found.encode("ascii"),
        event.kind.encode("ascii"),
        body,
    ), found


def _sum(number: int, body: bytes, before: str) -> str:
    digest = hashlib.blake2b(f"{number} {before} ".encode("ascii"), digest_size=8)
    digest.update(body)
    return digest.hexdigest()


def _bytes(place: Path, run: str) -> bytes:
    try:
        return (place / "log.jsonl").read_bytes()
    except FileNotFoundError as error:
        raise _unknown(run) from error


def _unknown(run: str) -> Invalid:
    return Invalid(f"there is no run {run!r}", next="headway pipeline list", code="unknown-run")


def _parse(place: Path, content: bytes) -> _Read:
    events: list[Event] = []
    before = ""
    whole, _, tail = content.rpartition(b"\n")
    for number, line in enumerate(whole.split(b"\n") if whole else ()):
        event, before = _event(place, number, line, before)
        events.append(event)
    if not events:
        raise _damaged(place, 0, "there is no whole line in it")
    return _Read(tuple(events), before, len(content) - len(tail), bool(tail))


def _event(place: Path, number: int, line: bytes, before: str) -> tuple[Event, str]:
    try:
        envelope = _ENVELOPE.decode(line)
        found = _sum(number, bytes(envelope.event), before)
        if envelope.n != number or envelope.sum != found:
            raise _damaged(place, number, "it is not what was written")
        event: Event = _DECODERS[envelope.kind].decode(envelope.event)
    except (msgspec.DecodeError, KeyError) as error:
        raise _damaged(place, number, str(error)) from error
    return event, found


def _damaged(place: Path, number: int, why: str) -> Failed:
    return Failed(
        f"{place / 'log.jsonl'} is damaged at line {number + 1}",
        why=why,
        next="start the run again under another name",
        code="damaged",
    )


def _full(place: Path, error: OSError) -> Failed:
    return Failed(
        f"{place} cannot be written", why=error.strerror or str(error), code="storage-full"
    )


def _requests(place: Path, seen: set[str]) -> list[Request]:
    found = []
    for name in _names(place):
        if name not in seen:
            seen.add(name)
            found.append(typed.loads((place / name).read_bytes(), Request))
    return found


def _names(place: Path) -> Iterator[str]:
    with contextlib.suppress(FileNotFoundError):
        yield from sorted(e.name for e in os.scandir(place) if e.name.endswith(".json"))


def _publish(path: Path, content: bytes, *, sync: bool = True) -> bool:
    """The file appears whole and on disk (`sync`), or not at all; False if the name is taken."""
    new = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        _write(file, content)
        if sync:
            os.fsync(file)
        path.hardlink_to(new)
    except FileExistsError:
        return False
    finally:
        os.close(file)
        new.unlink()
    if sync:
        _sync_folder(path.parent)
    return True


def _write(file: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(file, left) :]


def _sync_folder(place: Path) -> None:
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
