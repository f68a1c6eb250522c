"""What every JobRunner promises about what steps mean, with real processes."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.job_runs import Seen, order, repository, runner_in, short_home

from headway.adapters.linux import logs, workspace
from headway.adapters.linux.runner import LinuxRunner
from headway.model.errors import Drifted, Invalid, Refused
from headway.model.job import JobReport, StepSpec


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
    runner: LinuxRunner, key: str, *steps: str | StepSpec, **more: object
) -> tuple[JobReport, Seen]:
    seen = Seen()
    secrets = more.pop("secrets", {})
    return runner.run(order(key, *steps, **more), secrets, seen), seen  # type: ignore[arg-type]


def outcomes(report: JobReport) -> list[str]:
    return [step.outcome for step in report.steps]


def test_a_green_job(runner: LinuxRunner, home: Path) -> None:
    report, seen = ran(
        runner,
        "green",
        "echo one; echo 'a=b=c' >> $GITHUB_OUTPUT; echo kept > file",
        "cat file; echo '${{ steps.s0.outputs.a }}'",
        outputs={"out": "${{ steps.s0.outputs.a }}!"},
    )
    assert (report.outcome, report.because) == ("success", "")
    assert report.outputs == {"out": "b=c!"}
    assert seen.text() == "one\nkept\nb=c"
    assert [n for n, _ in seen.began] == [n for n, _ in seen.ended] == [0, 1]
    folder = home / "runs/run_1/green"
    data, end = logs.read(folder, 1)
    assert (data, end) == (b"kept\nb=c\n", 9)
    assert logs.read(folder, 1, 5) == (b"b=c\n", 9)
    assert logs.tail(folder, 1, 1) == b"b=c\n"
    assert hashlib.sha256(data).hexdigest() == report.steps[1].digest
    assert report.steps[1].lines == 2
    assert not (folder / "work").exists()


def test_conditions_and_continue_on_error(runner: LinuxRunner) -> None:
    report, seen = ran(
        runner,
        "conditions",
        StepSpec("may", run="exit 7", continue_on_error="${{ true }}"),
        StepSpec("after", run="echo ${{ steps.may.outcome }} ${{ steps.may.conclusion }}"),
        StepSpec("no", run="echo never", condition="false"),
        "exit 3",
        "echo never",
        StepSpec("fail", run="echo ${{ job.status }}", condition="failure()"),
        StepSpec("always", run="echo here", condition="${{ always() && steps.no.outcome }}"),
        StepSpec("success", run="echo never", condition="success() || false"),
    )
    assert outcomes(report) == [
        *("failure", "success", "skipped", "failure", "skipped", "success", "success", "skipped"),
    ]
    assert report.steps[0].conclusion == "success"
    assert (report.steps[0].exit_code, report.steps[3].exit_code) == (7, 3)
    assert report.outcome == "failure"
    assert "exit 3" in report.because
    assert "failure success" in seen.text()
    assert "never" not in seen.text()
    assert report.steps[2].log == -1


def test_variables_and_their_order(runner: LinuxRunner) -> None:
    report, seen = ran(
        runner,
        "variables",
        StepSpec("a", run="echo $A $B $C; echo B=set >> $GITHUB_ENV", env={"C": "${{ env.B }}3"}),
        StepSpec("b", run="echo $A $B ${{ env.B }}", env={"A": "step"}),
        "printf 'M<<E_O_F\\nx\\ny=z\\nE_O_F\\n' >> $GITHUB_ENV; mkdir d; printf '#!/bin/sh\\n"
        "echo found' > d/tool; chmod +x d/tool; echo $PWD/d >> $GITHUB_PATH",
        'echo "$M"; tool',
        env=({"A": "1", "B": "w"}, {"B": "j${{ env.A }}"}),
    )
    assert report.outcome == "success"
    assert seen.text() == "1 j1 j13\nstep set set\nx\ny=z\nfound"


def test_the_environment_is_closed_and_documented(
    runner: LinuxRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVER_SECRET", "do-not-tell")
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example")
    github = {"repository": "o/r", "event_name": "push", "event": {"a": [1]}, "run_number": "7"}
    _, seen = ran(
        runner, "closed", "env; cat $GITHUB_EVENT_PATH", contexts={"github": github, "matrix": {}}
    )
    text = seen.text()
    for wanted in ("CI=true", "GITHUB_REPOSITORY=o/r", "GITHUB_RUN_NUMBER=7", "RUNNER_OS=Linux"):
        assert wanted in text
    assert "PIP_INDEX_URL=https://index.example" in text
    assert '{"a": [1]}' in text
    assert "do-not-tell" not in text


def test_shells_and_folders(runner: LinuxRunner) -> None:
    report, seen = ran(
        runner,
        "shells",
        "false | true; echo unspecified goes on",
        StepSpec("bash", run="false | true; echo never", shell="bash", continue_on_error="true"),
        StepSpec("sh", run="echo $0 | grep -c sh", shell="sh"),
        StepSpec("py", run="import sys; print('py', sys.version_info[0])", shell="python"),
        StepSpec("own", run="print 'perl'", shell="perl -w {0}"),
        StepSpec("cd", run="mkdir -p a/b; cd a/b; pwd"),
        StepSpec("in", run="basename $PWD", working_directory="a/b"),
        StepSpec("no", run="true", working_directory="nowhere"),
    )
    assert outcomes(report) == ["success", "failure", *["success"] * 5, "failure"]
    assert "never" not in seen.text()
    assert "py 3" in seen.text()
    assert "nowhere" in report.steps[-1].tail


def test_commands_groups_and_annotations(runner: LinuxRunner, home: Path) -> None:
    report, seen = ran(
        runner,
        "commands",
        "echo '::group::Build'; echo inner; echo '::endgroup::'; echo outer\n"
        "echo '::error file=a%2Cb.py,line=3,col=7,title=T::bad%0Athing'\n"
        "echo '::debug::hidden'; echo '::stop-commands::tok'; echo '::error::not one'\n"
        "echo '::tok::'; echo '::warning::yes'; echo '::set-output name=a::b'\n"
        "echo '# Sum' >> $GITHUB_STEP_SUMMARY",
    )
    (step,) = report.steps
    first, second, third = step.annotations
    assert (first.level, first.file, first.line, first.column, first.title) == (
        *("error", "a,b.py", 3, 7, "T"),
    )
    assert first.message == "bad\nthing"
    assert second.message == "yes"
    assert "GITHUB_OUTPUT" in third.message
    shown = [(line.text, line.group, line.level) for _, line in seen.lines]
    assert shown[:3] == [("Build", 0, "group"), ("inner", 1, ""), ("outer", 0, "")]
    assert ("::error::not one", 0, "") in shown
    assert report.summary == "# Sum\n"
    stored = [(x.text, x.group, x.level) for x in logs.lines(home / "runs/run_1/commands", 0)]
    assert [s for s in stored if s[2] != "debug"] == shown


def test_composite_actions(runner: LinuxRunner, tmp_path: Path) -> None:
    inner = """
