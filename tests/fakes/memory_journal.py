"""A journal in memory: the same flows without the engine, killed at any point.

Every commit and act has three points: before the effect, after the effect but before its record,
and after the record; a commit's middle point is inside its transaction. `Killed` is raised at the
chosen point, and a second run with the same `Recorded` replays what was recorded.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import sqlalchemy as sa

from headway.flows.journal import capture, persist, reveal
from headway.store.database import Tx, lock


class Killed(BaseException):
    """The process is gone. Not an Exception: nothing may catch it."""


@dataclass
class Recorded:
    """What survives a kill."""

    results: list[tuple[str, Any]] = field(default_factory=list)


@dataclass
class MemoryJournal:
    db: sa.Engine
    recorded: Recorded
    clock: Any
    kill_at: int = -1
    points: int = 0
    names: list[str] = field(default_factory=list)
    at: int = 0

    def _point(self, name: str) -> None:
        self.names.append(name)
        if self.points == self.kill_at:
            self.points += 1
            raise Killed(name)
        self.points += 1

    def _replayed(self, name: str) -> tuple[bool, Any]:
        if self.at < len(self.recorded.results):
            known, value = self.recorded.results[self.at]
            assert known == name, f"replay went another way: {known} != {name}"
            self.at += 1
            return True, value
        return False, None

    def _record(self, name: str, value: Any) -> None:
        self.recorded.results.append((name, msgspec.json.decode(msgspec.json.encode(value))))
        self.at += 1

    def commit(self, name: str, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        done, value = self._replayed(name)
        if not done:
            self._point(f"{name}: before")
            with self.db.begin() as connection:
                lock(connection)

                def body() -> Any:
                    with connection.begin_nested():
                        return fn(Tx(connection, self.clock.now()), *args, **kwargs)

                value = capture(body)
                self._point(f"{name}: inside the commit")
            self._record(name, value)
            self._point(f"{name}: after")
        return reveal(value, fn)

    def act(self, name: str, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        done, value = self._replayed(name)
        if not done:
            self._point(f"{name}: before")
            value = capture(persist, lambda: fn(*args, **kwargs), self.clock.sleep)
            self._point(f"{name}: after the effect, before its record")
            self._record(name, value)
        return reveal(value, fn)

    def wait(self, seconds: float) -> None:
        done, _ = self._replayed("wait")
        if not done:
            self.clock.sleep(seconds)
            self._record("wait", None)


@dataclass
class VirtualClock:
    at: float = field(default_factory=time.time)

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += max(0.0, seconds)
