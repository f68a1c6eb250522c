"""Programs: what is refused before anything runs; inputs; contexts; orders."""

from dataclasses import replace
from typing import Any

import pytest

from headway.model.errors import Invalid
from headway.model.job import JobOrder, JobReport
from headway.pipeline.run.contexts import github
from headway.pipeline.run.orders import BadValue
from headway.pipeline.run.program import load, reference
from headway.pipeline.run.schedule import Schedule
from headway.pipeline.run.state import Created, Ended, RunSpec, RunState, after, created

FILE = ".github/workflows/ci.yml"
STEPS = "    runs-on: ubuntu-latest\n    steps: [{run: make}]\n"


def spec(text: str, **more: Any) -> RunSpec:
    texts = {FILE: text, **more.pop("texts", {})}
    return replace(RunSpec("r1", FILE, texts, "/srv/shop.git", "f" * 40, "refs/heads/main"), **more)


def refused(text: str, **more: Any) -> list[str]:
    with pytest.raises(Invalid) as caught:
        load(spec(text, **more))
    assert all(p.line for p in caught.value.problems)
    return [p.code for p in caught.value.problems]


def begun(text: str, **more: Any) -> tuple[Schedule, RunState]:
    made = spec(text, **more)
    schedule = Schedule(load(made))
    _, state = schedule.settle(created(Created(made, 0.0)), 1.0)
    return schedule, state


def chain(levels: int) -> dict[str, str]:
    """A caller and as many workflows below it that each call the next."""
    texts = {}
    for n in range(1, levels):
        body = f"    uses: ./w{n + 1}.yml\n" if n < levels - 1 else STEPS
        texts[f"w{n}.yml"] = f"on: {{workflow_call: }}\njobs:\n  j:\n{body}"
    return texts


def test_ten_levels_and_no_more() -> None:
    text = "on: push\njobs:\n  j:\n    uses: ./w1.yml\n"
    load(spec(text, texts=chain(10)))
    assert refused(text, texts=chain(11)) == ["too-many-levels"]


def test_fifty_workflows_and_no_more() -> None:
    for count, problems in ((50, []), (51, ["too-many-workflows"])):
        calls = "".join(f"  j{n}:\n    uses: ./w{n}.yml\n" for n in range(count))
        texts = {f"w{n}.yml": "on: {workflow_call: }\njobs:\n  j:\n" + STEPS for n in range(count)}
        text = "on: push\njobs:\n" + calls
        assert (refused(text, texts=texts) if problems else []) == problems
        if not problems:
            load(spec(text, texts=texts))


def test_calls_that_cannot_be() -> None:
    text = "on: push\njobs:\n  j:\n    uses: ./w.yml\n"
    assert refused(text) == ["unknown-workflow"]
    assert refused(text, texts={"w.yml": "on: push\njobs:\n  j:\n" + STEPS}) == ["not-callable"]
    itself = "on: {workflow_call: }\njobs:\n  j:\n    uses: ./w.yml\n"
    assert refused(text, texts={"w.yml": itself}) == ["calls-itself"]


def test_what_is_handed_to_a_called_workflow() -> None:
    called = (
        "on:\n  workflow_call:\n    inputs: {a: {type: string, required: true}}\n"
        "    secrets: {S: {required: true}}\njobs:\n  j:\n" + STEPS
    )
    text = "on: push\njobs:\n  j:\n    uses: ./w.yml\n"
    assert refused(text, texts={"w.yml": called}) == ["missing-input", "missing-secret"]
    more = text + "    with: {A: x, b: y}\n    secrets: {T: z, S: w}\n"
    assert refused(more, texts={"w.yml": called}) == ["unknown-input", "unknown-secret"]
    load(spec(text + "    with: {A: x}\n    secrets: inherit\n", texts={"w.yml": called}))


def test_a_job_that_is_not_there() -> None:
    assert refused("on: push\njobs:\n  j:\n" + STEPS, only=("x",)) == ["unknown-job"]


DISPATCH = """\
on:
  workflow_dispatch:
    inputs:
      level: {type: choice, options: [minor, major], default: minor}
      dry: {type: boolean}
      count: {type: number, default: 3}
      why: {required: true}
run-name: Release ${{ inputs.level }} by ${{ github.actor }}
jobs:
  j:
    runs-on: ubuntu-latest
    steps: [{run: make}]
"""


