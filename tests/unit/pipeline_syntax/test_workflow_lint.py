"""The linter: each rule speaks where it should, and is silent where nothing is wrong."""

import pytest

from headway.model.errors import Problem
from headway.pipeline.syntax.action import read_action
from headway.pipeline.syntax.check import action_warnings, warnings
from headway.pipeline.syntax.reader import read
from headway.pipeline.syntax.warned import WARNINGS

SHA = "b4ffde65f46336ab88eb53be808477a3936bae11"
TIDY = f"""\
on: pull_request
permissions: {{contents: read}}
jobs:
  a:
    runs-on: ubuntu-latest
    timeout-minutes: 5
    steps:
      - uses: actions/checkout@v4
      - uses: o/r@{SHA}
      - uses: ./local
      - run: echo "$TITLE"
        env: {{TITLE: "${{{{ github.event.pull_request.title }}}}"}}
"""


def found(text: str) -> list[Problem]:
    told = list(warnings(read(text, "w.yml"), text))
    assert {p.code for p in told} <= set(WARNINGS)
    return told


def told(text: str) -> list[tuple[str, str]]:
    return [(p.code, f"{p.line}:{p.column}") for p in found(text)]


def step(text: str, top: str = "on: pull_request", job: str = "") -> str:
    return (
        f"{top}\npermissions: {{}}\njobs:\n  a:\n    runs-on: x\n    timeout-minutes: 5\n{job}"
        f"    steps:\n      - {text}\n"
    )


def test_a_tidy_workflow_has_no_warning() -> None:
    assert found(TIDY) == []


@pytest.mark.parametrize(
    "source",
    [
        *("github.event.issue.title", "github.head_ref", "github['event']['comment']['body']"),
        *("github.event.pull_request.head.ref", "format('{0}', github.event.review.body)"),
        *("github.event.commits[0].message", "github.event.commits.*.author.name"),
        *("toJSON(github.event)", "toJSON(github)", "github.event.x || 'none'", "GitHub.Head_Ref"),
        *("github.event.pages[0].page_name", "github.event.head_commit.author.email"),
        *("github.ref_name", "github.event.client_payload.x", "github.event.inputs.name"),
    ],
)
def test_words_of_strangers_in_a_script_are_told(source: str) -> None:
    assert told(step(f'run: "echo ${{{{ {source} }}}}"')) == [("injection", "8:20")]


@pytest.mark.parametrize(
    "source",
    [
        *("github.sha", "github.event.number", "github.event.pull_request.head.sha", "runner.os"),
        *("github.event.issue.title == 'x'", "contains(github.event.comment.body, 'x')"),
        *("runner.name", "github.repository", "github.event.pull_request.draft && 'a' || 'b'"),
    ],
)
def test_what_strangers_cannot_word_is_no_injection(source: str) -> None:
    assert told(step(f'run: "echo ${{{{ {source} }}}}"')) == []


def test_each_hole_of_a_script_is_told_at_its_place() -> None:
    text = step("run: |\n          a ${{ github.sha }}\n          b ${{ github.head_ref }}")
    assert told(text) == [("injection", "10:13")]


def test_a_variable_that_is_written_into_the_script_is_followed() -> None:
    job = '    env: {T: "${{ github.event.issue.title }}"}\n'
    assert told(step("run: echo ${{ env.T }}", job=job)) == [("injection", "9:19")]
    assert told(step("run: echo $T", job=job)) == []
    safe = step("run: echo ${{ env.T }}\n        env: {T: x}", job=job)
    assert told(safe) == []


OUTPUTS = [
    'echo "t=$T" >> "$GITHUB_OUTPUT"',
    'echo "t=${T}" >> $GITHUB_OUTPUT',
    "echo 't=${{ env.T }}' >> $GITHUB_OUTPUT  # lint: other",
    'printf \'t=%s\\n\' "$T" | tee -a "$GITHUB_OUTPUT"',
    "x=$T\n          echo t=$x >> $GITHUB_OUTPUT",
    "{\n          echo 't<<EOF'\n          echo \"$T\"\n          } >> $GITHUB_OUTPUT",
    'echo "t<<EOF" >> $GITHUB_OUTPUT\n          echo $T >> $GITHUB_OUTPUT',
]
TWO_JOBS = """\
on: {issues: {types: [opened]}}
permissions: {}
jobs:
  b:
    needs: a
    runs-on: u
    timeout-minutes: 1
    steps:
      - run: echo ${{ needs.a.outputs.%s }}
  a:
    runs-on: u
    timeout-minutes: 1
    outputs: {t: "${{ steps.one.outputs.t }}", safe: "${{ steps.one.outputs.safe }}"}
    steps:
      - id: one
        env: {T: "${{ github.event.issue.title }}"}
        run: |
          echo "safe=1" >> $GITHUB_OUTPUT
          %s
"""


