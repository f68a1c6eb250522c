"""`headway pool`, and a worker on the server's own machine with SQLite."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.contract.job_runs import short_home
from tests.support import pools

from headway.cli.main import main
from headway.flows import pool_identity
from headway.model.errors import Drifted, Invalid
from headway.store.pool_jobs import New, put
from headway.store.pool_place import tx

TEXT = """
on: push
jobs:
  job:
    runs-on: ubuntu-latest
    steps:
      - run: echo hello
"""


def call(home: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), "pool", *words])


def test_pools_are_limited_shown_and_forgotten(tmp_path: Path) -> None:
    assert "headway worker" in call(tmp_path, "list").output
    assert call(tmp_path, "set", "gpu", "--limit", "4", "--limit-repo", "2").exit_code == 0
    kept = call(tmp_path, "set", "gpu", "--limit-environment", "1")
    assert "4 at once, 2 a repository, 1 an environment" in kept.output
    assert "no limit" in call(tmp_path, "set", "cpu", "--limit", "0").output
    (cpu, gpu) = json.loads(call(tmp_path, "list", "--json").output)["items"]
    assert (cpu["name"], gpu["limit"], gpu["limit_repo"], gpu["workers"]) == ("cpu", 4, 2, [])
    url = f"sqlite:///{tmp_path}/headway.db"
    with pools.server(url, tmp_path) as server, tx(server.engine) as one:
        new = New("i", "gpu", "h", "run_1", "train", "h:/x/repo", "", 2, b"", "", secret=False)
        assert put(one, new)
    shown = call(tmp_path, "show", "gpu").output
    assert "No worker. Next: headway worker --pool gpu" in shown
    for word in ("train", "run_1", "repo", "waiting", "soon", "no worker is there"):
        assert word in shown
    document = json.loads(call(tmp_path, "show", "gpu", "--json").output)
    assert document["jobs"][0]["because"] == "no worker is there"
    assert call(tmp_path, "remove", "gpu").exit_code == 3
    assert call(tmp_path, "remove", "cpu").exit_code == 0
    assert call(tmp_path, "show", "cpu").exit_code == 2
    assert call(tmp_path, "set", "no/name", "--limit", "1").exit_code == 2


def test_a_home_has_one_worker_at_a_time_and_one_identity(tmp_path: Path) -> None:
    with pool_identity.held(tmp_path) as first:
        with pytest.raises(Drifted) as refused, pool_identity.held(tmp_path):
            pass
        assert refused.value.code == "worker-runs"
    with pool_identity.held(tmp_path) as again:
        assert again == first
    assert (tmp_path / "worker.json").stat().st_mode & 0o777 == 0o600
    for name in ("", "a b", "../x", "x" * 41, "-x"):
        with pytest.raises(Invalid):
            pool_identity.checked(name)


def test_on_one_machine_with_sqlite(tmp_path: Path) -> None:
    """The pool `default`: a job that names no pool goes to it while it has a worker."""
    with short_home() as home:
        url = f"sqlite:///{home}/headway.db"
        with pools.server(url, home) as server:
            state, before = server.run(pools.spec("run_1", TEXT))
            with pools.worker(url, "default", home=home) as worker:
                state, heard = server.run(pools.spec("run_2", TEXT))
                assert worker.stop() == 0
            _, after = server.run(pools.spec("run_3", TEXT))
            rows = "SELECT run, state FROM headway_pool_job ORDER BY run"
            assert [tuple(row) for row in server.rows(rows)] == [("run_2", "done")]
            server.bench.runner._far.relay._tidy()  # type: ignore[attr-defined]
            assert server.rows(rows) == []
    assert state.phase == "success"
    assert [h.text() for h in (before, heard, after)] == ["hello"] * 3
    assert before.jobs["job"].outcome == heard.jobs["job"].outcome == "success"
    assert "runs job of run_2" in worker.log
    assert "run_1" not in worker.log
    assert "run_3" not in worker.log
