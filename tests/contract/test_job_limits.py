"""Bounds of jobs: memory and processes by cgroups where there are some, by rlimits elsewhere."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.contract.job_runs import Seen, gone_within, order, runner_in, short_home

from headway.adapters.linux import limits
from headway.adapters.linux.nursery import cgroups
from headway.adapters.linux.nursery.cgroups import Bounds, Cgroups
from headway.adapters.linux.runner import LinuxRunner
from headway.adapters.linux.sandbox import Limits
from headway.cli import doctor
from headway.cli.main import main
from headway.model.errors import Invalid
from headway.model.job import StepSpec

HOG = "python3 -c 'x = bytearray(200 << 20); print(len(x))'"
BOMB = "python3 -c 'import os, time\nwhile True: os.fork() or time.sleep(60)'"


@pytest.fixture(scope="module")
def runner() -> Iterator[LinuxRunner]:
    with short_home() as home:
        made = runner_in(home, Limits(memory=64 << 20, pids=60, int_seconds=0.2, term_seconds=0.2))
        yield made
        made.close()


def by_cgroup(runner: LinuxRunner) -> None:
    able = runner._nursery.able()
    if not able.memory.startswith("cgroup") or not able.pids.startswith("cgroup"):
        pytest.skip("this machine gives no cgroup with memory and pids")


def test_a_job_that_uses_too_much_memory_says_so_once(runner: LinuxRunner) -> None:
    by_cgroup(runner)
    report = runner.run(
        order("hog", HOG, StepSpec("b", run="true", condition="always()")), {}, Seen()
    )
    hog, after = report.steps
    assert (hog.outcome, hog.exit_code, after.outcome) == ("failure", 137, "success")
    assert [a.message for a in hog.annotations] == [
        "The job used more than 64MiB of memory.",
        "Process completed with exit code 137.",
    ]


def test_what_is_killed_beside_a_green_step_is_a_warning(runner: LinuxRunner) -> None:
    by_cgroup(runner)
    report = runner.run(order("beside", f"{HOG} || echo lived on", "echo fine"), {}, Seen())
    assert report.outcome == "success"
    assert [(a.level, a.message) for a in report.steps[0].annotations] == [
        ("warning", "The job used more than 64MiB of memory.")
    ]
    assert report.steps[1].annotations == ()


def test_the_memory_of_one_job_is_not_counted_to_the_next(runner: LinuxRunner) -> None:
    by_cgroup(runner)
    """Neither what the kernel keeps of its files, nor what it leaves in /dev/shm."""
    most = "python3 -c 'x = bytearray(40 << 20)'; head -c 40M /dev/zero > file"
    left = [Path(f"/dev/shm/{runner._home.name}-{n}") for n in range(2)]
    try:
        for n, path in enumerate(left):
            script = f"{most}; rm file; head -c 40M /dev/zero > {path}"
            report = runner.run(order(f"each-{n}", script), {}, Seen())
            assert (report.outcome, report.steps[0].annotations) == ("success", ())
    finally:
        for path in left:
            path.unlink(missing_ok=True)


def test_a_fork_bomb_in_a_step_says_so(runner: LinuxRunner) -> None:
    by_cgroup(runner)
    report = runner.run(order("bomb", BOMB), {}, Seen())
    assert report.outcome == "failure"
    assert report.steps[0].annotations[0].message == (
        "The job wanted more than 60 processes and threads at once."
    )
    assert gone_within(str(runner._home), 5)


def test_processes_of_a_step_inherit_nothing(runner: LinuxRunner) -> None:
    """Neither the agent's sockets nor the job's lock, also in a sandbox that is used again."""
    for n in range(2):
        seen = Seen()
        runner.run(order(f"open-{n}", "readlink /proc/$$/fd/* || true; ulimit -c; umask"), {}, seen)
        told = [line for line in seen.text().splitlines() if "/files/" not in line]
        assert [t.partition(":")[0] for t in told] == ["/dev/null", "pipe", "pipe", "0", "0022"]


def test_rlimits_where_there_are_no_cgroups() -> None:
    """What a user without rights gets: each process is bounded by itself."""
    code = (
        "import os, resource, sys; sys.path.insert(0, sys.argv[1]);"
        "from headway.adapters.linux.nursery.walls import Order, set_up;"
        "set_up(Order(50, 64 << 20, 1 << 20, 100, 'none'), None, alone=False, network=True);"
        "most = resource.getrlimit;"
        "print(most(resource.RLIMIT_DATA)[0], most(resource.RLIMIT_FSIZE)[0])\n"
        "try: bytearray(200 << 20)\n"
        "except MemoryError: print('bounded')"
    )
    source = str(Path(cgroups.__file__).parents[4])
    told = subprocess.run(
        [sys.executable, "-c", code, source], capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == [str(64 << 20), str(1 << 20), "bounded"]


def test_nothing_of_cgroups_is_left_behind() -> None:
    """Not after an orderly end, and after kill -9 not once the next runner has begun."""
    with short_home() as home:
        made = runner_in(home, Limits(memory=64 << 20))
        made.run(order("one", "true"), {}, Seen())
        pid = made._nursery.pid
        assert pid is not None
        made.close()
        assert folders_of(pid) == []
        made.run(order("two", "true"), {}, Seen())
        pid = made._nursery.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        made.run(order("three", "true"), {}, Seen())
        made.run(order("four", "true"), {}, Seen())
        made.close()
        assert folders_of(pid) == []


def folders_of(pid: int) -> list[str]:
    lines = cgroups._lines(cgroups.OWN)
    places = [p for c in ("pids", "memory") for p in cgroups._places_of_1(cgroups.ROOT, lines, c)]
    places += cgroups._places_of_2(cgroups.ROOT, lines)
    names = [name for place in set(places) for name in cgroups._names(place)]
    return [name for name in names if name.startswith(f"{cgroups.PREFIX}{pid}-")]


def tree_of_2(root: Path, own: str, handed_down: str) -> Path:
    """A tree of version 2 as files: enough to see where a job's folder would be made."""
    for folder in (root, root / own.strip("/"), (root / own.strip("/")).parent):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cgroup.controllers").write_text("cpu memory pids\n")
        (folder / "cgroup.subtree_control").write_text(handed_down)
    (root / "self").write_text(f"0::{own}\n")
    return root / "self"


