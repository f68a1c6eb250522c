"""Stand-ins: the file that declares them, and what becomes of an order."""

import base64
import subprocess
from pathlib import Path

import pytest

from headway.model.errors import Invalid
from headway.model.job import JobOrder, StepSpec
from headway.pipeline.run import substitutes
from headway.pipeline.run.substitutes import Substitutes, Wanted, applied, piece, read

GOOD = """
actions:
  cypress-io/github-action@v6: ./ci/cypress
tools:
  kubectl: ci/kubectl
files:
  scripts/smoke.sh: ci/smoke.sh
"""


def order(*uses: str) -> JobOrder:
    steps = tuple(StepSpec(id=f"__{n}", uses=u) for n, u in enumerate(uses))
    return JobOrder("r", "a", "a", "a", 1, "/r", "f" * 40, "", steps)


def test_a_file_is_read() -> None:
    assert read(GOOD, "s.yaml") == Wanted(
        {"cypress-io/github-action@v6": "./ci/cypress"},
        {"kubectl": "ci/kubectl"},
        {"scripts/smoke.sh": "ci/smoke.sh"},
    )


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("tolls: {}", "unknown-key", (1, 1)),
        ("tools: [a]", "wrong-type", (1, 8)),
        ("tools: {a: 1}", "wrong-type", (1, 12)),
        ("tools: {../a: b}", "bad-name", (1, 9)),
        ("tools: {a: ../b}", "outside", (1, 12)),
        ("tools: {a: /b}", "outside", (1, 12)),
        ("actions: {./a: ./b}", "bad-name", (1, 11)),
        ("files: {a: 'x${{ secrets.T }}'}", "outside", (1, 12)),
        ("files: {/etc/passwd: b}", "bad-name", (1, 9)),
        ("- a", "wrong-type", (1, 1)),
    ],
)
def test_a_fault_has_its_place(text: str, code: str, place: tuple[int, int]) -> None:
    with pytest.raises(Invalid) as caught:
        read(text, "s.yaml")
    problem = caught.value.problems[0]
    assert (problem.code, (problem.line, problem.column)) == (code, place)


def test_an_action_is_replaced_and_says_so() -> None:
    found = Substitutes(actions={"a/b@v1": "./ci/b"})
    first, second = applied(found, order("a/b@v1", "a/c@v1")).steps
    assert first.uses == "./ci/b"
    assert first.name == "a/b@v1 (substitute for a/b@v1: ./ci/b)"
    assert second == order("a/b@v1", "a/c@v1").steps[1]


def test_nothing_declared_changes_nothing() -> None:
    made = order("a/b@v1")
    assert applied(Substitutes(), made) is made


def test_files_are_for_jobs_that_check_nothing_out() -> None:
    found = Substitutes(files={"a.sh": piece("b.sh", b"x")})
    assert applied(found, order("a/b@v1")).steps[0].id == substitutes.STEP
    assert applied(found, order("actions/checkout@v4")).steps[0].id != substitutes.STEP


def test_the_first_step_puts_them_in_place(tmp_path: Path) -> None:
    hostile = "it's $(touch pwned) `x`.sh"
    found = Substitutes(
        tools={"kubectl": piece("ci/it's", b"#!/bin/sh\necho \x00'tool'\n")},
        files={hostile: piece("ci/f", b"echo file")},
    )
    step = applied(found, order("a/b@v1")).steps[0]
    (tmp_path / "work").mkdir()
    said = subprocess.run(
        ["sh", "-e", "-c", step.run or ""],
        cwd=tmp_path / "work",
        env={"PATH": "/usr/bin:/bin", "RUNNER_TEMP": str(tmp_path), "GITHUB_PATH": "../path"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    bin = (tmp_path / "path").read_text().strip()
    tool = Path(bin) / "kubectl"
    assert tool.read_bytes() == b"#!/bin/sh\necho \x00'tool'\n"
    assert tool.stat().st_mode & 0o111
    assert (tmp_path / "work" / hostile).read_bytes() == b"echo file"
    assert not (tmp_path / "work" / "pwned").exists()
    assert "kubectl by ci/it's (sha256:" in said
    assert found.names()[0].startswith("kubectl by ci/it's (sha256:")


def test_content_is_part_of_the_order() -> None:
    one = applied(Substitutes(tools={"a": piece("a", b"1")}), order("x/y@v1")).steps[0].run
    assert base64.standard_b64encode(b"1").decode() in (one or "")
