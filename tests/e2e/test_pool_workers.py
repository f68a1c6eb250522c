"""Jobs of a run done by worker processes that share a Postgres with the server, and no disk."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.contract.job_runs import gone_within, repository, short_home
from tests.support import pools
from tests.support.pools import Hears, Server, Worker
from tests.support.postgres import postgres

from headway.adapters.linux import logs
from headway.flows import pipeline
from headway.store import database
from headway.store.tables import metadata


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with postgres() as found:
        database.prepare(found)
        yield found


@pytest.fixture(scope="module")
def server(url: str) -> Iterator[Server]:
    secrets = {"TOKEN": "hunter2-is-long", "OTHER": "not-for-logs-either"}
    with short_home() as home, pools.server(url, home, secrets) as made:
        yield made


@pytest.fixture(scope="module")
def two(url: str) -> Iterator[list[Worker]]:
    with ExitStack() as stack:
        made = [stack.enter_context(pools.worker(url, "two")) for _ in range(2)]
        yield made
        for one in made:
            assert one.stop() == 0


PASSING_ON = """
name: ci
on: push
jobs:
  make:
    runs-on: [self-hosted, two]
    strategy: {matrix: {n: [1, 2]}}
    outputs: {said: "${{ steps.it.outputs.word }}"}
    steps:
      - uses: actions/checkout@v4
        with: {fetch-depth: 0}
      - id: it
        run: |
          echo "word=$(cat word)" >> $GITHUB_OUTPUT
          echo "token is $TOKEN"; git log --oneline | wc -l
          echo "made by ${{ matrix.n }}" > out.txt; head -c 2500000 /dev/urandom > big.bin
          sha256sum big.bin > sum.txt; chmod +x out.txt
        env: {TOKEN: "${{ secrets.TOKEN }}"}
      - uses: actions/upload-artifact@v4
        with: {name: "part-${{ matrix.n }}", path: "out.txt\\nbig.bin\\nsum.txt"}
  here:
    runs-on: ubuntu-latest
    steps:
      - run: echo made here > here.txt
      - uses: actions/upload-artifact@v4
        with: {name: local, path: here.txt}
  join:
    needs: [make, here]
    runs-on: two
    steps:
      - uses: actions/download-artifact@v4
      - run: |
          cat part-1/out.txt part-2/out.txt local/here.txt; test -x part-1/out.txt
          (cd part-1 && sha256sum -c sum.txt) && (cd part-2 && sha256sum -c sum.txt)
          echo '${{ needs.make.outputs.said }}'
"""


def test_a_matrix_passes_artifacts_between_machines(
    server: Server, two: list[Worker], tmp_path: Path
) -> None:
    sha = repository(tmp_path / "repo", {"word": "hello"})
    made = pools.spec("run_pass", PASSING_ON, repo=str(tmp_path / "repo"), sha=sha)
    state, hears = server.run(made)
    assert state.phase == "success", [r.because for r in hears.jobs.values()]
    said = hears.text()
    assert "made by 1\nmade by 2\nmade here" in said
    assert "big.bin: OK" in said
    assert said.rstrip().endswith("hello")
    assert "token is ***" in said
    assert "hunter2" not in said
    # what the report says is on the server's disk, byte for byte
    for key in ("make.1", "make.2", "join"):
        for step in hears.jobs[key].steps:
            if step.log >= 0:
                data = server.log("run_pass", key, step.log)
                assert data.count("\n") == step.lines
                assert logs.index(server.home / "runs/run_pass" / key, step.log)
    (upload,) = hears.jobs["make.1"].uploads
    assert Path(upload.path).is_relative_to(server.home)
    assert (Path(upload.path) / "big.bin").stat().st_size == 2_500_000
    # nothing of the server's disk was needed, nothing is left on the workers'
    workers = server.rows("SELECT DISTINCT worker FROM headway_pool_job WHERE run = 'run_pass'")
    assert {row[0] for row in workers} <= {one.id for one in two}
    assert not (server.home / "runs/run_pass/join/work").exists()
    for one in two:
        pools.until(lambda one=one: not list((one.folder / "runs").glob("run_pass/*")))


HELD = """
name: ci
on: push
jobs:
  job:
    runs-on: POOL
    steps:
      - run: echo one >> DIR/one; echo "the token is $TOKEN"
        env: {TOKEN: "${{ secrets.TOKEN }}"}
      - run: |
          trap 'date +%s.%N > DIR/int; exit 1' INT
          echo two >> DIR/two; echo $MARK
          while [ ! -e DIR/go ]; do sleep 0.05; done
        env: {MARK: "mark-RUN"}
      - run: echo three >> DIR/three
