"""kill -9 of a pool's worker, again and again, in a matrix of 30 steps: at work, while it starts,
while it goes on, while it gives results. The same worker started again goes on: steps whose end is
on its disk never run again, the server has the end and the log of each once, nothing stays alive.
"""

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from tests.contract.job_runs import gone_within, short_home
from tests.e2e.test_matrix_kill import LEGS, STEPS, grid, lines, recorded_in
from tests.support import pools
from tests.support.pools import Hears, Server
from tests.support.postgres import postgres

from headway.pipeline.run.state import RunState
from headway.store import database

POOL = "sweep"
BEGINS_AGAIN = "[headway: this step was interrupted, and begins again here]\n"


@dataclass
class Mortal:
    """The one worker of the pool; its home stays when it is killed."""

    url: str
    home: Path
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def runs(self) -> Path:
        return self.home / "worker" / POOL / "runs"

    def up(self) -> None:
        words = ["--home", str(self.home), "worker", "--pool", POOL, "--jobs", "3"]
        with (self.home / "worker.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "headway", *words, "--lease", "10m"],
                env={**os.environ, "HEADWAY_DATABASE": self.url},
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def log(self) -> str:
        return (self.home / "worker.log").read_text()[-4000:]


@contextmanager
def sweep() -> Iterator[tuple[Server, Mortal]]:
    with postgres() as url, short_home() as home, short_home() as own:
        database.prepare(url)
        mortal = Mortal(url, own)
        try:
            with pools.server(url, home) as server:
                # the pool is known from its first worker on
                with pools.worker(url, POOL) as first:
                    assert first.stop() == 0
                yield server, mortal
        finally:
            mortal.kill()


@dataclass
class Going:
    """A run in a thread of its own."""

    server: Server
    run: str
    notes: Path

    def __post_init__(self) -> None:
        text = grid(self.notes).replace("ubuntu-latest", POOL)
        text = text.replace("sleep 0.1; touch", "echo said; sleep 0.1; touch")
        self.hears = Hears()
        self.end: list[RunState] = []
        spec = pools.spec(self.run, text)
        go = threading.Thread(
            target=lambda: self.end.append(self.server.run(spec, self.hears)[0]), daemon=True
        )
        go.start()
        self.thread = go

    def moved(self, behind: int) -> bool:
        """Whether a step has begun or ended since, or the run has."""
        return len(self.seen()) > behind or not self.thread.is_alive()

    def seen(self) -> list[tuple[str, str, str]]:
        return lines(self.notes) if self.notes.exists() else []


def go_through(
    server: Server, mortal: Mortal, kills: int, dice: random.Random, folder: Path
) -> int:
    """Runs, one after the other, until the worker was killed so often; gives how many."""
    count = 0
    while kills:
        going = Going(server, f"run_{count}", folder / f"notes-{count}")
        mortal.up()
        if dice.random() < 0.7:
            pools.until(going.seen, 120)
        count += 1
        done: set[tuple[str, str]] = set()
        before = 0
        while kills and going.thread.is_alive():
            time.sleep(dice.uniform(0.0, 1.2))
            mortal.kill()
            assert gone_within(str(mortal.runs), 30)
            began = going.seen()[before:]
            assert not {(leg, step) for _, leg, step in began} & done, mortal.log()
            done, before = done | recorded_in(mortal.runs), len(going.seen())
            kills -= 1
            mortal.up()
            if dice.random() < 0.7:
                pools.until(partial(going.moved, before), 120)
        going.thread.join(180)
        assert going.end, mortal.log()
        began = going.seen()[before:]
        assert not {(leg, step) for _, leg, step in began} & done, mortal.log()
        check(server, going)
        pools.until(lambda: not list(mortal.runs.glob("run_*")))
        mortal.kill()
        assert gone_within(str(mortal.home), 30)
    return count


def check(server: Server, going: Going) -> None:
    """The end is as if nobody had been killed."""
    (state,) = going.end
    assert state.phase == "success", [r.because for r in state.ended.values()]
    wanted = {(leg, f"s{n}") for leg in LEGS for n in range(STEPS)}
    assert set(Counter((leg, step) for kind, leg, step in going.seen() if kind == "e")) == wanted
    for key, report in state.ended.items():
        named = [s for s in report.steps if s.id]
        assert [(s.id, s.outcome) for s in named] == [(f"s{n}", "success") for n in range(STEPS)]
        for step in named:
            said = server.log(going.run, key, step.log)
            assert step.lines == said.count("\n")
            *cut_off, last = said.split(BEGINS_AGAIN)
            assert last == "said\n", (key, step.id)
            assert set(cut_off) <= {"", "said\n"}, (key, step.id)
    rows = server.rows("SELECT generation, state FROM headway_pool_job WHERE run = :r", r=going.run)
    assert {tuple(row) for row in rows} == {(1, "done")}


@pytest.mark.soak
def test_a_worker_is_killed_at_work_and_goes_on(tmp_path: Path) -> None:
    with sweep() as (server, mortal):
        assert go_through(server, mortal, 1, random.Random(3), tmp_path) == 1


@pytest.mark.soak
def test_a_worker_is_killed_at_twenty_points(tmp_path: Path) -> None:
    with sweep() as (server, mortal):
        runs = go_through(server, mortal, 20, random.Random(20), tmp_path)
        print(runs, "runs, 20 kills")
