"""What podman is told for Docker actions and services. A recorder stands in its place: whether real
podman obeys is not shown here."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.actions_bench import ActionsBench, PlainHands, commit

from headway.adapters.linux.actions.acting import Direct
from headway.adapters.linux.actions.services import Services, check
from headway.model.errors import Failed

ACTION = """\
name: d
inputs: {who: {default: you}}
runs:
  using: docker
  image: Dockerfile
  entrypoint: /main.sh
  post-entrypoint: /post.sh
  args: ["--name", "${{ inputs.who }}", "two words"]
"""
RECORDER = """\
#!/bin/sh
printf '%s\\n' "$@" >> {log}
echo --- >> {log}
test "${{POD_FAILS:-}}" != "$1"
"""


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that says how podman was called; one argument a line, `---` after each call."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "podman").write_text(RECORDER.format(log=tmp_path / "told"))
    (folder / "podman").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return tmp_path / "told"


def calls(told: Path) -> list[list[str]]:
    """The arguments, without the choice of a runtime."""
    found = [c.strip().split("\n") for c in told.read_text().split("---\n")[:-1]]
    return [c[2:] if c[0] == "--runtime" else c for c in found]


def test_a_docker_action_is_built_and_run(told: Path, tmp_path: Path) -> None:
    bench = ActionsBench(tmp_path / "b")
    sha = commit(bench.mirrors / "tools/d", {"action.yml": ACTION, "Dockerfile": "FROM scratch"})
    found = bench.finder.find(bench.order(), f"tools/d@{sha}", bench.work())
    assert isinstance(found, Direct)
    acting = bench.acting("x", replace(bench.order(), network=False), who="me; id")
    assert found.main(acting) == 0
    build, run = calls(told)
    assert build[:2] == ["build", "--tag"]
    assert build[-1] == str(bench.home / f"actions/trees/tools/d/{sha}")
    assert run[0] == "run"
    assert run[-4:] == [build[2], "--name", "me; id", "two words"]
    assert run[run.index("--entrypoint") + 1] == "/main.sh"
    assert run[run.index("--network") + 1] == "none"
    assert f"{acting.checkout}:/github/workspace" in run
    assert f"{acting.files}:{acting.files}" in run
    assert {"INPUT_WHO", "GITHUB_OUTPUT"} <= set(run)
    assert not any(word.startswith("INPUT_WHO=") for word in run)
    assert found.post is not None
    assert found.post(acting) == 0
    assert "/post.sh" in calls(told)[-1]


def test_an_image_that_cannot_be_built_is_red(
    told: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = ActionsBench(tmp_path / "b")
    sha = commit(bench.mirrors / "tools/d", {"action.yml": ACTION, "Dockerfile": "FROM scratch"})
    found = bench.finder.find(bench.order(), f"tools/d@{sha}", bench.work())
    assert isinstance(found, Direct)
    (tmp_path / "bin/podman").write_text("#!/bin/sh\nexit 3\n")
    assert found.main(bench.acting("x", bench.order())) == 3


def test_an_image_by_name(told: Path, tmp_path: Path) -> None:
    bench = ActionsBench(tmp_path / "b")
    bench.use("docker://alpine:3", args="echo hello", entrypoint="/bin/sh")
    (run,) = calls(told)
    assert run[-3:] == ["alpine:3", "echo", "hello"]


def test_a_service_is_started_and_removed(told: Path, tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"]}
    services = Services(tmp_path / "s", PlainHands(), env, network=True)
    given = {"q": {"image": "rabbitmq:3", "env": {"A": "secret"}, "volumes": ["/a:/b"]}}
    check(given, None)
    assert services.start(given)["q"]["ports"] == {}
    (run,) = calls(told)
    assert run[:2] == ["run", "--detach"]
    assert run[-1] == "rabbitmq:3"
    assert "secret" not in " ".join(run)
    assert "/a:/b" in run
    services.stop()
    assert calls(told)[-1][0] == "rm"


def test_a_service_that_does_not_start_is_removed(
    told: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = {"PATH": os.environ["PATH"]}
    services = Services(tmp_path / "s", PlainHands(), env, network=True)
    (tmp_path / "bin/podman").write_text(
        RECORDER.format(log=tmp_path / "told").replace(
            '!= "$1"', '!= "$1"; case "$*" in *run*) false; esac'
        )
    )
    with pytest.raises(Failed) as failed:
        services.start({"q": {"image": "rabbitmq:3"}})
    assert failed.value.code == "service-failed"
    assert [c[0] for c in calls(told)] == ["run", "logs", "rm"]
