"""How jobs end early: time limits, cancellation, and nothing that survives them."""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.contract.job_runs import (
    QUICK,
    Seen,
    gone_within,
    order,
    runner_in,
    short_home,
    survivors,
)

from headway.adapters.linux import course
from headway.adapters.linux.runner import LinuxRunner
from headway.adapters.linux.sandbox import Limits, Sandbox
from headway.model.job import Line, StepSpec

UNTIL_ALIVE = "for n in $(seq 3000); do test -e alive && exit 0; sleep 0.01; done; exit 1"
GRACE = QUICK.int_seconds + QUICK.term_seconds
DAEMON = (
    'python3 -c "import os,time\nfor _ in range(2):\n if os.fork(): os._exit(0)\n os.setsid()\n'
    'time.sleep(600)" &\n'
)


@pytest.fixture(scope="module", params=["any", "user", "none"])
def runner(request: pytest.FixtureRequest) -> Iterator[LinuxRunner]:
    with short_home() as home:
        limits = replace(QUICK, namespaces=request.param)
        made = runner_in(home, limits)
        if request.param != "none" and not made._nursery.able().namespaces:
            pytest.skip("this machine gives no PID namespace")
        yield made
        made.close()


def mark_of(runner: LinuxRunner) -> str:
    return str(runner._home)


def test_no_daemon_survives_its_job(runner: LinuxRunner) -> None:
    report = runner.run(order("daemon", f"{DAEMON} setsid sleep 600 & echo up"), {}, Seen())
    assert report.outcome == "success"
    assert survivors(mark_of(runner)) == []


def test_a_daemon_serves_later_steps_and_its_pipe_is_read(runner: LinuxRunner) -> None:
    report = runner.run(
        order(
            "server",
            "(while true; do echo noise; sleep 0.01; touch alive; done) &",
            f"rm -f alive; {UNTIL_ALIVE}",
            StepSpec("slow", run="sleep 30", timeout_minutes="0.001", continue_on_error="true"),
            f"rm -f alive; {UNTIL_ALIVE}",
        ),
        {},
        Seen(),
    )
    assert [s.outcome for s in report.steps] == ["success", "success", "failure", "success"]
    assert survivors(mark_of(runner)) == []


def test_a_step_that_takes_too_long(runner: LinuxRunner) -> None:
    seen = Seen()
    report = runner.run(
        order(
            "slow",
            StepSpec("s", run=f"trap '' INT TERM; {DAEMON} sleep 600", timeout_minutes="0.002"),
            StepSpec(
                "after",
                run="echo after; ps -eo args | grep -c '[s]leep 600' || true",
                condition="always()",
            ),
        ),
        {},
        seen,
    )
    assert [s.outcome for s in report.steps] == ["failure", "success"]
    assert "0.002 minutes" in report.steps[0].tail
    assert report.steps[0].finished_at - report.steps[0].started_at < GRACE + 10
    if runner._nursery.able().namespaces:
        assert seen.text().endswith("after\n0")


def test_a_job_that_takes_too_long(runner: LinuxRunner) -> None:
    report = runner.run(
        order(
            "late",
            "sleep 600",
            StepSpec("a", run="true", condition="cancelled()"),
            "true",
            timeout_seconds=0.1,
        ),
        {},
        Seen(),
    )
    assert [s.outcome for s in report.steps] == ["cancelled", "success", "skipped"]
    assert (report.outcome, report.because[:16]) == ("cancelled", "it took longer t")


def test_cancelling_ends_everything_but_last_words(runner: LinuxRunner) -> None:
    seen = Seen()

    def cancel(line: Line) -> None:
        if line.text == "up":
            seen.stop.set()

    seen.on_line = cancel
    report = runner.run(
        order(
            "cancel",
            f"trap 'echo caught' INT; {DAEMON} echo up; sleep 600 & wait; sleep 600",
            "echo never",
            StepSpec("c", run="echo cleaned ${{ job.status }}", condition="cancelled()"),
        ),
        {},
        seen,
    )
    assert report.outcome == "cancelled"
    assert [s.outcome for s in report.steps] == ["cancelled", "skipped", "success"]
    assert "caught" in seen.text()
    assert "cleaned cancelled" in seen.text()
    assert survivors(mark_of(runner)) == []


