"""Workflows are read strictly: every fault with its place, and nothing ignored."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway import pipeline
from headway.model.errors import Invalid, Problem
from headway.pipeline.reference import markdown
from headway.pipeline.supported import ACTIONS, SUPPORTED

GOOD = """\
name: Deliver
on:
  push:
    branches: [main, 'release/**']
  workflow_dispatch:
    inputs:
      url: {description: where, required: false, default: http://x}
permissions: {contents: read}
env: {A: 1, B: on, C: }
jobs:
  build:
    name: Build it
    runs-on: ubuntu-latest
    timeout-minutes: 1.5
    env: {A: two, U: "${{ inputs.url }}"}
    steps:
      - uses: actions/checkout@v4
        with: {fetch-depth: 0}
      - id: make
        run: |
          make
          echo ${{ github.sha }} ${{ env.A }}
        shell: sh
        working-directory: src
        env: {R: "${{ github.ref_name }}"}
      - uses: actions/upload-artifact@v4
        with: {name: app, path: dist, if-no-files-found: error}
  test:
    needs: build
    runs-on: [self-hosted, linux]
    steps:
      - uses: actions/download-artifact@v4
        with: {name: app}
      - run: ./test
"""

JOB = "on: push\njobs:\n  b:\n    runs-on: ubuntu-latest\n    steps:\n      - run: x\n"


def faults(text: str) -> list[str]:
    with pytest.raises(Invalid) as error:
        pipeline.read(text, "w.yml")
    return [str(problem) for problem in error.value.problems]


def test_a_good_workflow_is_read_with_its_places() -> None:
    workflow = pipeline.read(GOOD, "w.yml")
    build, test = workflow.jobs
    assert (workflow.name, build.name, test.name) == ("Deliver", "Build it", "test")
    assert build.timeout_seconds == 90
    assert [(b.name, b.value) for b in workflow.env] == [("A", "1"), ("B", "on"), ("C", "")]
    assert [s.id for s in build.steps] == ["__1", "make", "__3"]
    assert [s.name for s in build.steps][1] == "Run make"
    assert build.steps[1].run == "make\necho ${{ github.sha }} ${{ env.A }}\n"
    assert (build.steps[1].shell, build.steps[1].working_directory) == ("sh", "src")
    assert (build.at.line, build.steps[1].at.line, build.steps[1].at.column) == (11, 19, 9)
    assert test.needs[0].text == "build"
    assert test.needs[0].at.line == 29


@pytest.mark.parametrize(
    ("on", "push", "dispatch", "call"),
    [
        ("push", True, False, False),
        ("[push, workflow_dispatch]", True, True, False),
        ("{push: , workflow_call: {inputs: {url: {type: string}}}}", True, False, True),
        ("workflow_call", False, False, True),
    ],
)
def test_on_in_every_form(on: str, push: bool, dispatch: bool, call: bool) -> None:
    found = pipeline.read(JOB.replace("on: push", f"on: {on}"), "w.yml").on
    assert (found.push is not None, found.dispatch is not None) == (push, dispatch)
    assert (found.call is not None) == call


@pytest.mark.parametrize(
    ("branches", "branch", "starts"),
    [
        ("[main]", "main", True),
        ("[main]", "mainly", False),
        ("main", "main", True),
        ("['release/*']", "release/1", True),
        ("['release/*']", "release/1/2", False),
        ("['release/**']", "release/1/2", True),
        ("['**']", "a/b", True),
        ("[a.c]", "abc", False),
    ],
)
def test_a_push_starts_what_its_branches_say(branches: str, branch: str, starts: bool) -> None:
    text = JOB.replace("on: push", f"on: {{push: {{branches: {branches}}}}}")
    assert pipeline.starts_on_push(pipeline.read(text, "w.yml"), branch) is starts


def test_every_branch_or_none() -> None:
    assert pipeline.starts_on_push(pipeline.read(JOB, "w.yml"), "any/thing")
    called = JOB.replace("on: push", "on: workflow_call")
    assert not pipeline.starts_on_push(pipeline.read(called, "w.yml"), "main")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("jobs:", "jbos:", "10:1: unknown key `jbos`. Did you mean `jobs`?  [unknown-key]"),
        ("needs:", "need:", "29:5: unknown key `need`. Did you mean `needs`?  [unknown-key]"),
        ("needs: build", "needs: biuld", "29:12: unknown job `biuld`. Did you mean `build`?"),
        ("needs: build", "strategy: {matrix: {a: [1]}}", "29:5: `strategy` is planned, not in"),
        ("- id: make", "- if: always()\n        id: make", "19:9: `if` is planned, not in this"),
        ("push:\n    b", "pull_request:\n    b", "3:3: `pull_request` is planned, not in this"),
        ("push:\n    b", "psuh:\n    b", "3:3: unknown key `psuh`. Did you mean `push`?"),
        ("branches:", "tags:", "4:5: `tags` is planned, not in this version  [planned]"),
        ("'release/**'", "'!x'", "4:22: the branch pattern `!x` is planned"),
        ("contents: read", "contents: write", "8:14: a permission other than `contents: read`"),
        ("ubuntu-latest", "windows-2022", "13:14: `windows-2022` is another system"),
        ("ubuntu-latest", "gpu", "13:14: no runner has the label `gpu`. Write `ubuntu-latest`"),
        ("ubuntu-latest", "${{ matrix.os }}", "13:14: `${{ }}` in `runs-on` is planned"),
        ("1.5", "soon", "14:22: `timeout-minutes` is a number, not `soon`  [number]"),
        ("1.5", "0", "14:22: `timeout-minutes` is above 0, at most 10080  [number]"),
        ("checkout@v4", "checkout@v9", "17:15: `actions/checkout@v9` (here: v4, v5) is pl"),
        ("actions/checkout@v4", "docker://x", "17:15: the action `docker://x` (here: actions/"),
        ("fetch-depth: 0", "ref: main", "18:16: `ref` is planned, not in this version"),
        ("fetch-depth: 0", "fetchdepth: 0", "18:16: unknown key `fetchdepth`. Did you mean `fe"),
        ("shell: sh", "shell: pwsh", "23:16: the shell `pwsh` (here: bash, sh) is planned"),
        ("-directory: src", "-directory: ../x", "24:28: `../x` is outside the workspace"),
        ("id: make", "id: 1 x", "19:13: `1 x` cannot be the id of a step  [bad-name]"),
        ("run: |", "uses: a/b@v1\n        run: |", "19:9: a step has either `run` or `uses`"),
        ("- run: ./test", "- name: x", "34:9: a step has either `run` or `uses`  [missing-key]"),
        ("found: error", "found: warn", "27:58: `if-no-files-found: warn`: nothing found is"),
        ("path: dist", "path: '!x'", "27:33: leaving out paths with `!` is planned"),
        (", path: dist", "", "26:9: upload-artifact needs `with: {path: …}`: what is uploaded?"),
        ("env: {A: 1", "env: {GITHUB_X: 1", "9:7: `GITHUB_X` is taken"),
        ("env: {A: 1", "env: {1A: 1", "9:7: `1A` cannot be the name of a variable  [bad-name]"),
        ("env: {A: 1", "env: {A: [1]", "9:10: `A` in `env` must be one value  [wrong-type]"),
        ("env: {A: 1", 'env: {A: "${{ env.B }}"', "9:11: `${{ env.B }}` is not known here yet"),
        ("{{ inputs.url", "{{ inputs.ulr", "15:23: unknown input `ulr`. Did you mean `url`?"),
        ("{{ inputs.url", "{{ secrets.url", "15:23: `${{ secrets.url }}` is planned, not in"),
        ("${{ github.sha", "${{ inputs.url", "22:16: `${{ inputs.url }}` in a script runs"),
        ("${{ github.sha", "${{ github.ref_name", "22:16: `${{ github.ref_name }}` in a script"),
        ("${{ github.sha", "${{ github.actor", "22:16: `${{ github.actor }}` is planned"),
        ("${{ env.A }}", "${{ env.A", "22:34: this `${{` is never closed. Write `}}` after"),
        ("default: http://x", "type: choice", "7:7: the choice `url` needs `options`"),
        ("default: http://x", "type: bool", "7:56: unknown value `bool`. Did you mean `boolean`"),
        ("required: false", "required: maybe", "7:43: `required` is `true` or `false`"),
        ("  build:", "  uploads:", "11:3: no job can have the id `uploads`: take another"),
        ("  build:", "  a b:", "11:3: `a b` cannot be the id of a job  [bad-name]"),
        ("      - run: ./test\n", "      - x\n", "34:9: a step must be a map of keys"),
    ],
)
def test_each_fault_is_named_with_its_place(old: str, new: str, expected: str) -> None:
    assert old in GOOD
    found = faults(GOOD.replace(old, new, 1))
    assert any(text.startswith(f"w.yml:{expected}") for text in found), found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("on: push\n", "w.yml:1:1: `jobs` is missing: what is to be done?  [missing-key]"),
        ("on: push\njobs: {}\n", "w.yml:2:7: `jobs` is missing"),
        (JOB.removeprefix("on: push\n"), "w.yml:1:1: `on` is missing: what starts it?"),
        (JOB.replace("    runs-on: ubuntu-latest\n", ""), "w.yml:3:3: `runs-on` is missing."),
        (JOB.replace("    steps:\n      - run: x\n", ""), "w.yml:3:3: `steps` is missing"),
        (JOB.replace("steps:\n      - run: x", "steps: []"), "w.yml:5:12: `steps` must be a li"),
        (JOB.replace("run: x", "run: ''"), "w.yml:6:14: `run` is empty  [empty]"),
        ("- a\n", "w.yml:1:1: a workflow must be a map of keys  [wrong-type]"),
        ("on: push\non: push\n", "w.yml:2:1: `on` is written twice"),
    ],
)
def test_what_is_missing_is_said(text: str, expected: str) -> None:
    assert faults(text)[0].startswith(expected)


def test_every_fault_is_told_at_once_unknown_keys_first() -> None:
    text = GOOD.replace("permissions:", "concurrency:").replace("./test", "${{ inputs.url }}")
    found = faults(text.replace("shell: sh", "shel: sh"))
    assert len(found) == 3
    assert "[unknown-key]" in found[0]


def test_two_steps_with_one_id_are_refused() -> None:
    text = JOB + "      - {id: a, run: x}\n      - {id: a, run: y}\n"
    assert "two steps have the id `a`" in faults(text)[0]


def test_inputs_of_one_name_must_mean_one_thing() -> None:
    one, two = "{inputs: {a: {default: x}}}", "{inputs: {a: {default: y}}}"
    text = JOB.replace("on: push", f"on: {{workflow_call: {one}, workflow_dispatch: {two}}}")
    assert "declared twice and differs" in faults(text)[0]


def test_anchors_are_read() -> None:
    text = JOB.replace("- run: x", "- &s {run: x}\n      - *s")
    assert [s.run for s in pipeline.read(text, "w.yml").jobs[0].steps] == ["x", "x"]


PLACES = {
    "workflow": "{key}: x\n" + JOB,
    "on": JOB.replace("on: push", "on: {{{key}: }}"),
    "on.push": JOB.replace("on: push", "on: {{push: {{{key}: x}}}}"),
    "on.workflow_dispatch": JOB.replace("on: push", "on: {{workflow_dispatch: {{{key}: x}}}}"),
    "on.workflow_call": JOB.replace("on: push", "on: {{workflow_call: {{{key}: x}}}}"),
    "input": JOB.replace("on: push", "on: {{workflow_call: {{inputs: {{a: {{{key}: x}}}}}}}}"),
    "job": JOB.replace("    steps:", "    {key}: x\n    steps:"),
    "step": JOB.replace("- run: x", "- run: x\n        {key}: x"),
}


@pytest.mark.parametrize(
    ("place", "key"),
    [(p, k) for p, table in SUPPORTED.items() for k, v in table.items() if v.state == "planned"],
)
def test_every_planned_key_is_refused_by_name(place: str, key: str) -> None:
    found = faults(PLACES[place].format(key=key))
    assert any(f"`{key}` is planned, not in this version  [planned]" in text for text in found)


@pytest.mark.parametrize("place", sorted(PLACES))
def test_an_unknown_key_is_refused_everywhere(place: str) -> None:
    assert "unknown key `zzz`" in faults(PLACES[place].format(key="zzz"))[0]


@pytest.mark.parametrize(("action", "key"), [(a, k) for a, t in ACTIONS.items() for k in t])
def test_every_input_of_an_action_works_or_is_refused(action: str, key: str) -> None:
    value = {"if-no-files-found": "error", "include-hidden-files": "true"}.get(key, "x")
    given = {"path": "x", key: value} if action == "actions/upload-artifact" else {key: value}
    inputs = ", ".join(f"{k}: {v}" for k, v in given.items())
    text = JOB.replace("- run: x", f"- uses: {action}@v4\n        with: {{{inputs}}}")
    if ACTIONS[action][key].state == "here":
        step = pipeline.read(text, "w.yml").jobs[0].steps[0]
        assert (key, value) in [(b.name, b.value) for b in step.inputs]
    else:
        assert f"`{key}` is planned" in faults(text)[0]


def test_the_reference_is_not_stale() -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "workflow.md"
    assert page.read_text("utf-8") == markdown(), "run: python -m headway.pipeline.reference"


@given(st.text(max_size=200), st.integers(0, len(GOOD)), st.integers(0, 60))
def test_any_damage_is_read_or_told_never_a_crash(noise: str, at: int, cut: int) -> None:
    damaged = GOOD[:at] + noise + GOOD[at + cut :]
    problems: tuple[Problem, ...] = ()
    try:
        pipeline.plan(pipeline.read(damaged, "w.yml"))
    except Invalid as error:
        problems = error.problems or (Problem("w.yml", 0, 0, "a fault without a place", ""),)
    assert all(p.line >= 1 and p.column >= 1 for p in problems)