name: inner
inputs: {word: {default: none}}
outputs: {said: {value: "${{ steps.say.outputs.it }}"}}
runs:
  using: composite
  steps:
    - id: say
      shell: bash
      run: echo "it=<${{ inputs.word }}>" >> $GITHUB_OUTPUT; echo "INNER=1" >> $GITHUB_ENV
"""
    outer = """
name: outer
inputs: {Who: {required: true}, greeting: {default: "hello ${{ github.job }}"}}
outputs: {text: {value: "${{ steps.deep.outputs.said }}${{ steps.skipped.outcome }}"}}
runs:
  using: composite
  steps:
    - run: echo "${{ inputs.greeting }} ${{ inputs.who }} ${{ github.action_path }}" $E $INNER
      shell: bash
    - id: deep
      uses: ./.github/actions/inner
      with: {word: "${{ inputs.who }}"}
    - id: skipped
      if: ${{ inputs.who == 'nobody' }}
      run: echo never
      shell: bash
    - run: test "$INNER" = 1
      shell: bash
"""
    broken = """
name: broken
runs:
  using: composite
  steps:
    - {run: exit 9, shell: bash}
    - {run: echo never, shell: bash}
    - {run: echo cleaned, shell: bash, if: failure()}
"""
    files = {
        ".github/actions/inner/action.yml": inner,
        ".github/actions/outer/action.yml": outer,
        ".github/actions/broken/action.yml": broken,
    }
    sha = repository(tmp_path / "repo", files)
    report, seen = ran(
        runner,
        "composite",
        StepSpec("out", uses="actions/checkout@v4"),
        StepSpec("act", uses="./.github/actions/outer", inputs={"who": "ann"}, env={"E": "e"}),
        "echo '${{ steps.act.outputs.text }}' $INNER",
        StepSpec("bad", uses="./.github/actions/broken", continue_on_error="true"),
        repo=str(tmp_path / "repo"),
        sha=sha,
    )
    assert outcomes(report) == ["success", "success", "success", "failure"], seen.text()
    text = seen.text()
    assert "hello composite ann " in text
    assert "/.github/actions/outer e" in text
    assert "<ann>skipped 1" in text
    assert "cleaned" in text
    assert "never" not in text
    assert report.steps[3].exit_code == 9


def test_javascript_actions_state_and_post(runner: LinuxRunner, tmp_path: Path) -> None:
    action = """
