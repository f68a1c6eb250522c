"""Copies of a template: found whatever their format, told apart from strangers, line by line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.pipeline.syntax.reader import read
from headway.pipeline.template.drift import Copy, copies, fits
from headway.pipeline.template.shape import JobShape, is_template, jobs, uses

TEMPLATE = """\
on:
  workflow_call:
    inputs: {python: {type: string, default: "3.12"}}
jobs:
  build:
    runs-on: ubuntu-latest
    timeout-minutes: 10
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {python-version: "${{ inputs.python }}"}
      - name: Tests
        run: pytest -q
      - name: Scan
        run: pip-audit --strict
"""
COPY = """\
on: push
jobs:
  ci:
    timeout-minutes: 10   # as in the template
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - {uses: actions/setup-python@v5, with: {python-version: "3.11"}}
      - run: pytest -q
        name: Unit tests
      - run: "pip-audit --strict"
"""
OTHER = """\
on: push
jobs:
  docs:
    runs-on: ubuntu-latest
    steps: [{uses: actions/checkout@v4}, {run: mkdocs build}, {run: mkdocs deploy}]
"""


def shapes(text: str) -> tuple[JobShape, ...]:
    return jobs(read(text, "w.yml"))


def found(text: str) -> tuple[Copy, ...]:
    return copies(shapes(TEMPLATE), shapes(text))


def told(text: str) -> list[tuple[str, str, int]]:
    return [(d.kind, d.what, d.line) for copy in found(text) for d in copy.differences]


def test_an_exact_copy_in_another_format_has_no_differences() -> None:
    assert found(COPY) == (Copy("ci", "build", 3, ()),)


def test_a_stranger_is_no_copy() -> None:
    assert found(OTHER) == ()
    assert found("on: push\njobs: {a: {runs-on: u, steps: [{run: pytest -q}]}}") == ()


STRICT, PINNED = "pip-audit --strict", "setup-python@v5"
LIMIT = "    timeout-minutes: 10   # as in the template\n"
DRIFTS = [
    (STRICT, "pip-audit || true", ("changed", "step `pip-audit || true`: `run`", 11)),
    (PINNED, "setup-python@v4", ("changed", "step `actions/setup-python@v4`: `uses`", 8)),
    ("minutes: 10 ", "minutes: 99 ", ("changed", "job `ci`: `timeout-minutes`", 4)),
    (LIMIT, "", ("removed", "job `ci`: `timeout-minutes`", 3)),
    ('      - run: "pip-audit --strict"\n', "", ("removed", "step `Scan`", 9)),
    (
        "      - run: pytest -q\n",
        "      - run: make lint\n      - run: pytest -q\n",
        ("added", "step `make lint`", 9),
    ),
    (
        "        name: Unit tests\n",
        "        continue-on-error: true\n",
        ("added", "step `pytest -q`: `continue-on-error`", 10),
    ),
]


@pytest.mark.parametrize(("old", "new", "difference"), DRIFTS)
def test_each_kind_of_drift_has_its_line(
    old: str, new: str, difference: tuple[str, str, int]
) -> None:
    assert old in COPY
    changed = COPY.replace(old, new)
    assert told(changed) == [difference]


def test_calls_of_other_repositories() -> None:
    text = """\
on: push
jobs:
  a: {uses: org/templates/.github/workflows/build.yml@v1}
  b: {uses: ./.github/workflows/own.yml}
"""
    use = uses(read(text, "w.yml"))
    assert [(u.repository, u.path, u.ref, u.line) for u in use] == [
        ("org/templates", ".github/workflows/build.yml", "v1", 3)
    ]
    assert is_template(read(TEMPLATE, "w.yml"))
    assert not is_template(read(text, "w.yml"))


def test_inputs_may_be_anything_of_one_line() -> None:
    assert fits("a ${{ inputs.x }} b", "a 3.12 b")
    assert fits("${{inputs.x}}", "anything at all")
    assert not fits("a ${{ inputs.x }} b", "a 3.12 c")
    assert not fits("a ${{ inputs.x }}", "a b\nrm -rf /")
    assert not fits("ab ${{ inputs.x }} b", "ab b")
    assert not fits("${{ github.x }}", "y")


@given(st.lists(st.text("ab ", max_size=4), min_size=1, max_size=4), st.data())
def test_a_filled_template_always_fits(parts: list[str], data: st.DataObject) -> None:
    values = data.draw(
        st.lists(st.text("xy", max_size=3), min_size=len(parts), max_size=len(parts))
    )
    template = "${{ inputs.v }}".join(parts)
    filled = "".join(p + v for p, v in zip(parts, values, strict=True))
    filled = filled[: len(filled) - len(values[-1])] if values[-1] else filled
    assert fits(template, filled)
