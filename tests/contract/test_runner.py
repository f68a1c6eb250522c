"""What every Runner promises, against real processes: in a PID namespace where there is one, and
without one."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headway.adapters.git.source_host import GitSourceHost
from headway.adapters.process import runner as process_runner
from headway.adapters.process import sandbox as process_sandbox
from headway.adapters.process.runner import ProcessRunner
from headway.model.errors import Drifted, Invalid, Refused
from headway.model.pipeline import JobOrder, JobResult, PlannedJob, PlannedStep


@pytest.fixture(params=["namespace", "subreaper"])
def isolation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "subreaper":
        monkeypatch.setattr(process_sandbox, "pid_namespace", tuple)
    elif not process_sandbox.pid_namespace():
        pytest.skip("this machine gives no PID namespace")
    return str(request.param)


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repo")
    (folder / "a.txt").write_text("one\n")
    for arguments in (
        ("init", "-q", "-b", "main"),
        ("add", "."),
        ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "first"),
    ):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    return folder


@pytest.fixture
def here(tmp_path: Path, repo: Path) -> "Here":
    return Here(tmp_path, repo)


class Here:
    """A repository, a home and a runner."""

    def __init__(self, folder: Path, repo: Path) -> None:
        self.home = folder / "home"
        self.repo = repo
        self.source = GitSourceHost()
        self.commit = self.source.commit(str(self.repo), "main")
        self.runner = ProcessRunner(self.home, self.source)

    def order(
        self, *steps: PlannedStep | str, job: str = "build", name: str = "del_01", **fields: Any
    ) -> JobOrder:
        numbered = tuple(
            PlannedStep(f"__{n}", f"step {n}", run=s) if isinstance(s, str) else s
            for n, s in enumerate(steps, start=1)
        )
        planned = PlannedJob(job, job, (), numbered)
        order = JobOrder(name, 1, planned, str(self.repo), self.commit.sha)
        return replace(order, **fields)

    def run(self, *steps: PlannedStep | str, **fields: Any) -> JobResult:
        return self.runner.run(self.order(*steps, **fields))


def use(action: str, **inputs: str) -> PlannedStep:
    named = {name.replace("_", "-"): value for name, value in inputs.items()}
    return PlannedStep(action, action, uses=f"actions/{action}@v4", inputs=named)


def log(result: JobResult, number: int = 0) -> str:
    return Path(result.steps[number].log).read_text()


def sleepers(mark: str) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if mark.encode() in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
            except OSError:
                continue
    return found


@pytest.fixture
def mark(here: Here) -> Iterator[str]:
    """A duration for `sleep` that no other process has; whoever is left over is killed."""
    name = f"86{os.getpid() % 1000:03}.{abs(hash(str(here.home))) % 10**6:06}"
    yield name
    for pid in sleepers(name):
        os.kill(pid, 9)


def wait_for(condition: Callable[[], object], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.02)


def test_steps_run_in_order_in_a_clean_checkout(here: Here, isolation: str) -> None:
    result = here.run("ls; echo two > b.txt", "cat a.txt b.txt")
    assert result.outcome == "success"
    assert [s.outcome for s in result.steps] == ["success", "success"]
    assert log(result, 0) == "a.txt\n"
    assert result.steps[1].tail == "one\ntwo"
    assert result.started_at <= result.finished_at


def test_a_red_step_skips_the_rest_and_is_no_exception(here: Here, isolation: str) -> None:
    result = here.run("echo before; exit 7", "echo never")
    assert result.outcome == "failure"
    assert [(s.outcome, s.exit_code) for s in result.steps] == [("failure", 7), ("skipped", None)]
    assert result.steps[0].tail == "before"


@pytest.mark.parametrize(
    ("script", "code"),
    [("false; true", 1), ("false | true", 1), ("kill -9 $$", -9), ("nonsense-command", 127)],
)
def test_bash_stops_at_the_first_error(here: Here, script: str, code: int) -> None:
    assert here.run(script).steps[0].exit_code == code


def test_sh_runs_with_e(here: Here) -> None:
    assert here.run(PlannedStep("a", "a", run="false; true", shell="sh")).outcome == "failure"
    assert here.run(PlannedStep("a", "a", run="false | true", shell="sh")).outcome == "success"


@pytest.mark.parametrize("script", ["true", "exit 3"])
def test_no_daemon_outlives_the_job(here: Here, isolation: str, mark: str, script: str) -> None:
    daemons = (
        f"sleep {mark} &\n"
        f"setsid sleep {mark} &\n"
        f"(setsid nohup sh -c 'setsid sleep {mark} & sleep {mark}' >/dev/null 2>&1 &)\n"
        f"until [ $(pgrep -fc '^sleep {mark}') -ge 4 ]; do sleep 0.02; done\n"
    )
    result = here.run(daemons + script)
    assert result.steps[0].exit_code == (0 if script == "true" else 3)
    assert sleepers(mark) == []


def test_a_background_process_serves_the_later_steps(here: Here, isolation: str, mark: str) -> None:
    result = here.run(f"sleep {mark} & echo $! > pid", "kill -0 $(cat pid)")
    assert result.outcome == "success"
    assert sleepers(mark) == []


def test_the_jobs_time_ends_the_whole_tree(
    here: Here, isolation: str, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_runner, "GRACE_SECONDS", 0.3)
    stubborn = f"trap '' INT TERM; setsid sleep {mark} & while :; do sleep {mark}; done"
    order = here.order("true", stubborn, "echo never")
    order = replace(order, job=replace(order.job, timeout_seconds=1.0))
    start = time.monotonic()
    result = here.runner.run(order)
    assert time.monotonic() - start < 60
    assert [s.outcome for s in result.steps] == ["success", "failure", "skipped"]
    assert "the job's 1 s are over" in result.steps[1].tail
    assert sleepers(mark) == []


def test_a_step_may_tidy_up_when_its_time_is_over(here: Here, isolation: str) -> None:
    order = here.order("trap 'echo tidied; exit 0' INT TERM; while :; do sleep 0.05; done")
    order = replace(order, job=replace(order.job, timeout_seconds=0.5))
    result = here.runner.run(order)
    assert result.outcome == "failure"
    assert "tidied" in log(result)


def test_nothing_survives_the_server(here: Here, mark: str, isolation: str) -> None:
    """SIGKILL of the process that runs the job; then the same job again, from the start."""
    order = f"sleep {mark} & setsid sleep {mark} & wait"
    program = (
        "import sys; from pathlib import Path\n"
        "from headway.adapters.git.source_host import GitSourceHost\n"
        "from headway.adapters.process import sandbox\n"
        "from headway.adapters.process.runner import ProcessRunner\n"
        "from headway.model.pipeline import *\n"
        f"if {isolation == 'subreaper'}: sandbox.pid_namespace = tuple\n"
        f"job = PlannedJob('build', 'b', (), (PlannedStep('a', 'a', run={order!r}),))\n"
        f"ProcessRunner(Path({str(here.home)!r}), GitSourceHost()).run("
        f"JobOrder('del_01', 1, job, {str(here.repo)!r}, {here.commit.sha!r}))\n"
    )
    server = subprocess.Popen([sys.executable, "-c", program])
    wait_for(lambda: len(sleepers(f"sleep\0{mark}")) == 2)
    server.kill()
    server.wait()
    assert here.run("echo again").outcome == "success"
    wait_for(lambda: not sleepers(mark))


def test_the_same_job_twice_at_once_is_refused(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headway.adapters.process.workspace._LOCK_SECONDS", 0.2)
    flag = here.home / "go"
    first = threading.Thread(target=here.run, args=(f"until [ -e {flag} ]; do sleep 0.02; done",))
    first.start()
    wait_for((here.home / "runs" / "del_01" / "build" / "logs" / "1.log").exists)
    with pytest.raises(Drifted, match="still being run"):
        here.run("echo second")
    flag.touch()
    first.join(30)
    assert not first.is_alive()


def test_a_repeated_job_starts_clean_and_replaces_its_uploads(here: Here) -> None:
    one = "mkdir -p dist ro; echo 1 > dist/x; echo 1 > only-first; touch ro/f; chmod 500 ro"
    first = here.run(one, use("upload-artifact", name="app", path="dist"))
    assert first.outcome == "success"
    two = "test ! -e only-first; mkdir dist; echo 2 > dist/y"
    second = here.run(two, use("upload-artifact", name="app", path="dist"), attempt=2)
    assert second.outcome == "success"
    folder = Path(second.uploads[0].path)
    assert [p.name for p in folder.iterdir()] == ["y"]


def test_the_environment_is_closed_and_reproducible(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "leak")
    monkeypatch.setenv("HEADWAY_TOKEN", "leak")
    monkeypatch.setenv("PYTHONPATH", "leak")
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    result = here.run("env -0 | tr '\\0' '\\n'; umask; echo id=$0", ref="refs/heads/main")
    text = log(result)
    found = dict(line.partition("=")[::2] for line in text.splitlines() if "=" in line)
    work = str(here.home / "runs" / "del_01" / "build" / "work")
    assert "leak" not in text
    assert found["CI"] == "true"
    assert found["GITHUB_SHA"] == here.commit.sha
    assert found["GITHUB_REF_NAME"] == "main"
    assert found["GITHUB_WORKSPACE"] == found["PWD"] == work
    assert found["PIP_INDEX_URL"] == "https://index.example/simple"
    assert found["HTTPS_PROXY"] == "http://proxy.example"
    assert Path(found["HOME"]).parent == Path(work).parent
    assert found["HOME"] != work
    assert int(found["SOURCE_DATE_EPOCH"]) > 1_600_000_000
    if sys.prefix != sys.base_prefix:
        assert f"{sys.prefix}/bin" not in found["PATH"].split(":")
    assert "\n0022\n" in text


def test_env_goes_from_job_to_step_and_between_steps(here: Here) -> None:
    order = here.order(
        'echo "A=added" >> "$GITHUB_ENV"; printf "M<<END\\nx\\ny=z\\nEND\\n" >> "$GITHUB_ENV"\n'
        'mkdir bin; printf "#!/bin/sh\\necho mine" > bin/tool; chmod +x bin/tool\n'
        'echo "$PWD/bin" >> "$GITHUB_PATH"; echo o=1 >> "$GITHUB_OUTPUT"',
        'echo "$A|$B|$M"; tool',
        PlannedStep("c", "c", run='echo "$A|$C|$D"', env={"A": "step", "D": "${{ env.C }}"}),
    )
    job = replace(order.job, env={"A": "job", "B": "${{ inputs.url }}", "C": "${{ github.sha }}"})
    job = replace(job, inputs={"url": "default"})
    result = here.runner.run(replace(order, job=job, inputs={"url": "http://h/${{ env.A }}"}))
    assert result.outcome == "success", result.steps
    assert log(result, 1) == "added|http://h/${{ env.A }}|x\ny=z\nmine\n"
    assert log(result, 2) == f"step|{here.commit.sha}|{here.commit.sha}\n"


@pytest.mark.parametrize(
    "line",
    [
        "GITHUB_SHA=0",
        "RUNNER_TEMP=/",
        "no equals",
        "1A=x",
        "A<<END",
        "=x",
    ],
)
def test_a_bad_environment_file_is_a_red_step(here: Here, line: str) -> None:
    result = here.run(f"echo '{line}' >> \"$GITHUB_ENV\"", "echo never")
    assert [s.outcome for s in result.steps] == ["failure", "skipped"]
    assert "GITHUB_ENV" in result.steps[0].tail


@pytest.mark.parametrize(
    "script",
    [
        'rm "$GITHUB_ENV"; ln -s /etc/passwd "$GITHUB_ENV"',
        'rm "$GITHUB_ENV"; mkfifo "$GITHUB_ENV"',
        'head -c 2000000 /dev/zero | tr "\\0" a > "$GITHUB_ENV"',
        'rm -rf "$GITHUB_WORKSPACE/.."/* || true',
        'rm "$GITHUB_WORKSPACE/../logs/1.log"; mkfifo "$GITHUB_WORKSPACE/../logs/1.log"',
    ],
)
def test_a_step_that_breaks_its_own_folders_is_red_and_nothing_hangs(
    here: Here, script: str
) -> None:
    assert here.run(script, "echo never").outcome == "failure"
    assert here.run("echo fine").outcome == "success"


@pytest.mark.parametrize(
    "value", ["x; touch owned", "$(touch owned)", "`touch owned`", "-rf x", "a b"]
)
def test_a_value_never_becomes_a_script(here: Here, value: str) -> None:
    step = PlannedStep("a", "a", run="echo ${{ env.V }}", env={"V": "${{ inputs.v }}"})
    result = here.run(step, inputs={"v": value})
    assert result.outcome == "failure"
    assert 'write "$V"' in result.steps[0].tail or "interpret" in result.steps[0].tail
    assert not list(here.home.rglob("owned"))
    plain = PlannedStep("a", "a", run='echo "$V"', env={"V": "${{ inputs.v }}"})
    assert log(here.run(plain, inputs={"v": value})) == f"{value}\n"


def test_a_name_without_a_value_is_a_red_step(here: Here) -> None:
    step = PlannedStep("a", "a", run="true", env={"V": "${{ env.NOPE }}"})
    assert "`${{ env.NOPE }}` has no value here" in here.run(step).steps[0].tail


def test_output_beyond_the_cap_keeps_its_beginning_and_its_end(
    here: Here, isolation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_runner, "LOG_BYTES", 50_000)
    result = here.run("seq 1 100000; echo the end")
    text = log(result)
    assert text.startswith("1\n2\n")
    assert "bytes left out here]" in text
    assert text.endswith("100000\nthe end\n")
    assert len(text) < 120_000


def test_the_tail_holds_no_terminal_commands(here: Here) -> None:
    result = here.run("printf '\\033[31mred\\033[0m \\033]0;title\\007 a\\rb\\b\\xff\\n'")
    assert b"\x1b[31m" in Path(result.steps[0].log).read_bytes()
    tail = result.steps[0].tail
    assert "red" in tail
    assert all(c.isprintable() for c in tail)


@pytest.mark.parametrize(
    ("run", "job"),
    [
        *((run, "build") for run in ("../x", "a/b", "", "-x", ".", "r\n")),
        *(("r", job) for job in ("..", "a/b", "", "uploads", "a\0")),
    ],
)
def test_names_that_are_no_names_never_become_paths(here: Here, run: str, job: str) -> None:
    with pytest.raises(Invalid) as error:
        here.run("true", job=job, name=run)
    assert error.value.code == "bad-name"
    assert not here.home.exists()


@pytest.mark.parametrize(
    "step",
    [
        PlannedStep("a", "a", uses="actions/setup-python@v5"),
        PlannedStep("a", "a", uses="actions/checkout@v3"),
        PlannedStep("a", "a", uses="actions/upload-artifact@v4", inputs={"overwrite": "true"}),
        PlannedStep("a", "a", run="x", shell="pwsh"),
        PlannedStep("a", "a"),
    ],
)
def test_what_cannot_run_here_is_refused_before_anything_ran(here: Here, step: PlannedStep) -> None:
    with pytest.raises(Refused):
        here.run("true", step)
    assert not here.home.exists()


def test_a_missing_shell_is_refused(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_runner, "search_path", lambda: "/nonexistent")
    with pytest.raises(Refused, match="there is no bash"):
        here.run("true")


def test_an_unknown_commit_is_invalid(here: Here) -> None:
    with pytest.raises(Invalid):
        here.run("true", sha="0" * 40)


def test_the_working_directory_stays_inside(here: Here) -> None:
    inside = PlannedStep("a", "a", run="pwd", working_directory="sub")
    assert log(here.run("mkdir sub", inside), 1).endswith("/work/sub\n")
    for folder in ("..", "missing", "out"):
        step = PlannedStep("a", "a", run="pwd", working_directory=folder)
        assert here.run("ln -s / out", step).steps[1].outcome == "failure"


def shape(folder: str) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in Path(folder).rglob("*") if not p.is_dir())


TREE = """mkdir -p dist/sub out/x
echo 1 > dist/a.whl; echo 2 > dist/sub/b.txt; echo 3 > dist/.env; echo 4 > out/x/c.whl"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("dist", ["a.whl", "sub/b.txt"]),
        ("./dist/", ["a.whl", "sub/b.txt"]),
        ("dist/a.whl", ["a.whl"]),
        ("dist/*.whl", ["a.whl"]),
        ("dist/**", ["a.whl", "sub/b.txt"]),
        ("dist/**/*.txt", ["sub/b.txt"]),
        ("**/*.whl", ["dist/a.whl", "out/x/c.whl"]),
        ("dist/s*", ["sub/b.txt"]),
        ("dist\nout", ["dist/a.whl", "dist/sub/b.txt", "out/x/c.whl"]),
        ("dist/a.whl\n\n# note\nmissing", ["dist/a.whl"]),
        ("dist/.env", []),
    ],
)
def test_uploads_follow_the_rules_of_the_action(here: Here, path: str, expected: list[str]) -> None:
    result = here.run(TREE, use("upload-artifact", name="app", path=path))
    if not expected:
        assert result.outcome == "failure"
        assert "nothing was found" in result.steps[1].tail
        assert result.uploads == ()
        return
    assert result.outcome == "success", result.steps[1].tail
    assert shape(result.uploads[0].path) == expected


