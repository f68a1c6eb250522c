"""`container:` and services through real podman, and Docker actions: what the job sees, and that
nothing is left.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.contract.job_runs import (
    QUICK,
    Seen,
    gone_within,
    order,
    repository,
    runner_in,
    short_home,
)
from tests.support.podman import groups, image, leftovers, needs_podman, needs_redis

from headway.adapters.linux.actions import native, pod
from headway.adapters.linux.runner import LinuxRunner
from headway.model.job import JobReport, StepSpec

pytestmark = needs_podman


@pytest.fixture(scope="module")
def img(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with image(tmp_path_factory.mktemp("image")) as name:
        yield name


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with short_home() as folder:
        yield folder


@pytest.fixture(scope="module")
def runner(home: Path) -> Iterator[LinuxRunner]:
    made = runner_in(home)
    yield made
    made.close()


def ran(
    runner: LinuxRunner, seen: Seen, key: str, *steps: str | StepSpec, **more: object
) -> JobReport:
    before = groups()
    report = runner.run(order(key, *steps, **more), {}, seen)
    assert leftovers(runner._home) == []
    assert groups() <= before
    return report


STEPS = (
    """\
echo "at $PWD of $GITHUB_WORKSPACE, home $HOME, $FROM_IMAGE $OWN, shell $0"
echo "over $OVER"
echo made > made.txt
echo "set=a b" >> "$GITHUB_ENV"
echo "out=deep" >> "$GITHUB_OUTPUT"
mkdir bin; printf '#!/bin/sh\\necho found\\n' > bin/tool; /bin/env ls -l bin >/dev/null
echo "$GITHUB_WORKSPACE/bin" >> "$GITHUB_PATH"
test -e /work-of-the-host || echo "another root"
echo "::add-mask::hidden-word"; echo hidden-word
""",
    'echo "$set"; sh $(command -v tool || echo bin/tool); cat /__w/shop/shop/made.txt; exit 4',
)


def test_steps_run_in_the_container(runner: LinuxRunner, home: Path, img: str) -> None:
    seen = Seen()
    container = {"image": img, "env": {"OWN": "own", "OVER": "image"}}
    report = ran(
        *(runner, seen, "steps", *STEPS),
        container=container,
        env=({"OVER": "job"},),
        contexts={"github": {"repository": "ana/shop"}},
    )
    tree = home / "runs/run_1/steps/work/tree"
    text = seen.text()
    assert f"at {tree} of {tree}, home {tree.parent}/home, yes own" in text
    assert "over job" in text
    assert "another root" in text
    assert "a b\nfound\nmade" in text
    assert "hidden-word\n" not in text.replace("::add-mask::hidden-word", "")
    assert [s.exit_code for s in report.steps] == [0, 4]
    assert report.steps[0].outputs == {"out": "deep"}
    assert (tree / "made.txt").read_text() == "made\n"


ACTION = """\
name: js
inputs: {who: {default: you}}
outputs: {said: {description: d}}
runs: {using: node20, main: main.js, post: post.js}
"""
MAIN = """\
const fs = require('fs');
console.log(`hello ${process.env.INPUT_WHO}, ${fs.existsSync('/work-of-the-host')}`);
console.log(`in ${process.env.FROM_IMAGE}`);
fs.appendFileSync(process.env.GITHUB_OUTPUT, 'said=hello\\n');
fs.appendFileSync(process.env.GITHUB_STATE, 'kept=state\\n');
"""
COMPOSITE = """\
name: c
outputs: {both: {description: d, value: "${{ steps.in.outputs.said }}"}}
runs:
  using: composite
  steps:
    - {id: in, uses: ./js, with: {who: me}}
    - {run: 'echo "composed in $FROM_IMAGE"', shell: sh}
