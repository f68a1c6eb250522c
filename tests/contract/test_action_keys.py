"""Keys of action.yml that act where a job runs: conditions of its parts, inputs that are told."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.job_runs import Seen, order, runner_in, short_home

from headway.adapters.linux.actions import containers, javascript
from headway.adapters.linux.actions.acting import Acting, Composed, Direct, Found, Part
from headway.adapters.linux.actions.find import LocalFinder
from headway.adapters.linux.runner import LinuxRunner
from headway.model.job import StepSpec
from headway.pipeline.syntax.action import read_action


@pytest.fixture(scope="module")
def runner() -> Iterator[LinuxRunner]:
    with short_home() as home:
        made = runner_in(home)
        yield made
        made.close()


def found(monkeypatch: pytest.MonkeyPatch, what: Found) -> None:
    monkeypatch.setattr(LocalFinder, "find", lambda *_: what)


@pytest.mark.parametrize(
    ("pre_if", "post_if", "said"),
    [
        ("always()", "always()", ["pre", "main", "post"]),
        ("failure()", "success()", ["main", "post"]),
        ("github.ref == 'refs/heads/main'", "failure()", ["pre", "main"]),
    ],
)
def test_parts_run_if_their_conditions_hold(
    runner: LinuxRunner,
    monkeypatch: pytest.MonkeyPatch,
    pre_if: str,
    post_if: str,
    said: list[str],
) -> None:
    heard: list[str] = []

    def part(text: str) -> Part:
        def act(_acting: Acting) -> int:
            heard.append(text)
            return 0

        return act

    found(monkeypatch, Direct(part("main"), part("pre"), part("post"), pre_if, post_if))
    made = order(f"parts-{len(said)}-{post_if[:3]}", StepSpec("own", uses="o/own@v1"))
    assert runner.run(made, {}, Seen()).outcome == "success"
    assert heard == said


DOCKER = """\
name: boxed
runs:
  using: docker
  image: docker://box
  pre-entrypoint: /pre
  pre-if: failure()
  post-if: success()
  post-entrypoint: /post
"""
SCRIPT = """\
name: script
runs: {using: node20, main: m.js, pre: p.js, pre-if: failure(), post: q.js, post-if: success()}
"""


def test_both_kinds_hand_their_parts_and_conditions_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "_check", lambda *_: None)
    monkeypatch.setattr(javascript, "_node", lambda _: ("node", "20.0.0"))
    boxed = read_action(DOCKER, "action.yml")
    assert (boxed.pre, boxed.post) == ("/pre", "/post")
    script = read_action(SCRIPT, "action.yml")
    folder = Path()
    for one in (
        containers.docker(boxed, lambda _: folder, order("j")),
        javascript.javascript(script, lambda _: folder, local=False),
    ):
        assert one.pre is not None
        assert one.post is not None
        assert (one.pre_if, one.post_if) == ("failure()", "success()")


COMPOSITE = """\
name: own
inputs:
  must: {required: true}
  may: {required: true, default: x}
  old: {deprecationMessage: "take `may`"}
  older: {deprecationMessage: gone}
runs:
  using: composite
  steps: [{run: "echo got ${{ inputs.old }}", shell: sh}]
"""


def test_a_required_and_a_deprecated_input_are_told_where_the_action_runs(
    runner: LinuxRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found(monkeypatch, Composed(read_action(COMPOSITE, "action.yml"), tmp_path))
    seen = Seen()
    uses = StepSpec("own", uses="o/own@v1", inputs={"OLD": "this"})
    right = StepSpec("right", uses="o/own@v1", inputs={"must": "1"})
    report = runner.run(order("told", uses, right), {}, seen)
    assert "got this" in seen.text()
    assert [(a.level, a.message) for a in report.steps[0].annotations] == [
        ("warning", "`o/own@v1` requires the input `must`"),
        ("warning", "the input `old` is deprecated: take `may`"),
    ]
    assert report.steps[1].annotations == ()
    assert report.outcome == "success"


STEPS = """\
name: own
runs:
  using: composite
  steps:
    - {run: mkdir sub, shell: sh}
    - {run: 'echo "$OWN in ${PWD##*/}"', shell: sh, env: {OWN: mine}, working-directory: sub}
    - {run: exit 3, shell: sh, continue-on-error: true}
    - {run: echo went on, shell: sh}
    - {run: exit 4, shell: sh}
    - {run: echo never, shell: sh}
"""


def test_keys_of_the_steps_of_a_composite_action(
    runner: LinuxRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found(monkeypatch, Composed(read_action(STEPS, "action.yml"), tmp_path))
    seen = Seen()
    report = runner.run(order("steps", StepSpec("own", uses="o/own@v1")), {}, seen)
    assert "mine in sub" in seen.text()
    assert "went on" in seen.text()
    assert "never" not in seen.text()
    assert (report.outcome, report.steps[0].exit_code) == ("failure", 4)