def test_hidden_files_are_left_out_aloud_or_taken(here: Here) -> None:
    left = here.run(TREE, use("upload-artifact", name="app", path="dist"))
    assert "1 hidden files left out" in left.steps[1].tail
    step = use("upload-artifact", name="app", path="dist", include_hidden_files="true")
    assert ".env" in shape(here.run(TREE, step).uploads[0].path)


def test_an_upload_keeps_modes_and_inner_links(here: Here) -> None:
    script = (
        "mkdir -p d/s; echo x > d/run; chmod 4751 d/run; echo y > d/s/y; chmod 600 d/s/y\n"
        "ln -s s/y d/l; ln -s s d/sl"
    )
    result = here.run(script, use("upload-artifact", name="app", path="d"))
    folder = Path(result.uploads[0].path)
    assert (folder / "run").stat().st_mode & 0o7777 == 0o755
    assert (folder / "s" / "y").stat().st_mode & 0o7777 == 0o644
    assert (folder / "l").readlink() == Path("s/y")
    assert (folder / "sl").readlink() == Path("s")


@pytest.mark.parametrize(
    "script",
    [
        "ln -s /etc/passwd d/x",
        "ln -s ../a.txt d/x",
        "ln -s $PWD/d/ok d/x",
        "ln -s . d/y; ln -s y/../../a.txt d/x",
        "ln -s x d/x",
        "mkfifo d/x",
        "ln -s missing/../.. d/x",
    ],
)
def test_hostile_uploads_are_red_and_leave_nothing(here: Here, script: str) -> None:
    result = here.run(
        f"mkdir d; echo 1 > d/ok; {script}", use("upload-artifact", name="a", path="d")
    )
    assert result.outcome == "failure", result.steps[1].tail
    assert result.uploads == ()
    assert not (here.home / "runs" / "del_01" / "uploads" / "a").exists()


