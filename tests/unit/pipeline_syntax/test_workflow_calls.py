"""A call is compared with what it calls, as deep as calls go."""

import pytest

from headway.pipeline.syntax import calls
from headway.pipeline.syntax.calls import Terms
from headway.pipeline.syntax.reader import read

NAME = "./.github/workflows/t.yml"
TARGET = """\
on:
  workflow_call:
    inputs:
      name: {type: string, required: true}
      count: {type: number, default: 1}
      fast: {type: boolean}
    secrets:
      token: {required: true}
      other:
jobs: {x: {runs-on: a, steps: [{run: y}]}}
"""


def caller(more: str, top: str = "") -> str:
    return f"on: push\n{top}jobs:\n  a: {{uses: {NAME}, {more}}}\n"


def codes(text: str, target: str = TARGET, terms: Terms = Terms()) -> list[str]:  # noqa: B008
    called = {NAME: read(target, "t.yml")}
    return [p.code for p in calls.check(read(text, "w.yml"), called, terms)]


def test_a_right_call() -> None:
    assert codes(caller("with: {NAME: x, count: 2, fast: true}, secrets: {Token: t}")) == []
    assert (
        codes(caller("with: {name: '${{ github.ref }}', count: '${{ 1 }}'}, secrets: inherit"))
        == []
    )


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ("secrets: inherit", "missing-input"),
        ("with: {name: x}", "missing-secret"),
        ("with: {name: x, nam: y}, secrets: inherit", "unknown-input"),
        ("with: {name: x, count: many}, secrets: inherit", "input-type"),
        ("with: {name: x, fast: 'true'}, secrets: inherit", "input-type"),
        ("with: {name: x, fast: 1}, secrets: inherit", "input-type"),
        ("with: {name: x}, secrets: {token: t, tok: u}", "unknown-secret"),
    ],
)
def test_a_wrong_call(more: str, code: str) -> None:
    assert codes(caller(more)) == [code]


def test_a_workflow_that_is_not_to_be_called() -> None:
    assert codes(
        caller("secrets: inherit"),
        TARGET.replace("workflow_call", "workflow_dispatch").replace(
            "    secrets:\n      token: {required: true}\n      other:\n", ""
        ),
    ) == ["not-callable"]


def test_a_call_of_a_workflow_that_is_not_given_is_left_alone() -> None:
    assert calls.check(read(caller("secrets: inherit"), "w.yml"), {}) == ()


@pytest.mark.parametrize(
    ("granted", "asked", "wrong"),
    [
        ("permissions: {contents: read}\n", "permissions: {contents: write}\n", True),
        ("permissions: {contents: write}\n", "permissions: {contents: read}\n", False),
        ("permissions: {}\n", "permissions: read-all\n", True),
        ("permissions: read-all\n", "permissions: write-all\n", True),
        ("permissions: write-all\n", "permissions: {id-token: write, pages: write}\n", False),
        ("", "permissions: write-all\n", False),
    ],
)
def test_a_called_workflow_has_no_more_than_its_caller(
    granted: str, asked: str, wrong: bool
) -> None:
    text = caller("with: {name: x}, secrets: inherit", granted)
    assert codes(text, asked + TARGET) == (["permissions"] if wrong else [])


def test_what_the_repository_grants_counts_where_nothing_is_written() -> None:
    text = caller("with: {name: x}, secrets: inherit")
    terms = Terms(granted=calls.LIMITED_READ)
    assert codes(text, "permissions: {contents: read}\n" + TARGET, terms) == []
    assert codes(text, "permissions: {actions: read}\n" + TARGET, terms) == ["permissions"]


def test_rings_depth_and_number_are_bounded() -> None:
    ring = f"on: workflow_call\njobs: {{a: {{uses: {NAME}}}}}\n"
    assert codes(ring, ring) == ["call-ring"]
    first = "on: push\njobs: {a: {uses: ./0.yml}}\n"
    chain = {
        f"./{n}.yml": read(f"on: workflow_call\njobs: {{a: {{uses: ./{n + 1}.yml}}}}\n", f"{n}.yml")
        for n in range(12)
    }
    found = calls.check(read(first, "w.yml"), chain)
    assert [p.code for p in found] == ["too-deep"]
    many = (
        "on: workflow_call\njobs: {"
        + ", ".join(f"j{n}: {{runs-on: x}}" for n in range(200))
        + "}\n"
    )
    two = f"on: push\njobs: {{a: {{uses: {NAME}}}, b: {{uses: {NAME}}}}}\n"
    assert codes(two, many) == ["too-many-jobs"]
