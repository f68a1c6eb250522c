"""The ticket of a run that waits without a process: HOME/runs/RUN/parked, one small file.

Whoever drove the run leaves it before the run's lock ends, and the next one takes it. While it is
there, the run keeps its concurrency groups. It says how far the run had listened, so that anybody
can tell whether there is anything new for it; nothing depends on it for good: without a ticket the
run is just driven once more. Imports no database. Called by flows/pipeline and its neighbours.
"""

import contextlib
from dataclasses import field
from pathlib import Path

import msgspec

from headway import typed
from headway.pipeline.run.groups import Group
from headway.record import dataclass
from headway.store import run_log

_NAME = "parked"


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a run waits for, besides requests of others.

    `heard`: how many requests it had read. `due`: when something happens by itself (Unix seconds;
    0: never). `groups`: concurrency groups of `repo` that it waits for, by the instance's key (""
    for the run itself). `stopped`: environments of its jobs for which the line is stopped.
    """

    heard: int
    repo: str
    due: float = 0.0
    groups: dict[str, Group] = field(default_factory=dict)
    stopped: tuple[str, ...] = ()


def leave(home: Path, run: str, ticket: Ticket) -> None:
    """Whole or not at all. Only for whoever holds the run's lock. Raises OSError."""
    place = run_log.folder(home, run) / _NAME
    new = place.with_name(f".{_NAME}.new")
    new.write_bytes(msgspec.json.encode(ticket))
    new.replace(place)


def find(home: Path, run: str) -> Ticket | None:
    """The ticket, if the run waits without a process. One that cannot be read is none."""
    with contextlib.suppress(FileNotFoundError, msgspec.DecodeError):
        return typed.loads((run_log.folder(home, run) / _NAME).read_bytes(), Ticket)
    return None


def take(home: Path, run: str) -> Ticket | None:
    """The ticket; it is gone afterwards. Only for whoever holds the run's lock."""
    found = find(home, run)
    (run_log.folder(home, run) / _NAME).unlink(missing_ok=True)
    return found


def waits(home: Path, run: str) -> bool:
    """Whether the run waits without a process."""
    return (run_log.folder(home, run) / _NAME).exists()