"""


@pytest.mark.soak
@pytest.mark.skipif(not shutil.which("node"), reason="no Node.js")
def test_actions_run_in_the_container(runner: LinuxRunner, home: Path, img: str) -> None:
    files = {"js/action.yml": ACTION, "js/main.js": MAIN, "c/action.yml": COMPOSITE}
    files["js/post.js"] = "console.log('post ' + process.env.STATE_kept + process.env.FROM_IMAGE)"
    sha = repository(home / "shop", files)
    seen = Seen()
    steps = (StepSpec("get", uses="actions/checkout@v4"), StepSpec("c", uses="./c"))
    told = StepSpec("t", run="echo told ${{ steps.c.outputs.both }}")
    report = ran(
        *(runner, seen, "actions", *steps, StepSpec("js", uses="./js"), told),
        container=img,
        repo=str(home / "shop"),
        sha=sha,
    )
    text = seen.text()
    assert report.outcome == "success", text
    assert "hello me, false\nin yes\ncomposed in yes\nhello you, false\n" in text
    assert "told hello" in text
    assert "post stateyes" in text


LINGER = """\
trap 'echo interrupted; exit 7' INT
setsid sh -c 'exec 1>&- 2>&-; exec sleep 1234' &
echo ready
while :; do sleep 0.2; done
"""


def test_a_cancelled_step_ends_with_all_it_started(home: Path, img: str) -> None:
    runner = runner_in(home, replace(QUICK, int_seconds=20.0))  # it ends as soon as it has heard
    try:
        _cancelled(runner, img)
    finally:
        runner.close()


def _cancelled(runner: LinuxRunner, img: str) -> None:
    seen = Seen()
    seen.on_line = lambda line: seen.stop.set() if line.text == "ready" else None
    after = StepSpec("after", run="ls /proc; cat /proc/[0-9]*/cmdline; echo", condition="always()")
    report = ran(runner, seen, "cancel", LINGER, after, container=img)
    assert [s.outcome for s in report.steps] == ["cancelled", "success"]
    assert "interrupted" in seen.text()
    assert "1234" not in seen.text()
    assert gone_within("sleep\x001234", 10)


@pytest.mark.soak
def test_what_tidies_up_in_the_container_has_its_time(runner: LinuxRunner, img: str) -> None:
    seen = Seen()
    seen.on_line = lambda line: seen.stop.set() if line.text == "up" else None
    tidy = StepSpec("b", run="echo tidy; sleep 600", condition="always()")
    last = StepSpec("c", run="true", condition="always()")
    given = (runner, seen, "tidying", "echo up; sleep 600", tidy, last)
    report = ran(*given, container={"image": img}, tidy_seconds=3.0)
    assert [s.outcome for s in report.steps] == ["cancelled", "cancelled", "skipped"]
    assert "tidy" in seen.text()


@pytest.mark.soak
def test_a_step_that_hears_nothing_is_killed(runner: LinuxRunner, img: str) -> None:
    seen = Seen()
    seen.on_line = lambda line: seen.stop.set() if line.text == "ready" else None
    report = ran(
        runner, seen, "deaf", f"trap '' INT TERM\n{LINGER[LINGER.index('setsid') :]}", container=img
    )
    assert report.outcome == "cancelled"


@pytest.mark.soak
def test_nothing_is_left_when_the_runner_is_killed(home: Path, img: str) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.contract.container_child", str(home), img],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    with child:
        for line in child.stdout:
            if "ready" in line:
                break
        child.kill()
    assert gone_within("kept-running-in-container", 60)
    assert leftovers(home) != []  # files, until the next one that finds the job's lock free
    until = time.monotonic() + 120
    while not pod._is_free(home / "runs/run_1/.killed.lock"):
        assert time.monotonic() < until
        time.sleep(0.05)
    made = runner_in(home)
    try:
        assert ran(made, Seen(), "next", "echo next", container=img).outcome == "success"
    finally:
        made.close()


REDIS = {
    "image": "IMG",
    "entrypoint": "redis-server",
    "command": "--bind 0.0.0.0 --protected-mode no",
    "options": "--health-cmd 'redis-cli ping' --network-alias kv",
    "ports": ["6379"],
}
PING = 'exec 3<>"/dev/tcp/{}"; printf "PING\\r\\n" >&3; read -r answer <&3; echo "{} $answer"'


@needs_redis
def test_services_are_reached_from_outside_by_port(runner: LinuxRunner, img: str) -> None:
    seen = Seen()
    services = {name: {**REDIS, "image": img} for name in ("one", "two")}
    ports = [f"${{{{ job.services.{name}.ports['6379'] }}}}" for name in services]
    steps = [PING.format(f"localhost/{p}", n) for n, p in enumerate(ports)]
    report = ran(runner, seen, "ports", *steps, services=services)
    assert report.outcome == "success", seen.text()
    assert "0 +PONG" in seen.text()
    assert "1 +PONG" in seen.text()


@pytest.mark.soak
@needs_redis
@pytest.mark.parametrize("network", [True, False])
def test_services_are_reached_from_the_container_by_name(
    runner: LinuxRunner, img: str, network: bool
) -> None:
    seen = Seen()
    services = {name: {**REDIS, "image": img} for name in ("one", "two")}
    steps = [StepSpec("x", run=PING.format(f"{n}/6379", n), shell="bash") for n in ("one", "kv")]
    report = ran(
        runner, seen, f"names-{network}", *steps, services=services, container=img, network=network
    )
    assert report.outcome == "success", seen.text()
    assert "one +PONG" in seen.text()
    assert "kv +PONG" in seen.text()


@pytest.mark.soak
def test_a_service_that_is_not_healthy_shows_its_log(runner: LinuxRunner, img: str) -> None:
    seen = Seen()
    said = {"image": img, "entrypoint": "sh", "command": "-c 'echo no disk; exit 3'", "ports": [80]}
    report = ran(runner, seen, "sick", "echo never", services={"db": said})
    assert report.outcome == "failure"
    assert "no disk" in seen.text()
    assert "the service `db` did not start" in seen.text()
    assert "never" not in seen.text()


DOCKER = """\
name: d
inputs: {who: {default: you}}
outputs: {said: {description: d}}
runs:
  using: docker
  image: Dockerfile
  env: {EXTRA: "${{ inputs.who }}!"}
  args: ["-c", "${{ inputs.who }} two"]
  entrypoint: /main.sh
  post-entrypoint: /post.sh