def test_a_fork_bomb_is_bounded_and_ended(runner: LinuxRunner) -> None:
    if os.geteuid() == 0 and not Path("/sys/fs/cgroup/pids").is_dir():
        pytest.skip("nothing bounds root's processes here")
    small = Limits(
        pids=100, int_seconds=0.1, term_seconds=0.1, namespaces=runner._nursery._limits.namespaces
    )
    bounded = runner_in(runner._home, small)
    report = bounded.run(
        order("bomb", StepSpec("s", run="b() { b | b & }; b; sleep 600", timeout_minutes="0.01")),
        {},
        Seen(),
    )
    bounded.close()
    assert report.outcome == "failure"
    assert gone_within(mark_of(runner), 5)


def test_endless_output_ends_its_step_and_says_so(runner: LinuxRunner) -> None:
    """The log is bounded, whatever is printed; the disk and the time of the job too."""
    home, how = runner._home, runner._nursery._limits.namespaces
    small = replace(QUICK, output_bytes=20 << 20, namespaces=how)
    bounded = runner_in(home, small)
    steps = (
        "trap '' INT TERM; yes $(printf %0500d 0)",
        StepSpec("b", run="echo on", condition="always()"),
    )
    report = bounded.run(order("printing", *steps), {}, Seen())
    bounded.close()
    assert [s.outcome for s in report.steps] == ["failure", "success"]
    (error,) = report.steps[0].annotations
    assert error.message == "The step was stopped: it printed more than 20MiB."
    assert report.steps[0].tail.endswith(error.message)
    log = home / "runs/run_1/printing/logs/0.log"
    assert log.stat().st_size < 17 << 20
    assert survivors(mark_of(runner)) == []


def test_endless_output_is_cancelled(runner: LinuxRunner) -> None:
    seen = Seen()
    threading.Timer(0.2, seen.stop.set).start()
    report = runner.run(order("endless", "yes; yes"), {}, seen)
    assert report.outcome == "cancelled"
    assert survivors(mark_of(runner)) == []


def test_a_line_without_end_is_cancelled(runner: LinuxRunner) -> None:
    seen = Seen()
    threading.Timer(0.2, seen.stop.set).start()
    report = runner.run(order("line", "tr '\\0' x < /dev/zero"), {"K": "not-in-there"}, seen)
    assert report.outcome == "cancelled"
    assert survivors(mark_of(runner)) == []


@pytest.mark.parametrize("who", ["agent", "nursery"])
def test_killed_from_outside(runner: LinuxRunner, who: str) -> None:
    """The step begins again in a new sandbox, as after a crash, and says so."""
    seen = Seen()
    left = [_agent_of, _nursery_of] if who == "agent" else [_nursery_of]
    kills = len(left)

    def kill(line: Line) -> None:
        if line.text.startswith("up") and left:
            os.kill(left.pop(0)(runner), signal.SIGKILL)

    seen.on_line = kill
    count = 'echo x >> count; echo "up $(wc -l < count)"'
    report = runner.run(
        order(
            f"killed-{who}",
            f"{DAEMON} {count}; test $(wc -l < count) = {kills + 1} || sleep 600",
            "echo still here",
        ),
        {},
        seen,
    )
    assert report.outcome == "success", seen.text()
    again = "[headway: the job's processes were killed from outside; this step begins again here]"
    assert seen.text().count(again) == kills
    assert "still here" in seen.text()
    assert gone_within(mark_of(runner), 5)


