"""The bounds of a job hold for what it starts in containers too."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.job_runs import Seen, order, repository, runner_in, short_home
from tests.support.podman import groups, image, leftovers, needs_podman

from headway.adapters.linux.actions import pod_groups
from headway.adapters.linux.actions.pod_groups import Groups
from headway.adapters.linux.nursery.cgroups import PREFIX
from headway.adapters.linux.runner import LinuxRunner
from headway.adapters.linux.sandbox import Limits
from headway.model.job import JobReport, StepSpec

HOG = "x=x; while :; do x=$x$x; done"
BOMB = "for n in {1..900}; do sleep 60 & done 2>/dev/null; true"
TOO_MUCH = "The job used more than 256MiB of memory."
TOO_MANY = "The job wanted more than 300 processes and threads at once."
ALWAYS = StepSpec("after", run="cat /proc/self/cgroup", condition="always()")


@pytest.fixture(scope="module")
def img(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with image(tmp_path_factory.mktemp("image")) as name:
        yield name


@pytest.fixture(scope="module")
def runner() -> Iterator[LinuxRunner]:
    with short_home() as home:
        bounds = Limits(memory=256 << 20, pids=300, int_seconds=0.2, term_seconds=0.2)
        made = runner_in(home, bounds)
        able = made._nursery.able()
        if not able.memory.startswith("cgroup") or not able.pids.startswith("cgroup"):
            pytest.skip("this machine gives no cgroup with memory and pids")
        yield made
        made.close()


def ran(
    runner: LinuxRunner, key: str, *steps: str | StepSpec, **more: object
) -> tuple[JobReport, Seen]:
    seen, before = Seen(), groups()
    report = runner.run(order(key, *steps, **more), {}, seen)
    assert leftovers(runner._home) == []
    assert groups() <= before
    return report, seen


def said(report: JobReport) -> list[str]:
    return [note.message for note in report.steps[0].annotations]


@needs_podman
def test_a_container_that_wants_too_much_memory_is_killed_and_says_so(
    runner: LinuxRunner, img: str
) -> None:
    hog = StepSpec("hog", run=HOG, shell="bash")
    report, seen = ran(runner, "hog", hog, ALWAYS, container=img)
    assert [s.outcome for s in report.steps] == ["failure", "success"], seen.text()
    assert said(report)[0] == TOO_MUCH
    assert f"/{PREFIX}" in seen.text()


FILL = "for n in {1..30}; do printf %05000000d 0 >> /dev/shm/filled; done"


@needs_podman
@pytest.mark.soak
def test_what_two_containers_use_is_counted_together(runner: LinuxRunner, img: str) -> None:
    """150 MB each, of which nothing can be written to a disk."""
    own = {"image": img, "options": "--shm-size 200m"}
    check = "--health-cmd 'test -e /tmp/full'"
    command = f"-c '{FILL}; touch /tmp/full; sleep 600'"
    full = {"image": img, "entrypoint": "bash", "command": command}
    service = {**full, "options": f"--shm-size 200m {check}"}
    fill = StepSpec("fill", run=f"echo begun; {FILL}; echo never", shell="bash")
    alone, seen = ran(runner, "alone", fill, container=own)
    assert alone.outcome == "success", seen.text()
    both, seen = ran(runner, "both", fill, container=own, services={"full": service})
    assert both.outcome == "failure"
    assert "begun" in seen.text()
    assert "never" not in seen.text()
    assert said(both)[0] == TOO_MUCH


@needs_podman
@pytest.mark.soak
def test_a_docker_action_is_bounded_too(runner: LinuxRunner, img: str) -> None:
    given = {"entrypoint": "bash", "args": f"-c '{HOG}'"}
    report, seen = ran(runner, "action", StepSpec("d", uses=f"docker://{img}", inputs=given))
    assert report.outcome == "failure", seen.text()
    assert said(report)[0] == TOO_MUCH


@needs_podman
@pytest.mark.soak
def test_building_an_image_is_bounded_too(runner: LinuxRunner, img: str) -> None:
    files = {"b/action.yml": "name: b\nruns: {using: docker, image: Dockerfile}\n"}
    files["b/Dockerfile"] = f"FROM {img}\nRUN cat /proc/self/cgroup\n"
    repo = runner._home / "shop"
    sha = repository(repo, files)
    steps = (StepSpec("get", uses="actions/checkout@v4"), StepSpec("b", uses="./b"))
    _, seen = ran(runner, "build", *steps, repo=str(repo), sha=sha)
    lines_of = [line.split(":") for line in seen.text().splitlines() if line.count(":") == 2]
    bounded = {names for _, names, path in lines_of if f"/{PREFIX}" in path}
    assert {"pids", "memory"} <= bounded or "" in bounded, seen.text()


@needs_podman
@pytest.mark.soak
def test_a_fork_bomb_in_a_container_ends_with_the_job(runner: LinuxRunner, img: str) -> None:
    report, seen = ran(runner, "bomb", StepSpec("b", run=BOMB, shell="bash"), container=img)
    assert TOO_MANY in said(report), seen.text()


V1 = "9:name=systemd:/\n8:pids:/headway-job-7-a-1\n4:memory:/own/headway-job-7-a-1\n1:cpu:/\n0::/\n"


def test_version_1_goes_below_each_controllers_own(tmp_path: Path) -> None:
    made = pod_groups.groups(V1, "t", "/usr/sbin/runc", tmp_path)
    assert made.flags == ("--cgroups=no-conmon", "--cgroup-parent=headway-pod-t")
    assert {str(folder.relative_to(tmp_path)) for folder in made.folders} == {
        "systemd/headway-pod-t",
        "pids/headway-job-7-a-1/headway-pod-t",
        "memory/own/headway-job-7-a-1/headway-pod-t",
        "cpu/headway-pod-t",
        "unified/headway-pod-t",
    }


def test_version_2_is_beside_the_jobs_processes(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("memory pids\n")
    own = "0::/system.slice/headway-job-7-a-1/steps\n"
    made = pod_groups.groups(own, "t", "/usr/bin/crun", tmp_path)
    parent = "/system.slice/headway-job-7-a-1/headway-pod-t"
    assert made.flags == ("--cgroups=no-conmon", f"--cgroup-parent={parent}")
    assert made.folders == (tmp_path / parent.lstrip("/"),)


def test_without_a_group_of_the_job_podman_has_its_own_way(tmp_path: Path) -> None:
    assert pod_groups.groups("1:pids:/\n0::/\n", "t", "/usr/sbin/runc", tmp_path) == Groups()
    assert pod_groups.groups(V1, "t", "/usr/bin/crun", tmp_path) == Groups()