@pytest.mark.parametrize("script", OUTPUTS)
def test_words_are_followed_through_outputs_of_steps_and_jobs(script: str) -> None:
    lines = [place for code, place in told(TWO_JOBS % ("t", script)) if code == "injection"]
    assert "9:19" in lines
    assert "9:19" not in [p for _, p in told(TWO_JOBS % ("safe", script))]


def test_words_are_followed_through_the_environment_file_and_actions() -> None:
    first = 'run: echo "TITLE=$T" >> "$GITHUB_ENV"\n        env: {T: "${{ github.head_ref }}"}\n'
    text = step(first + "      - run: echo ${{ env.TITLE }}")
    assert told(text) == [("injection", "10:19")]
    action = f'uses: o/r@{SHA}\n        id: a\n        with: {{b: "${{{{ github.head_ref }}}}"}}\n'
    text = step(action + "      - run: echo ${{ steps.a.outputs.c }} ${{ toJSON(steps) }}")
    assert [code for code, _ in told(text)] == ["injection", "injection"]
    checks = 'run: test "$T" = x\n        id: a\n        env: {T: "${{ github.head_ref }}"}\n'
    assert told(step(checks + "      - run: echo ${{ steps.a.outputs.c }}")) == []


def test_a_script_of_github_script_is_a_script() -> None:
    text = step(
        f"uses: actions/github-script@{SHA}\n        with: "
        "{script: 'x(`${{ github.head_ref }}`)'}"
    )
    assert [code for code, _ in told(text)] == ["injection"]


@pytest.mark.parametrize(
    ("uses", "codes"),
    [
        ("o/r@v1", ["unpinned"]),
        ("o/r@main", ["unpinned"]),
        (f"o/r@{SHA[:12]}", ["unpinned"]),
        (f"o/r/sub@{SHA}", []),
        ("actions/setup-python@v5", []),
        ("actions/stale@v5", ["unpinned"]),
        ("docker://alpine:3", ["unpinned"]),
        ("docker://alpine@sha256:" + "a" * 64, []),
        ("./x", []),
    ],
)
def test_what_may_change_under_its_name_is_told(uses: str, codes: list[str]) -> None:
    assert [code for code, _ in told(step(f"uses: {uses}"))] == codes


def test_images_that_may_change_are_told() -> None:
    text = step("run: x", job="    container: node:20\n    services: {db: {image: postgres}}\n")
    assert [code for code, _ in told(text)] == ["unpinned-image", "unpinned-image"]


def test_a_job_without_time_limit_is_told_and_a_senseless_one() -> None:
    text = TIDY.replace("    timeout-minutes: 5\n", "")
    assert told(text) == [("no-timeout", "4:3")]
    assert told(TIDY.replace("minutes: 5", "minutes: -1")) == [("timeout", "6:22")]


def test_permissions_that_are_wide_or_not_said_are_told() -> None:
    none = TIDY.replace("permissions: {contents: read}\n", "")
    assert told(none) == [("permissions", "1:1")]
    assert told(none.replace("    steps:", "    permissions: {}\n    steps:")) == []
    assert told(TIDY.replace("{contents: read}", "write-all")) == [("permissions", "2:14")]


@pytest.mark.parametrize(
    ("event", "codes"),
    [
        ("pull_request_target", ["untrusted-checkout"]),
        ("pull_request", []),
        ("workflow_run: {workflows: [a]}", ["untrusted-checkout"]),
    ],
)
def test_the_code_of_a_stranger_beside_secrets_is_told(event: str, codes: list[str]) -> None:
    ref = "${{ github.event.pull_request.head.sha }}"
    text = step(
        f"uses: actions/checkout@v4\n        with: {{ref: '{ref}'}}",
        top=f"on:\n  {event}" + ("" if ":" in event else ":"),
    )
    assert [code for code, _ in told(text)] == codes


@pytest.mark.parametrize(
    ("uses", "codes"),
    [
        (f"o/r/.github/workflows/x.yml@{SHA}", ["inherited-secrets"]),
        ("o/r/.github/workflows/x.yml@v1", ["inherited-secrets", "unpinned"]),
        ("./.github/workflows/x.yml", []),
        ("./ci/x.yml", ["called-elsewhere"]),
    ],
)
def test_called_workflows(uses: str, codes: list[str]) -> None:
    text = f"on: push\npermissions: {{}}\njobs: {{a: {{uses: {uses}, secrets: inherit}}}}\n"
    assert [code for code, _ in told(text)] == codes


