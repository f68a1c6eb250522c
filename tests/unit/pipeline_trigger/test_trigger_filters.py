"""Whether an event starts a workflow, filter by filter."""

from dataclasses import replace

import pytest

from headway.pipeline.syntax import ir, reader
from headway.pipeline.trigger import TriggerEvent, starts

JOBS = (
    "jobs:\n  a:\n    runs-on: ubuntu-latest\n    timeout-minutes: 1\n    steps:\n      - run: x\n"
)
SHA = "a" * 40
PUSH = TriggerEvent("push", "o/r", "refs/heads/main", SHA, "github", changed=("src/a.py",))
TAG = replace(PUSH, ref="refs/tags/v1.2")
PR = replace(
    PUSH, name="pull_request", type="opened", ref="refs/pull/1/merge", base="main", number=1
)


def workflow(on: str) -> ir.Workflow:
    return reader.read(f"on:\n{on}\n{JOBS}", ".github/workflows/ci.yml")


def push(**filters: str) -> ir.Workflow:
    lines = "".join(f"    {k.replace('_', '-')}: {v}\n" for k, v in filters.items())
    return workflow(f"  push:\n{lines}")


@pytest.mark.parametrize(
    ("filters", "event", "yes"),
    [
        ({}, PUSH, True),
        ({}, TAG, True),
        ({"branches": "[main]"}, PUSH, True),
        ({"branches": "[other]"}, PUSH, False),
        ({"branches": "['**', '!main']"}, PUSH, False),
        ({"branches_ignore": "[main]"}, PUSH, False),
        ({"branches_ignore": "['rel/**']"}, PUSH, True),
        # only one kind of ref has filters: pushes of the other start nothing
        ({"branches": "['**']"}, TAG, False),
        ({"branches_ignore": "[x]"}, TAG, False),
        ({"tags": "['v*']"}, PUSH, False),
        ({"tags_ignore": "[x]"}, PUSH, False),
        ({"tags": "['v[0-9].*']"}, TAG, True),
        ({"tags_ignore": "['v1.**']"}, TAG, False),
        ({"branches": "[main]", "tags": "['v*']"}, TAG, True),
        ({"branches": "[main]", "tags": "['v*']"}, PUSH, True),
        ({"branches": "[main]", "tags": "[x]"}, TAG, False),
        # paths
        ({"paths": "['src/**']"}, PUSH, True),
        ({"paths": "['docs/**']"}, PUSH, False),
        ({"paths": "['src/**', '!src/a.py']"}, PUSH, False),
        ({"paths_ignore": "['src/**']"}, PUSH, False),
        ({"paths_ignore": "['docs/**']"}, PUSH, True),
        ({"paths": "['docs/**']"}, TAG, True),
        ({"paths": "['docs/**']", "tags": "['v*']"}, TAG, True),
        ({"branches": "[other]", "paths": "['src/**']"}, PUSH, False),
        ({"branches": "[main]", "paths": "['docs/**']"}, PUSH, False),
        ({"paths": "['**']"}, replace(PUSH, changed=()), False),
        ({"paths_ignore": "[x]"}, replace(PUSH, changed=()), False),
        ({"paths": "['docs/**']"}, replace(PUSH, changed=None), True),
        ({"paths": "['docs/**']"}, replace(PUSH, commits=1001), True),
        ({"paths": "['docs/**']"}, replace(PUSH, commits=1000), False),
        ({"paths_ignore": "['a/**']"}, replace(PUSH, changed=("a/1", "b/1")), True),
        ({"paths_ignore": "['a/**', 'b/**']"}, replace(PUSH, changed=("a/1", "b/1")), False),
    ],
)
def test_pushes(filters: dict[str, str], event: TriggerEvent, yes: bool) -> None:
    answer = starts(push(**filters), event)
    assert answer.yes is yes, answer
    assert answer.because


def test_only_the_first_300_changed_files_are_looked_at_and_it_says_so() -> None:
    paths = tuple(f"docs/{n}" for n in range(300))
    late = replace(PUSH, changed=(*paths, "src/a.py"))
    answer = starts(push(paths="['src/**']"), late)
    assert not answer.yes
    assert "the first 300 of the 301" in answer.because
    assert starts(push(paths="['src/**']"), replace(late, changed=("src/a.py", *paths))).yes


