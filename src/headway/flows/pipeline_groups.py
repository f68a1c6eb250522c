"""Concurrency groups across the runs of one home: HOME/groups, one small file a group.

A file says who holds the group and who waits (pipeline/run/groups.py decides), and is changed under
a lock of its own. A member lives as long as a process drives its run: one whose process is gone
loses its place to the next who asks, and lines up again when it goes on. So does a run that waits
without a process, while it has its ticket. Called by pipeline_drive, pipeline_door, pipeline_park.
"""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from headway import typed
from headway.pipeline.run import groups
from headway.pipeline.run.groups import Group, Line, Member
from headway.store import run_log, run_ticket
from headway.store.run_log import Request

Answer = Literal["held", "wait", "refused", "lost"]


class Groups:
    """The groups of one repository, as one run sees them."""

    def __init__(self, home: Path, repo: str, run: str) -> None:
        self._home = home
        self._repo = repo
        self._run = run
        self._held: dict[str, list[Group]] = {}
        self._waiting: dict[str, Group] = {}

    def enter(self, wanted: tuple[Group, ...], key: str = "") -> Answer:
        """Enter all the groups, one after the other by name; ask again after `wait`.

        `refused`: too many wait already. `lost`: a newer one took the place.
        """
        held = self._held.setdefault(key, [])
        for group in sorted(wanted, key=lambda g: g.name):
            if group in held:
                continue
            answer = self._ask(group, Member(self._run, key))
            if answer != "held":
                return answer
            held.append(group)
        return "held"

    def leave(self, key: str = "") -> None:
        """Leave every group that this member holds or waits for."""
        waiting = self._waiting.pop(key, None)
        for group in (*self._held.pop(key, ()), *((waiting,) if waiting else ())):
            with self._line(group) as (line, write):
                write(groups.leave(line, Member(self._run, key)))

    def leave_all(self) -> None:
        """Leave everything: the run has ended or is given up."""
        for key in {*self._held, *self._waiting}:
            self.leave(key)

    def waiting(self) -> dict[str, Group]:
        """What is waited for, by the member's key."""
        return dict(self._waiting)

    def wait_on(self, waiting: Mapping[str, Group]) -> None:
        """Go on waiting, in the places that another process had waited in before."""
        self._waiting.update(waiting)

    def moved(self, key: str, group: Group) -> bool:
        """Whether a member that waits has its turn, or has lost its place. Changes nothing.

        Behind a holder who lives it is enough to know that: asked of each in a long line, who else
        lives would be a question for every pair of them.
        """
        who = Member(self._run, key)
        with self._locked(group) as file:
            line = _read(file)
            holder = line.holder if line.holder != who else None
            if holder and who in line.waiting and self._alive(holder):
                return False
            return groups.again(self._living(line), who).answer != "wait"

    def held_by(self, group: Group, keys: tuple[str, ...]) -> bool:
        """Whether one of these members of this run holds the group."""
        return any(g.name == group.name for key in keys for g in self._held.get(key, ()))

    def _ask(self, group: Group, who: Member) -> Answer:
        with self._line(group) as (line, write):
            if self._waiting.get(who.key) == group:
                turn = groups.again(line, who)
            else:
                turn = groups.ask(line, who, group)
            for member in turn.evicted:
                self._evict(member, group)
            write(turn.line)
        if turn.answer == "wait":
            self._waiting[who.key] = group
        else:
            self._waiting.pop(who.key, None)
        return turn.answer

    def _evict(self, member: Member, group: Group) -> None:
        because = f"a newer one of the concurrency group `{group.name}` came: {self._run}"
        run_log.ask(self._home, member.run, Request(self._run, because, member.key))

    def _alive(self, member: Member) -> bool:
        run, home = member.run, self._home
        return run == self._run or run_log.driven(home, run) or run_ticket.waits(home, run)

    @contextlib.contextmanager
    def _line(self, group: Group) -> "Iterator[tuple[Line, _Writer]]":
        """The group's line, without the dead; nobody else changes it meanwhile."""
        with self._locked(group) as file:
            yield self._living(_read(file)), _Writer(file)

    @contextlib.contextmanager
    def _locked(self, group: Group) -> Iterator[Path]:
        """The group's file, which nobody else changes meanwhile."""
        name = hashlib.sha256(f"{self._repo}\0{group.name}".encode("utf-8", "replace")).hexdigest()
        folder = self._home / "groups"
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder / f"{name}.json"
        finally:
            os.close(lock)

    def _living(self, line: Line) -> Line:
        holder = line.holder if line.holder and self._alive(line.holder) else None
        return Line(holder, tuple(m for m in line.waiting if self._alive(m)))


class _Writer:
    """Replaces a group's file as a whole."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __call__(self, line: Line) -> None:
        new = self._file.with_suffix(".new")
        new.write_bytes(msgspec.json.encode(line))
        new.replace(self._file)


def _read(file: Path) -> Line:
    """A file that a power loss left empty means that nobody is there: their processes are gone."""
    try:
        return typed.loads(file.read_bytes(), Line)
    except (FileNotFoundError, msgspec.DecodeError):
        return Line()