name: js
inputs: {name: {default: world}}
runs: {using: node20, main: main.js, post: post.js}
"""
    main = """
const fs = require('fs');
fs.appendFileSync(process.env.GITHUB_STATE, 'left=' + process.env.INPUT_NAME + '\\n');
fs.appendFileSync(process.env.GITHUB_OUTPUT, 'said=' + process.env.INPUT_NAME + '\\n');
"""
    post = "console.log('post of ' + process.env.STATE_left);"
    files = {"act/action.yml": action, "act/main.js": main, "act/post.js": post}
    sha = repository(tmp_path / "repo", files)
    report, seen = ran(
        runner,
        "js",
        StepSpec("out", uses="actions/checkout@v4"),
        StepSpec("a", uses="./act"),
        StepSpec("b", uses="./act", inputs={"NAME": "${{ steps.a.outputs.said }}-b"}),
        "exit 1",
        repo=str(tmp_path / "repo"),
        sha=sha,
    )
    assert outcomes(report) == ["success", "success", "success", "failure", "success", "success"]
    assert [s.id for s in report.steps[4:]] == ["__post_b", "__post_a"]
    assert [line.text for n, line in seen.lines if n >= 4] == ["post of world-b", "post of world"]


def test_another_system_is_refused_by_name(runner: LinuxRunner) -> None:
    step = StepSpec("a", run="true")
    with pytest.raises(Refused, match="`windows-latest`") as told:
        runner.check(order("elsewhere", step, runs_on=("windows-latest",)))
    assert told.value.code == "no-such-system"
    runner.check(order("here", step, runs_on=("self-hosted", "linux", "gpu")))


def test_refused_before_anything_runs(runner: LinuxRunner, home: Path) -> None:
    seen = Seen()
    for key, step in (
        ("shell", StepSpec("a", run="true", shell="no-such-shell-x {0}")),
        ("template", StepSpec("a", run="true", shell="bash-without-a-place")),
    ):
        with pytest.raises(Refused):
            runner.run(order(key, "touch /tmp/ran", step), {}, seen)
        assert not (home / "runs/run_1" / key).exists()
    with pytest.raises(Invalid):
        runner.run(order("../up", "true"), {}, seen)
    assert seen.began == []


def test_hash_files_stays_inside(runner: LinuxRunner) -> None:
    expected = hashlib.sha256(
        hashlib.sha256(b"two").digest() + hashlib.sha256(b"one").digest()
    ).hexdigest()
    _, seen = ran(
        runner,
        "hash",
        "mkdir -p a/b node_modules; printf one > a/x.lock; printf two > a/b/x.lock\n"
        "printf no > node_modules/x.lock; ln -s /etc/passwd a/p.lock; ln -s / a/root",
        "echo ${{ hashFiles('**/x.lock', '!node_modules') }}\n"
        "echo [${{ hashFiles('a/p.lock', 'a/root/etc/*') }}]",
    )
    assert seen.text() == f"{expected}\n[]"


def test_hostile_environment_files(runner: LinuxRunner) -> None:
    report, _ = ran(
        runner,
        "hostile",
        StepSpec("eof", run="printf 'A<<X\\nno end' >> $GITHUB_ENV", continue_on_error="true"),
        StepSpec("nul", run="printf 'A=\\0' >> $GITHUB_OUTPUT", continue_on_error="true"),
        StepSpec(
            "big", run="head -c 2M /dev/zero | tr '\\0' a >> $GITHUB_ENV", continue_on_error="true"
        ),
        StepSpec("link", run="ln -sf /etc/passwd $GITHUB_OUTPUT", continue_on_error="true"),
        StepSpec("pipe", run="rm $GITHUB_OUTPUT; mkfifo $GITHUB_OUTPUT", continue_on_error="true"),
        StepSpec("node", run="echo NODE_OPTIONS=x >> $GITHUB_ENV", continue_on_error="true"),
        StepSpec("gone", run="rm $GITHUB_OUTPUT"),
        "echo fine",
    )
    assert outcomes(report) == [*["failure"] * 4, "success", "failure", "success", "success"]
    for step in report.steps[:4]:
        assert "is not readable" in step.tail


def test_hostile_values_stay_values(runner: LinuxRunner) -> None:
    evil = "$(touch owned) `id` \"'; exit 1 #\n${{ secrets.K }}"
    report, seen = ran(
        runner,
        "values",
        StepSpec("a", run='printf "%s" "$TITLE"; ls', env={"TITLE": "${{ github.event.title }}"}),
        contexts={"github": {"event": {"title": evil}}},
        secrets={"K": "kkkkkk"},
    )
    assert report.outcome == "success"
    assert "owned\n" not in seen.text() + "\n"
    assert "${{ secrets.K }}" in seen.text()


def test_output_that_is_not_text(runner: LinuxRunner, home: Path) -> None:
    report, seen = ran(
        runner,
        "binary",
        "head -c 300000 /dev/urandom; echo; head -c 200000 /dev/zero; echo last; "
        "printf 'no newline'",
    )
    assert report.outcome == "success"
    assert seen.lines[-1][1].text == "no newline"
    assert "last" in seen.lines[-2][1].text
    assert all(len(line.text) < 70_000 + 65_536 for _, line in seen.lines)


def test_a_hundred_mebibytes(runner: LinuxRunner, home: Path) -> None:
    report, seen = ran(
        runner,
        "large",
        'yes "a line of $(printf %0400d 0) characters" | head -c 100M; echo; echo END',
    )
    (step,) = report.steps
    folder = home / "runs/run_1/large"
    size = (folder / "logs/0.log").stat().st_size
    assert 16 * 1024**2 <= size + 200_000 < 17 * 1024**2
    assert step.tail.endswith("END")
    assert b"bytes left out here]" in logs.tail(folder, 0, 10**6)
    digest = hashlib.sha256((folder / "logs/0.log").read_bytes()).hexdigest()
    assert digest == step.digest
    assert seen.lines[-1][1].text == "END"


def test_the_same_job_again_and_another_attempt(runner: LinuxRunner, home: Path) -> None:
    first, _ = ran(runner, "again", "echo x >> $RUNNER_TEMP/../../../count", "exit 2")
    second, seen = ran(runner, "again", "echo x >> $RUNNER_TEMP/../../../count", "exit 2")
    assert second == first
    assert seen.began == []
    ran(runner, "again", "echo x >> $RUNNER_TEMP/../../../count", attempt=2)
    assert (home / "runs/run_1/count").read_text() == "x\nx\n"


def test_no_network_but_loopback(runner: LinuxRunner) -> None:
    report, seen = ran(
        runner,
        "cut",
        "cat /proc/net/dev | tail -n +3 | cut -d: -f1; python3 - <<'E'\n"
        "import socket\ns = socket.create_server(('127.0.0.1', 0))\n"
        "socket.create_connection(s.getsockname()); print('loopback works')\nE",
        network=False,
    )
    assert report.outcome == "success", seen.text()
    assert [line.split()[0] for line in seen.text().splitlines()[:-1]] == ["lo"]


def test_a_job_that_runs_is_not_run_twice(
    runner: LinuxRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspace, "_LOCK_SECONDS", 0.02)
    seen = Seen()
    tried: list[str] = []

    def again(_: object) -> None:
        try:
            runner.run(order("twice", "echo go; sleep 0.05"), {}, Seen())
        except Drifted as error:
            tried.append(error.code)

    seen.on_line = again
    assert runner.run(order("twice", "echo go; sleep 0.05"), {}, seen).outcome == "success"
    assert tried == ["job-running"]


def test_times_are_in_the_index(runner: LinuxRunner, home: Path) -> None:
    ran(runner, "times", "echo a; sleep 0.25; echo b")
    (offset, at, lines), (offset2, at2, lines2) = logs.index(home / "runs/run_1/times", 0)
    assert (offset, lines, offset2, lines2) == (0, 0, 2, 1)
    assert at2 - at > 0.2
    records = (home / "runs/run_1/times/steps.jsonl").read_text().splitlines()
    assert [json.loads(r)["began"] for r in records] == [0, 1, -1]