"""


class Going:
    """A run of HELD in a thread of its own."""

    def __init__(self, server: Server, run: str, pool: str, folder: Path) -> None:
        self.server, self.run, self.folder = server, run, folder
        self.hears = Hears()
        text = HELD.replace("DIR", str(folder)).replace("POOL", pool).replace("RUN", run)
        self.thread = threading.Thread(
            target=lambda: server.run(pools.spec(run, text), self.hears), daemon=True
        )
        self.thread.start()

    def at_step_two(self, times: int = 1) -> None:
        pools.until(lambda: self.lines("two") == times)

    def lines(self, name: str) -> int:
        file = self.folder / name
        return file.read_text().count("\n") if file.exists() else 0

    def row(self) -> tuple[str, int]:
        """Who holds it, by which generation."""
        found = self.server.rows(
            "SELECT worker, generation FROM headway_pool_job WHERE run = :run", run=self.run
        )
        return (str(found[0][0]), int(str(found[0][1]))) if found else ("", 0)

    def go(self) -> None:
        (self.folder / "go").touch()

    def end(self) -> str:
        self.thread.join(120)
        assert not self.thread.is_alive()
        return self.hears.jobs["job"].outcome


def test_a_killed_workers_job_is_finished_elsewhere(
    url: str, server: Server, tmp_path: Path
) -> None:
    with pools.worker(url, "k") as first:
        going = Going(server, "run_kill", "k", tmp_path)
        going.at_step_two()
        assert going.row() == (first.id, 1)
        first.kill()
        with pools.worker(url, "k") as second:
            pools.silence(server.engine, first)
            going.at_step_two(2)
            assert going.row() == (second.id, 2)
            going.go()
            assert going.end() == "success"
            assert second.stop() == 0
    assert (going.lines("one"), going.lines("three")) == (2, 1)
    # the words of the first are void
    assert server.log("run_kill", "job", 0) == "the token is ***\n"
    assert server.log("run_kill", "job", 1) == "mark-run_kill\n"
    assert gone_within("mark-run_kill", 20)


@pytest.mark.soak
def test_a_worker_that_was_taken_for_dead_is_fenced(
    url: str, server: Server, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        old = stack.enter_context(pools.worker(url, "f"))
        going = Going(server, "run_fence", "f", tmp_path)
        going.at_step_two()
        old.process.send_signal(signal.SIGSTOP)
        new = stack.enter_context(pools.worker(url, "f"))
        pools.silence(server.engine, old)
        going.at_step_two(2)
        assert going.row() == (new.id, 2)
        old.process.send_signal(signal.SIGCONT)
        pools.until(lambda: not list((old.folder / "runs").glob("run_fence/*")))
        going.go()
        assert going.end() == "success"
        assert (going.lines("one"), going.lines("three")) == (2, 1)
        (row,) = server.rows("SELECT worker, state FROM headway_pool_job WHERE run = 'run_fence'")
        assert tuple(row) == (new.id, "done")
        assert old.stop() == 0


def test_the_same_worker_started_again_goes_on_where_it_stood(
    url: str, server: Server, tmp_path: Path
) -> None:
    with short_home() as home:
        with pools.worker(url, "r", "--lease", "10m", home=home) as first:
            going = Going(server, "run_resume", "r", tmp_path)
            going.at_step_two()
            first.kill()
        with pools.worker(url, "r", "--lease", "10m", home=home) as again:
            going.at_step_two(2)
            going.go()
            assert going.end() == "success"
            assert going.row() == (again.id, 1)
            assert (going.lines("one"), going.lines("three")) == (1, 1)
            assert server.log("run_resume", "job", 0) == "the token is ***\n"
            # the same order again takes the result that is there
            order = pipeline.show(server.home, "run_resume").orders["job"]
            report = server.bench.runner.run(order, {}, Hears())
            assert report == going.hears.jobs["job"]
            assert going.row() == (again.id, 1)
            assert again.stop() == 0


DRIVER = """
import sys
from pathlib import Path
from tests.support import pools
url, home, text = sys.argv[1:]
with pools.server(url, Path(home), {"TOKEN": "hunter2-is-long"}) as server:
    server.run(pools.spec("run_driver", text))