def test_inputs_of_a_start() -> None:
    def inputs(**given: Any) -> dict[str, Any]:
        return load(spec(DISPATCH, event="workflow_dispatch", inputs=given)).inputs

    assert inputs(why="x") == {"level": "minor", "dry": False, "count": 3, "why": "x"}
    assert inputs(why="x", dry="true", count="4.5") == {
        "level": "minor",
        "dry": True,
        "count": 4.5,
        "why": "x",
    }
    bad = {"level": "huge", "dry": "maybe", "count": "many", "who": "x"}
    assert sorted(refused(DISPATCH, event="workflow_dispatch", inputs=bad)) == [
        *("bad-input", "bad-input", "bad-input", "missing-input", "unknown-input")
    ]
    assert load(spec(DISPATCH)).inputs == {}


def test_title() -> None:
    schedule, _ = begun(DISPATCH, event="workflow_dispatch", inputs={"why": "x"}, actor="ana")
    assert schedule.title() == "Release minor by ana"


@pytest.mark.parametrize(
    ("repo", "payload", "wanted"),
    [
        ("/srv/git/shop.git", {}, ("", "local/shop")),
        ("https://forge.example/team/shop.git", {}, ("https://forge.example", "team/shop")),
        ("git@forge.example:team/shop.git", {}, ("", "team/shop")),
        (
            "/x",
            {"repository": {"full_name": "a/b", "html_url": "https://f.example/a/b"}},
            ("https://f.example", "a/b"),
        ),
        ("/x", {"repository": {"full_name": "a/b", "html_url": 7}}, ("", "a/b")),
    ],
)
def test_where_a_repository_is(repo: str, payload: dict[str, Any], wanted: tuple[str, str]) -> None:
    text = "on: push\njobs:\n  j:\n" + STEPS
    context = github(load(spec(text, repo=repo, payload=payload)))
    assert (context["server_url"], context["repository"]) == wanted


def test_the_github_context() -> None:
    pull = {"pull_request": {"head": {"ref": "fix"}, "base": {"ref": "main"}}}
    text = "name: CI\non: pull_request\njobs:\n  j:\n" + STEPS
    made = spec(text, event="pull_request", payload=pull, ref="refs/pull/7/merge", number=12)
    context = github(load(made))
    assert context["event"] == pull
    said = {n: context[n] for n in ("head_ref", "base_ref", "ref_name", "run_number", "workflow")}
    assert said == {
        "head_ref": "fix",
        "base_ref": "main",
        "ref_name": "7/merge",
        "run_number": "12",
        "workflow": "CI",
    }


ORDER = """\
on: push
env: {A: 1.0, B: "${{ github.ref_name }}", C: "${{ secrets.X }}"}
defaults: {run: {shell: sh, working-directory: app}}
jobs:
  j:
    name: Job of ${{ github.ref_name }}
    runs-on: [self-hosted, "${{ github.ref_name }}"]
    environment: {name: "stage-${{ github.ref_name }}", url: https://x}
    timeout-minutes: ${{ fromJSON('7') }}
    env: {D: "yes", E: yes}
    defaults: {run: {working-directory: "app/${{ env.B }}"}}
    container: {image: "node:${{ github.ref_name }}"}
    services: {db: {image: postgres}}
    outputs: {o: "${{ steps.s.outputs.o }}"}
    steps:
      - {id: s, run: "echo ${{ secrets.X }}", timeout-minutes: 2, continue-on-error: true}
"""


def test_an_order() -> None:
    schedule, state = begun(ORDER)
    order = schedule.order(state, "j")
    assert (order.name, order.environment) == ("Job of main", "stage-main")
    assert order.runs_on == ("self-hosted", "main")
    assert order.timeout_seconds == 7 * 60
    assert order.env == (
        {"A": "1", "B": "${{ github.ref_name }}", "C": "${{ secrets.X }}"},
        {"D": "yes", "E": "yes"},
    )
    assert (order.shell, order.working_directory) == ("sh", "app/main")
    assert order.container == {"image": "node:${{ github.ref_name }}"}
    assert order.outputs == {"o": "${{ steps.s.outputs.o }}"}
    step = order.steps[0]
    assert (step.id, step.timeout_minutes, step.continue_on_error) == ("s", "2", "true")
    assert step.run == "echo ${{ secrets.X }}"
    assert order.contexts["github"]["job"] == "j"
    assert order.contexts["strategy"]["job-total"] == 1


@pytest.mark.parametrize("value", ["0", "-1", "x", "1e9"])
def test_a_timeout_that_means_nothing_makes_the_job_red(value: str) -> None:
    text = "on: push\njobs:\n  j:\n    timeout-minutes: ${{ fromJSON('\"V\"') }}\n" + STEPS
    schedule, state = begun(text.replace("V", value))
    with pytest.raises(ValueError, match="timeout-minutes"):
        schedule.order(state, "j")