@pytest.mark.parametrize(
    "path", ["..", "/etc/passwd", "../../../", "out", "out/*", "dist/../..", ""]
)
def test_an_upload_comes_from_the_workspace_only(here: Here, path: str) -> None:
    result = here.run("ln -s /etc out", use("upload-artifact", name="a", path=path))
    assert result.outcome == "failure"


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a\nb", "-x"])
def test_an_upload_has_a_plain_name(here: Here, name: str) -> None:
    assert here.run(TREE, use("upload-artifact", name=name, path="dist")).outcome == "failure"


def test_two_jobs_cannot_share_an_upload_name(here: Here) -> None:
    step = use("upload-artifact", name="app", path="dist")
    assert here.run(TREE, step, job="one").outcome == "success"
    second = here.run("mkdir dist; echo evil > dist/a.whl", step, job="two")
    assert second.outcome == "failure"
    assert "job 'one' has uploaded 'app' already" in second.steps[1].tail
    kept = here.home / "runs" / "del_01" / "uploads" / "app" / "a.whl"
    assert kept.read_text() == "1\n"


def test_a_later_job_downloads_what_an_earlier_one_uploaded(here: Here) -> None:
    here.run(TREE, use("upload-artifact", name="app", path="dist"), job="one")
    named = use("download-artifact", name="app", path="got")
    result = here.run(named, use("download-artifact"), "find got app -type f | sort", job="two")
    assert result.outcome == "success", [s.tail for s in result.steps]
    assert log(result, 2).split() == ["app/a.whl", "app/sub/b.txt", "got/a.whl", "got/sub/b.txt"]