"""


def test_a_killed_server_goes_on_waiting_for_what_is_away(url: str, tmp_path: Path) -> None:
    text = HELD.replace("DIR", str(tmp_path)).replace("POOL", "s").replace("RUN", "run_driver")
    with short_home() as home, pools.worker(url, "s") as worker:
        argv = [sys.executable, "-c", DRIVER, url, str(home), text]
        with subprocess.Popen(argv, cwd=Path(__file__).parents[2]) as driver:
            pools.until((tmp_path / "two").exists)
            driver.kill()
        with pools.server(url, home, {"TOKEN": "hunter2-is-long"}) as server:
            hears = Hears()
            (tmp_path / "go").touch()
            state = pipeline.run(server.bench, "run_driver", hears)
            assert state.phase == "success"
            assert (tmp_path / "one").read_text().count("\n") == 1
            assert server.log("run_driver", "job", 1) == "mark-run_driver\n"
            asked = "SELECT generation, worker FROM headway_pool_job WHERE run = 'run_driver'"
            assert [tuple(row) for row in server.rows(asked)] == [(1, worker.id)]
            steps = hears.jobs["job"].steps
            assert [step.outcome for step in steps] == ["success"] * 3
        assert worker.stop() == 0


def test_cancelled_given_back_and_without_a_worker(
    url: str, server: Server, tmp_path: Path
) -> None:
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    with pools.worker(url, "c", "--grace", "0s") as first:
        cancelled = Going(server, "run_cancel", "c", folders[0])
        cancelled.at_step_two()
        assert secrets_in_plain(server) == []
        asked = time.time()
        cancelled.hears.stop.set()
        assert cancelled.end() == "cancelled"
        took = float((folders[0] / "int").read_text()) - asked
        assert took < 10  # 0.2 s on a quiet machine; bench/pool.py measures it
        given = Going(server, "run_back", "c", folders[1])
        given.at_step_two()
        assert first.stop() == 0
    pools.until(lambda: given.row() == ("", 1))
    waiting = Going(server, "run_wait", "c", folders[2])
    pools.until(lambda: "no worker of pool `c` is there" in waiting.hears.text())
    assert "headway worker --pool c" in waiting.hears.text()
    told = shown(url, server.home, "pool", "show", "c")
    assert "no worker is there" in told
    assert "No job" not in told
    waiting.hears.stop.set()
    assert waiting.end() == "cancelled"
    given.go()
    with pools.worker(url, "c"):
        assert given.end() == "success"
    assert given.lines("one") == 2
    assert not (folders[2] / "one").exists()


def secrets_in_plain(server: Server) -> list[str]:
    """Tables that hold a secret as it is."""
    found = []
    for name in metadata.tables:
        if name.startswith("headway_pool"):
            text = repr(server.rows(f'SELECT * FROM "{name}"'))
            found += [name] if "hunter2" in text or "not-for-logs" in text else []
    return found


def shown(url: str, home: Path, *words: str) -> str:
    argv = [sys.executable, "-m", "headway", "--home", str(home), *words]
    env = {**os.environ, "HEADWAY_DATABASE": url}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