def test_a_step_that_is_killed_each_time_is_red(
    runner: LinuxRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "MOST_REPEATS", 1)
    seen = Seen()

    def kill(line: Line) -> None:
        if line.text == "up":
            os.kill(_agent_of(runner), signal.SIGKILL)

    seen.on_line = kill
    steps = (f"{DAEMON} echo up; sleep 600", StepSpec("b", run="echo on", condition="always()"))
    report = runner.run(order("killed-each-time", *steps), {}, seen)
    assert [s.outcome for s in report.steps] == ["failure", "success"]
    assert "killed from outside" in report.steps[0].annotations[-1].message
    assert seen.text().count("begins again") == 1
    assert gone_within(mark_of(runner), 5)


def _nursery_of(runner: LinuxRunner) -> int:
    pid = runner._nursery.pid
    assert pid is not None
    return pid


def _agent_of(runner: LinuxRunner) -> int:
    """The oldest child of the nursery, which in a user namespace is itself a child."""
    nursery = _nursery_of(runner)
    if runner._nursery._limits.namespaces == "user":
        nursery = _children(nursery)[0]
    return _children(nursery)[0]


def _children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


ENDLESS = [
    f"{DAEMON} sleep 600",
    f"trap '' INT TERM; {DAEMON} sleep 600",
    f"{DAEMON} {DAEMON} exit 0",
    f"setsid sh -c 'trap \"\" INT TERM HUP; sleep 600' & {DAEMON} yes",
    "python3 -c 'import os, time\nwhile True:\n if not os.fork(): os.setsid(), time.sleep(600)\n"
    " time.sleep(0.01)'",
    f"trap '' INT TERM HUP; while :; do setsid sleep 600 & {DAEMON} sleep 0.01; done",
]


class Clock:
    """Measures from the end of grace (the order to kill) until nothing of the step was left."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.took: list[float] = []
        began: dict[int, float] = {}
        order, answers = Sandbox._order, Sandbox._answers

        def ordering(box: Sandbox, what: dict[str, object], descriptors: list[int]) -> None:
            if what["do"] == "kill":
                began[id(box)] = time.monotonic()
            order(box, what, descriptors)

        def answering(box: Sandbox) -> list[dict[str, Any]] | None:
            told = answers(box)
            for each in told or []:
                if "killed" in each:
                    self.took.append((each["killed"] or float("inf")) - began.pop(id(box)))
            return told

        patch.setattr(Sandbox, "_order", ordering)
        patch.setattr(Sandbox, "_answers", answering)

    def shown(self) -> str:
        took = sorted(self.took)
        marks = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
        shown = [f"{name} {1000 * took[int(len(took) * q)]:.1f}" for name, q in marks.items()]
        return f"{len(took)} killed; ms: {', '.join(shown)}, max {1000 * took[-1]:.1f}"


@pytest.mark.soak
def test_a_thousand_random_ends(runner: LinuxRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """1,002 with all three ways, four jobs at once: nothing survives, and it is gone soon."""
    chance = random.Random(7)
    clock = Clock(monkeypatch)
    plan = [
        (n, chance.choice(ENDLESS), chance.uniform(0, 0.4), chance.random()) for n in range(334)
    ]

    def one(n: int, script: str, after: float, kind: float) -> tuple[str, list[str]]:
        seen, key = Seen(), f"soak-{n}"
        made = order(key, script, timeout_seconds=after if kind < 0.4 else 3600)
        if 0.4 <= kind < 0.7:
            step = StepSpec("s", run=script, timeout_minutes=f"{after / 60:.6f}")
            made = order(key, step)
        elif kind >= 0.7:
            threading.Timer(after, seen.stop.set).start()
        return runner.run(made, {}, seen).outcome, survivors(f"/run_1/{key}/")

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda given: one(*given), plan))
    assert [left for _, left in found if left] == []
    print(Counter(outcome for outcome, _ in found), clock.shown())
    assert len(clock.took) > 200
    # What is killed still needs the processor to end: on a machine with ten times more to do than
    # it can, one in a hundred may take longer.
    took = sorted(clock.took)
    assert took[int(len(took) * 0.99) - 1] < 1.0
    assert took[-1] < 5.0
