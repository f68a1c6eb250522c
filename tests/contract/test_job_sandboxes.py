"""Who may have a sandbox after whom: jobs of one run, if nothing of the one before is left."""

import os
from collections.abc import Iterator

import pytest
from tests.contract.job_runs import Seen, gone_within, order, runner_in, short_home

from headway.adapters.linux.runner import LinuxRunner

TELL = "readlink /proc/self/ns/pid"


@pytest.fixture(scope="module")
def runner() -> Iterator[LinuxRunner]:
    with short_home() as home:
        made = runner_in(home)
        if not made._nursery.able().namespaces:
            pytest.skip("this machine gives no PID namespace")
        yield made
        made.close()


def namespace(runner: LinuxRunner, key: str, script: str = "", **more: object) -> str:
    """The PID namespace that the job ran in."""
    seen = Seen()
    report = runner.run(order(key, f"{script}\n{TELL}", **more), {}, seen)
    assert report.outcome == "success", seen.text()
    return seen.text().splitlines()[-1]


def test_jobs_of_a_run_follow_each_other(runner: LinuxRunner) -> None:
    first = namespace(runner, "one", "(setsid sleep 600 &); sleep 600 &")
    assert gone_within(f"{runner._home}/runs/run_1/one", 0)
    assert namespace(runner, "two", "test $(ls -d /proc/[0-9]* | wc -l) -le 5") == first
    assert namespace(runner, "three") == first


def test_other_runs_and_what_deploys_get_their_own(runner: LinuxRunner) -> None:
    first = namespace(runner, "a", run="run_a")
    assert namespace(runner, "a", run="run_b") != first
    assert namespace(runner, "b", run="run_a", environment="production") != first
    assert namespace(runner, "c", run="run_a", network=False) != first
    assert namespace(runner, "d", run="run_a") == first
    deployed = namespace(runner, "e", run="run_a", environment="production")
    assert namespace(runner, "f", run="run_a", environment="production") != deployed


def test_where_something_was_mounted_nobody_follows(runner: LinuxRunner) -> None:
    if os.geteuid():
        pytest.skip("only root mounts")
    first = namespace(runner, "a", "mount -t tmpfs none $RUNNER_TEMP", run="run_m")
    assert namespace(runner, "b", "! grep $RUNNER_TEMP /proc/mounts", run="run_m") != first


def test_a_step_that_is_cancelled_leaves_nothing_to_the_next_job(runner: LinuxRunner) -> None:
    seen = Seen()
    seen.on_line = lambda line: seen.stop.set()
    script = "trap '' INT TERM; (setsid sleep 600 &); echo up; sleep 600"
    assert runner.run(order("gone", script, run="run_c"), {}, seen).outcome == "cancelled"
    namespace(runner, "next", "test $(ls -d /proc/[0-9]* | wc -l) -le 5", run="run_c")