@pytest.mark.parametrize(
    "step",
    [
        use("download-artifact", name="missing"),
        use("download-artifact", name="app", path=".."),
        use("download-artifact", name="app", path="/tmp"),
        use("download-artifact", name="app", path="out"),
        use("download-artifact", name="../app"),
    ],
)
def test_a_download_stays_in_the_workspace(here: Here, step: PlannedStep, tmp_path: Path) -> None:
    here.run(TREE, use("upload-artifact", name="app", path="dist"), job="one")
    outside = tmp_path / "outside"
    outside.mkdir()
    result = here.run(f"ln -s {outside} out", step, job="two")
    assert result.outcome == "failure"
    assert list(outside.iterdir()) == []


def test_two_builds_of_one_commit_are_equal(here: Here) -> None:
    script = 'mkdir d; echo "$SOURCE_DATE_EPOCH" > d/v; cp a.txt d; mkdir d/sub; touch d/sub/e'
    shapes = []
    for run in ("del_01", "del_02"):
        step = use("upload-artifact", path="d")
        result = here.run(script, step, name=run)
        folder = Path(result.uploads[0].path)
        shapes.append(
            {
                n: ((folder / n).read_bytes(), (folder / n).stat().st_mode)
                for n in shape(str(folder))
            }
        )
    assert shapes[0] == shapes[1]
    assert len(shapes[0]) == 3


@pytest.mark.soak
def test_a_thousand_quick_steps_each_end(here: Here) -> None:
    result = here.run(*["true"] * 1000)
    assert [s.outcome for s in result.steps] == ["success"] * 1000