"""
DOCKER_MAIN = """\
#!/bin/sh
echo "got $INPUT_WHO $EXTRA $# $2, in $PWD of $GITHUB_WORKSPACE"
echo said=hi >> "$GITHUB_OUTPUT"
echo from-action > written
"""


@pytest.mark.soak
def test_docker_actions_are_built_and_run(runner: LinuxRunner, home: Path, img: str) -> None:
    files = {
        "d/action.yml": DOCKER,
        "d/main.sh": DOCKER_MAIN,
        "d/post.sh": "#!/bin/sh\necho post\n",
    }
    files["d/Dockerfile"] = f"FROM {img}\nCOPY --chmod=755 main.sh post.sh /\n"
    sha = repository(home / "dock", files)
    seen = Seen()
    steps = (
        StepSpec("get", uses="actions/checkout@v4"),
        StepSpec("d", uses="./d", inputs={"who": "me; id"}),
        StepSpec(
            "i",
            uses=f"docker://{img}",
            inputs={"entrypoint": "sh", "args": "-c 'echo by image $PWD'"},
        ),
        StepSpec("t", run="echo told ${{ steps.d.outputs.said }}; cat written"),
    )
    report = ran(runner, seen, "docker", *steps, repo=str(home / "dock"), sha=sha)
    text = seen.text()
    assert report.outcome == "success", text
    assert "got me; id me; id! 2 me; id two, in /github/workspace of /github/workspace" in text
    assert "by image /github/workspace" in text
    assert "told hi\nfrom-action\n" in text
    assert "post" in text


@pytest.mark.soak
@pytest.mark.seed("S-026")
@pytest.mark.skipif(not native._installed_postgres(), reason="PostgreSQL is not installed")
def test_an_installed_server_stands_for_an_image_that_cannot_be_had(runner: LinuxRunner) -> None:
    seen = Seen()
    image = "localhost/nowhere/x:1"
    given = {"image": "postgres:16", "env": {"POSTGRES_PASSWORD": "test"}, "ports": ["5432"]}
    ask = "PGPASSWORD=test psql -h localhost -p $PORT -U postgres -Atc 'select 40 + 2'"
    step = StepSpec("ask", run=ask, env={"PORT": "${{ job.services.db.ports['5432'] }}"})
    report = ran(runner, seen, "stands", step, services={"db": given})
    assert report.outcome == "success", seen.text()
    assert "42" in seen.text()
    seen = Seen()
    report = ran(runner, seen, "none", "echo never", services={"db": {**given, "image": image}})
    assert report.outcome == "failure"
    assert image in seen.text()


@pytest.mark.soak
def test_a_name_that_is_an_option_is_no_image(runner: LinuxRunner) -> None:
    seen = Seen()
    report = ran(runner, seen, "option", "echo never", container="--help")
    assert report.outcome == "failure"
    assert "names no image" in seen.text()
    assert "never" not in seen.text()