@pytest.mark.parametrize(
    ("on", "event", "yes"),
    [
        ("  pull_request:", PR, True),
        ("  pull_request:", replace(PR, type="synchronize"), True),
        ("  pull_request:", replace(PR, type="reopened"), True),
        ("  pull_request:", replace(PR, type="closed"), False),
        ("  pull_request:", replace(PR, type="labeled"), False),
        ("  pull_request:\n    types: [closed]", replace(PR, type="closed"), True),
        ("  pull_request:\n    types: [closed]", PR, False),
        ("  pull_request:\n    branches: [main]", PR, True),
        ("  pull_request:\n    branches: ['releases/**']", PR, False),
        ("  pull_request:\n    branches-ignore: [main]", PR, False),
        ("  pull_request:\n    paths: ['docs/**']", PR, False),
        ("  pull_request:\n    paths: ['src/**']", PR, True),
        ("  push:", PR, False),
        ("  pull_request:", PUSH, False),
        ("  merge_group:", replace(PR, name="merge_group", type="checks_requested"), True),
        ("  merge_group:", replace(PR, name="merge_group", type="destroyed"), False),
        (
            "  merge_group:\n    branches: [other]",
            replace(PR, name="merge_group", type="checks_requested"),
            False,
        ),
        ("  release:", replace(TAG, name="release", type="edited"), True),
        ("  release:", replace(TAG, name="release", type="edited", draft=True), False),
        ("  release:\n    types: [published]", replace(TAG, name="release", type="edited"), False),
        ("  repository_dispatch:", replace(PUSH, name="repository_dispatch", type="x"), True),
        (
            "  repository_dispatch:\n    types: [y]",
            replace(PUSH, name="repository_dispatch", type="x"),
            False,
        ),
        (
            "  schedule:\n    - cron: '5 4 * * *'",
            replace(PUSH, name="schedule", type="5 4 * * *"),
            True,
        ),
        (
            "  schedule:\n    - cron: '5 4 * * *'",
            replace(PUSH, name="schedule", type="6 4 * * *"),
            False,
        ),
        ("  registry_package:", replace(PUSH, name="registry_package", type="published"), True),
        ("  issues:", replace(PUSH, name="issues", type="opened"), True),
        ("  issues:\n    types: [closed]", replace(PUSH, name="issues", type="opened"), False),
        (
            "  workflow_run:\n    workflows: [CI]",
            replace(
                PUSH,
                name="workflow_run",
                type="completed",
                payload={"workflow_run": {"name": "CI"}},
            ),
            True,
        ),
        (
            "  workflow_run:\n    workflows: [CI]",
            replace(PUSH, name="workflow_run", type="completed", payload={"workflow_run": "x"}),
            False,
        ),
    ],
)
def test_other_events(on: str, event: TriggerEvent, yes: bool) -> None:
    answer = starts(workflow(on), event)
    assert answer.yes is yes, answer
    assert answer.because


@pytest.mark.parametrize("words", ["x [skip ci]", "[CI SKIP] y", "[no ci]", "[actions skip]"])
def test_a_commit_can_ask_for_nothing(words: str) -> None:
    assert not starts(push(), replace(PUSH, message=words)).yes
    assert starts(
        workflow("  workflow_dispatch:"), replace(PUSH, name="workflow_dispatch", message=words)
    ).yes


def test_one_workflow_can_be_meant() -> None:
    asked = replace(PUSH, name="workflow_dispatch", workflow=".github/workflows/other.yml")
    assert not starts(workflow("  workflow_dispatch:"), asked).yes
    right = replace(asked, workflow=".github/workflows/ci.yml")
    assert starts(workflow("  workflow_dispatch:"), right).yes


def test_a_pattern_that_cannot_be_read_is_said() -> None:
    broken = ir.Trigger("push", workflow("  push:").at, branches=("a[",))
    answer = starts(replace(workflow("  push:"), on=(broken,)), PUSH)
    assert not answer.yes
    assert "cannot be read" in answer.because


@pytest.mark.parametrize("name", ["$(reboot)", "`id`", "a;b|c&d", "'\"", "<b>", "ünï", "-x"])
def test_hostile_names_are_only_compared(name: str) -> None:
    event = replace(PUSH, ref=f"refs/heads/{name}", message=name, actor=name)
    assert starts(push(branches="['**']"), event).yes
    assert not starts(push(branches="[main]"), event).yes