@pytest.mark.parametrize(("minutes", "codes"), [("0", []), ("5", []), ("-1", ["timeout"])])
def test_a_time_for_tidying_up_that_makes_no_sense_is_told(minutes: str, codes: list[str]) -> None:
    job = (
        f"    cancel-timeout-minutes: {minutes}\n    environment: {{name: e, deployment: false}}\n"
    )
    assert [code for code, _ in told(step("run: x", job=job))] == codes


def test_a_need_that_is_none_is_told_in_the_keys_of_an_environment() -> None:
    job = (
        "    cancel-timeout-minutes: ${{ fromJSON(needs.z.outputs.o) }}\n"
        "    environment: {name: e, deployment: '${{ fromJSON(needs.z.outputs.o) }}'}\n"
    )
    wanted = [("unknown-need", "7:29"), ("unknown-need", "8:41")]
    assert told(step("run: x", job=job)) == wanted


def test_a_condition_with_text_around_its_braces_is_told() -> None:
    text = step("run: x\n        if: ${{ github.sha }} == 'x'")
    assert told(text) == [("always-true", "9:13")]
    assert told(step("run: x\n        if: ${{ github.sha == 'x' }}")) == []


@pytest.mark.parametrize(
    ("on", "code"),
    [
        ("schedule: [{cron: '*/2 * * * *'}]", "too-often"),
        ("schedule: [{cron: '58,1 * * * *'}]", "too-often"),
        ("schedule: []", "never-starts"),
        ("workflow_run: {types: [completed]}", "never-starts"),
        ("push: {branches: [a], branches-ignore: [b]}", "two-filters"),
        ("push: {tags: ['!a']}", "only-not"),
    ],
)
def test_triggers_that_surprise(on: str, code: str) -> None:
    text = step("run: x", top=f"on:\n  {on}")
    assert [c for c, _ in told(text)] == [code]


def test_a_job_that_does_nothing_is_told() -> None:
    text = "on: push\npermissions: {}\njobs: {a: {runs-on: x, timeout-minutes: 1}}\n"
    assert told(text) == [("no-steps", "3:8")]


def test_the_steps_of_an_action_are_looked_at() -> None:
    text = (
        "name: a\nruns:\n  using: composite\n  steps:\n"
        "    - {run: 'echo ${{ github.head_ref }}', shell: bash}\n    - uses: o/r@v1\n"
    )
    found = action_warnings(read_action(text, "action.yml"), text)
    assert [(p.code, p.line, p.column) for p in found] == [
        ("injection", 5, 19),
        ("unpinned", 6, 13),
    ]


NAMES = """\
on:
  workflow_call:
    inputs: {who: {type: string}}
    outputs:
      good: {value: "${{ jobs.first.outputs.o }}"}
      bad: {value: "${{ jobs.first.outputs.p }}"}
permissions: {}
jobs:
  first:
    runs-on: x
    timeout-minutes: 1
    strategy: {matrix: {v: [1], include: [{v: 1, w: 2}]}}
    outputs: {o: "${{ steps.a.outputs.b }}"}
    steps:
      - {id: a, run: "echo ${{ inputs.WHO }} ${{ matrix.w }}"}
      - run: x
  second:
    needs: first
    if: needs.first.outputs.o && needs['first'].result == 'success'
    runs-on: x
    timeout-minutes: 1
    strategy: {matrix: "${{ fromJSON(needs.first.outputs.o) }}"}
    steps:
      - run: echo ${{ matrix.anything }} ${{ steps[matrix.s].outcome }}
      - {id: b, run: "echo ${{ toJSON(steps) }}", if: steps.b != 'x'}
"""


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ("inputs.WHO", "inputs.whom", "unknown-input", 15),
        ("matrix.w ", "matrix.x ", "unknown-matrix", 15),
        ("steps.a.outputs.b", "steps.c.outputs.b", "unknown-step", 13),
        ("- run: x", "- run: x ${{ steps.later.outcome }}", "unknown-step", 16),
        ("needs.first.outputs.o &&", "needs.frist.result &&", "unknown-need", 19),
        ("needs.first.outputs.o &&", "needs.first.outputs.x &&", "unknown-output", 19),
        ("jobs.first.outputs.o", "jobs.third.outputs.o", "unknown-output", 5),
    ],
)
def test_names_that_are_not_there_are_told(old: str, new: str, code: str, line: int) -> None:
    own = [("unknown-output", 6), ("unknown-step", 25)]
    assert [(p.code, p.line) for p in found(NAMES)] == own
    text = NAMES.replace(old, new)
    assert text != NAMES
    assert sorted((p.code, p.line) for p in found(text)) == sorted([*own, (code, line)])
