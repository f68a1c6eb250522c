"""A whole engine process of a home, which may be told at which point of the journal to die.

It runs the flows as the server does, until the delivery is done, or for ever without one. Every
point of the delivery's journal is appended to a file; at the chosen one the process sends itself
SIGKILL. Started by kill_stage.py, through multiprocessing's fork server: it is a process of its
own that shares nothing with the test but the imports that need not be made again.

A point is `<step>#<occurrence>:<phase>`, with the numbers of releases taken out, and means the same
in every run. The steps of the rollout's loop are counted from the last other step, since how often
it turns is a matter of time: `decide after step 0 in force#2#1:commit`.

Phases: `before` the effect (or before the transaction); `amid` an effect, AMID_SECONDS after it
began (only where it takes longer; `amid@2` is two seconds after); `after` the effect and before its
record; `commit`: inside the transaction, with the rows written and nothing committed; `sealed`: the
savepoint around the rows is released, and their checkpoint is not written yet.
"""

import functools
import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbos import DBOS

from headway.flows import journal
from headway.flows.journal import DurableJournal
from headway.model import pace
from headway.model.pace import Pace
from headway.store import records
from headway.store.database import Tx
from headway.wiring import Headway, Place

AMID_SECONDS = 0.05
LOOP = frozenset({"observe", "decide", "wait"})
FAR = 1e9
# No latency bets: how slow the machine happens to be must not decide. What is left to prove is
# then never proven, so that a good release goes on by the clock and a bad one falls by its errors.
TINY = Pace("quick", 0.3, 0.2, 0.2, 1, FAR, FAR, 20, (0.3, 0.3, 0.3), 1.0)


class Deadly:
    """Counts the points of one flow in this process' life, and kills at the chosen one."""

    def __init__(self, flow: str, file: Path, kill_at: str) -> None:
        self._flow = flow
        self._kill_at = kill_at
        self._counts: Counter[str] = Counter()
        self._milestone = "start"
        self._out = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def step(self, name: str) -> str:
        """The name of this occurrence of the step; empty for another flow's."""
        if not self._flow or DBOS.workflow_id != self._flow:
            return ""
        plain = re.sub(r"(shop)-\d+", r"\1", name)
        if name in LOOP:
            plain = f"{plain} after {self._milestone}"
        self._counts[plain] += 1
        found = f"{plain}#{self._counts[plain]}"
        if name not in LOOP:
            self._milestone = found
        return found

    def point(self, step: str, phase: str) -> None:
        if step:
            os.write(self._out, f"{step}:{phase}\n".encode())
            if f"{step}:{phase}" == self._kill_at:
                die()

    @contextmanager
    def amid(self, step: str) -> Any:
        """Everything inside is one effect."""
        where, _, seconds = self._kill_at.partition("@")
        fatal = step and where == f"{step}:amid"
        bomb = threading.Timer(float(seconds or AMID_SECONDS), die)
        began = time.monotonic()
        if fatal:
            bomb.start()
        yield
        if fatal:
            die()  # it was quicker this time
        if time.monotonic() - began > AMID_SECONDS:
            self.point(step, "amid")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class KillingJournal(DurableJournal):
    """The journal of production with points around what it is given to run."""

    def __init__(self, source: Any, deadly: Deadly) -> None:
        super().__init__(source)
        self._deadly = deadly
        self._committing = threading.local()
        in_savepoint = journal.in_savepoint

        def sealed(tx: Tx, fn: Callable[[], Any]) -> Any:
            value = in_savepoint(tx, fn)
            deadly.point(self._committing.step, "sealed")
            return value

        journal.in_savepoint = sealed

    def commit(self, name: str, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        step = self._committing.step = self._deadly.step(name)
        self._deadly.point(step, "before")

        @functools.wraps(fn)
        def inside(*given: Any, **named: Any) -> Any:
            value = fn(*given, **named)
            self._deadly.point(step, "commit")
            return value

        return super().commit(name, inside, *args, **kwargs)

    def act(self, name: str, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        step = self._deadly.step(name)

        @functools.wraps(fn)
        def around(*given: Any, **named: Any) -> Any:
            self._deadly.point(step, "before")
            with self._deadly.amid(step):
                value = fn(*given, **named)
            self._deadly.point(step, "after")
            return value

        return super().act(name, around, *args, **kwargs)

    def wait(self, seconds: float) -> None:
        step = self._deadly.step("wait")
        self._deadly.point(step, "before")
        super().wait(seconds)
        self._deadly.point(step, "after")


@dataclass(frozen=True)
class Life:
    """What one process is to do. `flow`: the id of whose points count. `ends`: once that delivery
    is done, else never. `kill_at` empty: live.
    """

    home: str
    database: str
    points: str
    flow: str = ""
    kill_at: str = ""
    ends: bool = True


def main(life: Life) -> None:
    log = os.open(Path(life.home) / "child.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for fd in (1, 2):
        os.dup2(log, fd)
    pace.PACES["quick"] = TINY
    headway = Headway(Place(Path(life.home), life.database))
    deadly = Deadly(life.flow, Path(life.points), life.kill_at)
    with headway.engine(journal=lambda source: KillingJournal(source, deadly)):
        (headway.home / "ready").write_text(str(os.getpid()))
        while not (life.ends and done(headway, life.flow)):
            time.sleep(0.02)
    os._exit(0)  # at once: nothing waits for the threads of the engine


def done(headway: Headway, delivery: str) -> bool:
    with headway.reading() as connection:
        return records.delivery(connection, delivery).state == "done"