PLACE = """\
on: push
jobs:
  j:
    runs-on: x
    cancel-timeout-minutes: ${{ fromJSON('TIDY') }}
    environment:
      name: prod
      url: "https://${{ steps.s.outputs.host }}/"
      deployment: ${{ fromJSON('DEPLOYS') }}
    steps: [{id: s, run: x}]
"""


def _placed(tidy: str = "5", deploys: str = "true") -> JobOrder:
    schedule, state = begun(PLACE.replace("TIDY", tidy).replace("DEPLOYS", deploys))
    return schedule.order(state, "j")


def test_what_an_order_says_of_its_environment() -> None:
    order = _placed("0.5", "false")
    assert (order.tidy_seconds, order.deploys, order.environment) == (30, False, "prod")
    assert order.deploys_to == ""
    assert order.url == "https://${{ steps.s.outputs.host }}/"
    assert _placed().deploys_to == "prod"
    assert _placed("0").tidy_seconds == 0
    schedule, state = begun("on: push\njobs:\n  j:\n" + STEPS)
    plain = schedule.order(state, "j")
    assert (plain.tidy_seconds, plain.deploys_to, plain.url) == (300, "", "")


@pytest.mark.parametrize("tidy", ["-1", "1e9", '"x"', "true", "null", "[]"])
def test_a_time_for_tidying_up_that_means_nothing_makes_the_job_red(tidy: str) -> None:
    with pytest.raises(BadValue, match="cancel-timeout-minutes"):
        _placed(tidy)


@pytest.mark.parametrize("deploys", ['"false"', "0", "null", "{}"])
def test_a_deployment_that_is_no_boolean_makes_the_job_red(deploys: str) -> None:
    with pytest.raises(BadValue, match="`deployment` must be"):
        _placed(deploys=deploys)


@pytest.mark.parametrize(
    ("uses", "caller", "wanted"),
    [
        ("./.github/workflows/x.yml", FILE, ".github/workflows/x.yml"),
        ("a/b/.github/workflows/x.yml@v1", FILE, "a/b/.github/workflows/x.yml@v1"),
        ("./w/x.yml", "a/b/w/y.yml@v1", "a/b/w/x.yml@v1"),
    ],
)
def test_names_of_called_workflows(uses: str, caller: str, wanted: str) -> None:
    assert reference(uses, caller) == wanted


def test_status_functions_look_at_all_ancestors() -> None:
    text = (
        "on: push\njobs:\n  a:\n    if: false\n"
        + STEPS
        + "  b:\n    needs: a\n    if: always()\n"
        + STEPS
        + "  c:\n    needs: b\n"
        + STEPS
        + "  d:\n    needs: b\n    if: '!failure()'\n"
        + STEPS
    )
    schedule, state = begun(text)
    assert state.ended["a"].outcome == "skipped"
    state = after(state, Ended("b", JobReport("b", "success", 0, 0), 2.0))
    _, state = schedule.settle(state, 3.0)
    assert state.ended["c"].because == "`a`, which it needs, was skipped"
    assert schedule.ready(state, 9) == ("d",)


def test_a_skip_that_a_crash_cut_in_two_is_no_start() -> None:
    text = "on: push\njobs:\n  a:\n    if: false\n" + STEPS + "  b:\n" + STEPS
    made = spec(text)
    events, _ = Schedule(load(made)).settle(created(Created(made, 0.0)), 1.0)
    assert [type(e).__name__ for e in events] == ["Planned", "Ended", "Planned"]
    state = after(created(Created(made, 0.0)), events[0])
    schedule = Schedule(load(made))
    again, state = schedule.settle(state, 2.0)
    assert [type(e).__name__ for e in again] == ["Ended", "Planned"]
    assert state.ended["a"].outcome == "skipped"
    assert schedule.ready(state, 9) == ("b",)


@pytest.mark.parametrize(
    ("queue", "all_"), [("", False), ("queue: single", False), ("queue: max", True)]
)
def test_who_waits_in_the_queue_of_a_group(queue: str, all_: bool) -> None:
    text = "on: push\nconcurrency:\n  group: g\n  QUEUE\njobs:\n  j:\n" + STEPS
    schedule, _ = begun(text.replace("  QUEUE\n", f"  {queue}\n" if queue else ""))
    found = schedule.own_group()
    assert found is not None
    assert found.all is all_