@pytest.mark.parametrize(("handed_down", "written"), [("memory pids", False), ("cpu", True)])
def test_where_a_job_is_in_version_2(tmp_path: Path, handed_down: str, written: bool) -> None:
    own = tree_of_2(tmp_path, "/system.slice/headway.service", handed_down)
    made = Cgroups(Bounds(100, 1 << 30), f"{cgroups.PREFIX}1-x", tmp_path, own)
    assert made.how == {"pids": "cgroup v2", "memory": "cgroup v2"}
    first = made.take()
    assert first is not None
    (folder,) = set(first.folders.values())
    assert folder.parent == tmp_path / "system.slice/headway.service"
    assert (folder / "pids.max").read_text() == "100"
    assert (folder / "memory.max").read_text() == str(1 << 30)
    control = (folder.parent / "cgroup.subtree_control").read_text()
    assert control == ("+memory +pids" if written else handed_down)
    (folder / "memory.events").write_text("low 0\noom 2\noom_kill 2\n")
    (folder / "pids.events").write_text("max 7\n")
    assert first.hit() == (2, 7)
    of_container = folder / "headway-pod-x" / "libpod-y"
    of_container.mkdir(parents=True)
    (of_container / "pids.events").write_text("max 3\n")
    assert first.hit() == (2, 10)
    assert first.alarm() == -1
    first.join()  # a group that has others below it may have no processes of its own
    assert (folder / "steps" / "cgroup.procs").read_text() == "0"
    assert first.members() == ["0"]


def test_no_tree_no_cgroup(tmp_path: Path) -> None:
    made = Cgroups(Bounds(100), f"{cgroups.PREFIX}1-x", tmp_path, tmp_path / "none")
    assert (made.how, made.take()) == ({}, None)


def test_what_an_administrator_says() -> None:
    assert limits.limits({}) == Limits()
    said = limits.limits({limits.MEMORY: "512MiB", limits.PIDS: "100"})
    assert (said.memory, said.pids) == (512 << 20, 100)
    assert limits.limits({limits.MEMORY: "2 G"}).memory == 2 << 30


@pytest.mark.parametrize(
    "given",
    [{limits.MEMORY: text} for text in ("x", "1", "-1GiB", "2GB", "9" * 13, "²G")]
    + [{limits.PIDS: text} for text in ("x", "1", "-5", "1.5", "²²", "9" * 10)],
)
def test_what_is_no_bound(given: dict[str, str]) -> None:
    with pytest.raises(Invalid) as caught:
        limits.limits(given)
    assert caught.value.code == "bad-limit"


def test_doctor_says_what_bounds_jobs_here(monkeypatch: pytest.MonkeyPatch) -> None:
    with short_home() as home:
        monkeypatch.setenv(limits.MEMORY, "512MiB")
        doctor._able.cache_clear()
        told = CliRunner().invoke(main, ["doctor", "--json", "--home", str(home)])
        checks = {check["name"]: check for check in json.loads(told.stdout)["checks"]}
        able = limits.able(Limits(memory=512 << 20))
        found = checks["limits of jobs"]["found"]
        assert f"4096 processes ({able.pids or 'not kept here'})" in found
        assert f"512MiB memory ({able.memory or 'not kept here'})" in found
        assert (checks["sandbox of jobs"]["outcome"] == "ok") == able.namespaces

        monkeypatch.setenv(limits.MEMORY, "much")
        told = CliRunner().invoke(main, ["doctor", "--json", "--home", str(home)])
        checks = {check["name"]: check for check in json.loads(told.stdout)["checks"]}
        assert checks["limits of jobs"]["outcome"] == "failed"
        assert limits.MEMORY in checks["limits of jobs"]["found"]
        doctor._able.cache_clear()
