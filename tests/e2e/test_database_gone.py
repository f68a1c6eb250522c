"""The Postgres of a home goes away in the middle of jobs and comes back: nothing ends because of
it, no finished step runs again; a worker that was lost goes on; two servers keep to their own.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.contract.job_runs import short_home
from tests.e2e.test_pool_workers import Going
from tests.support import pools
from tests.support.postgres import Postgres, mortal_postgres
from tests.support.served import STEP, Served, job, workflow

from headway.store import database, run_ticket

LEFT = 70
"""The exit code of a server that had no database for so long that another may go on for it."""


def away(postgres: Postgres, seconds: float) -> None:
    postgres.stop()
    time.sleep(seconds)
    postgres.start()


def through_an_outage(seconds: float) -> int | None:
    """A job ends and the next one begins while the database is away; gives the server's end."""
    with mortal_postgres() as postgres, Served(postgres.url) as served:
        mark = f"echo x >> {served.scratch}"
        first = job(f"{mark}/began; while [ ! -e {served.scratch}/go ]; do sleep 0.05; done",
                    f"{mark}/first")  # fmt: skip
        second = job(f"{mark}/second", name="b").replace(STEP, f"    needs: a\n{STEP}")
        served.up("--runs", "1")
        served.repo.write(ci=workflow("push", first, second))
        served.repo.push()
        served.eventually(lambda: served.said("began"))
        postgres.stop()
        (served.scratch / "go").touch()
        time.sleep(seconds)
        left = served.left()
        postgres.start()
        if left is not None:
            served.up("--runs", "1")
        (run,) = served.ended(1)
        served.eventually(lambda: "run.finished" in served.kinds(run.spec.id))
        assert run.phase == "success"
        assert [served.said(n) for n in ("began", "first", "second")] == [["x"]] * 3
        told = served.kinds(run.spec.id)
        assert sorted(told) == ["job.finished:a", "job.finished:b", "run.finished", "run.requested"]
        return left


@pytest.mark.soak
def test_jobs_that_end_while_the_database_is_away_are_told_when_it_is_back() -> None:
    assert through_an_outage(3.0) is None


@pytest.mark.soak
@pytest.mark.parametrize("seconds", [12.0, 20.0, 35.0])
def test_an_outage_of_any_length_ends_no_run(seconds: float) -> None:
    left = through_an_outage(seconds)
    assert left in {None, LEFT}
    assert (left is None) is (seconds < 18)


@contextmanager
def at_work(postgres: Postgres, folder: Path, *words: str) -> Iterator[Going]:
    """A worker in the second of a job's three steps."""
    database.prepare(postgres.url)
    with (
        short_home() as home,
        pools.server(postgres.url, home) as server,
        pools.worker(postgres.url, "g", *words),
    ):
        going = Going(server, "run_gone", "g", folder)
        going.at_step_two()
        yield going
        assert going.end() == "success"
        assert (going.lines("one"), going.lines("three")) == (1, 1)
        assert going.row()[1] == 1
        assert server.log("run_gone", "job", 0) == "the token is \n"


@pytest.mark.soak
def test_a_worker_works_on_without_the_database(tmp_path: Path) -> None:
    with mortal_postgres() as postgres, at_work(postgres, tmp_path) as going:
        postgres.stop()
        going.go()
        time.sleep(20.0)
        assert going.lines("three") == 1
        postgres.start()
    assert going.lines("two") == 1


@pytest.mark.soak
def test_a_lost_worker_that_comes_back_goes_on_after_its_last_step(tmp_path: Path) -> None:
    with mortal_postgres() as postgres, at_work(postgres, tmp_path, "--lease", "8s") as going:
        away(postgres, 16.0)
        going.at_step_two(2)
        going.go()


@pytest.mark.soak
def test_two_servers_on_one_database_do_their_own_runs_once() -> None:
    production = "gates: {approval: {count: 1, not_author: false}}"
    headway = f"service: shop\nrun: ./shop\nenvironments: {{production: {{{production}}}}}\n"
    with mortal_postgres() as postgres, Served(postgres.url) as one, Served(postgres.url) as two:
        for served in (one, two):
            mark = f'echo "$GITHUB_SHA" >> {served.scratch}'
            live = job(f"{mark}/live", name="live").replace(
                STEP, f"    needs: a\n    environment: production\n{STEP}"
            )
            (served.repo.folder / "headway.yaml").write_text(headway)
            served.repo.write(ci=workflow("workflow_dispatch", job(f"{mark}/built"), live))
            served.up("--runs", "1")
            served.repo.push()
        for served in (one, two):
            told = served.cli("pipeline", "start", "ci.yml", "--repo", str(served.repo.bare))
            assert told.returncode == 0, told.stderr
        for served in (one, two):
            served.eventually(lambda s=served: s.runs() and s.runs()[0].held)
            served.eventually(lambda s=served: run_ticket.waits(s.home, s.runs()[0].spec.id))
        one.kill()
        for served in (one, two):
            run = served.runs()[0].spec.id
            told = served.cli("pipeline", "approve", run, "--env", "production")
            assert told.returncode == 0, told.stderr
        two.ended(1)
        assert one.said("live") == []
        one.up("--runs", "1")
        one.ended(1)
        for served in (one, two):
            (run,) = served.runs()
            served.eventually(lambda s=served, r=run: "run.finished" in s.kinds(r.spec.id))
            assert run.phase == "success"
            assert served.said("built") == served.said("live") == [run.spec.sha]
            kinds = served.kinds(run.spec.id)
            assert kinds.count("run.parked") == kinds.count("run.woken") == 1
