"""SARIF 2.1.0: levels where they come from, places, and a gate that needs an answer."""

import json
from typing import Any

import pytest

from headway.model.errors import Invalid
from headway.model.verdict import Outcome
from headway.testing import kind
from headway.testing.findings import Finding, FindingsGate, Scan, counts, judge

RULES = [
    {"id": "py/sql", "defaultConfiguration": {"level": "error"}},
    {"id": "py/note", "defaultConfiguration": {"level": "note"}},
    {"id": "py/plain"},
]


def result(**more: Any) -> dict[str, Any]:
    place = {
        "physicalLocation": {
            "artifactLocation": {"uri": "src/a.py"},
            "region": {"startLine": 7, "startColumn": 3},
        }
    }
    return {"message": {"text": "bad"}, "locations": [place]} | more


def log(*results: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    run: dict[str, Any] = {"tool": {"driver": {"name": "scanner", "rules": RULES}}} | more
    if None not in results:
        run["results"] = list(results)
    return {"version": "2.1.0", "$schema": "x", "runs": [run]}


def read(document: Any) -> Scan:
    found = kind.read([json.dumps(document).encode()], "s.sarif")
    assert isinstance(found, Scan)
    return found


@pytest.mark.parametrize(
    ("given", "level", "rule"),
    [
        ({"ruleId": "py/sql"}, "error", "py/sql"),
        ({"ruleIndex": 1}, "note", "py/note"),
        ({"rule": {"index": 0}}, "error", "py/sql"),
        ({"ruleId": "py/sql/sub"}, "error", "py/sql/sub"),
        ({"ruleId": "py/plain"}, "warning", "py/plain"),
        ({"ruleId": "unknown"}, "warning", "unknown"),
        ({"ruleId": "py/sql", "level": "note"}, "note", "py/sql"),
        ({"ruleId": "py/sql", "level": "none"}, "none", "py/sql"),
    ],
)
def test_the_level_is_its_own_else_its_rules(given: dict[str, Any], level: str, rule: str) -> None:
    (found,) = read(log(result(**given))).findings
    assert (found.level, found.rule) == (level, rule)
    assert (found.file, found.line, found.column, found.tool) == ("src/a.py", 7, 3, "scanner")


def test_rules_of_an_extension_and_files_by_index() -> None:
    rule = {"id": "e/1", "defaultConfiguration": {"level": "error"}}
    tool = {
        "driver": {"name": "s"},
        "extensions": [{"name": "e", "rules": [rule]}],
    }
    place = {"physicalLocation": {"artifactLocation": {"index": 0}}}
    one = result(rule={"index": 0, "toolComponent": {"index": 0}}, locations=[place])
    (found,) = read(log(one, tool=tool, artifacts=[{"location": {"uri": "b.py"}}])).findings
    assert (found.rule, found.level, found.file, found.line) == ("e/1", "error", "b.py", 0)


def test_what_is_no_fault_does_not_count() -> None:
    scan = read(
        log(
            result(ruleId="py/sql", kind="pass"),
            result(ruleId="py/sql", baselineState="absent"),
            result(ruleId="py/sql", suppressions=[{"kind": "inSource"}]),
            result(
                ruleId="py/sql",
                suppressions=[{"kind": "inSource"}, {"kind": "external", "status": "underReview"}],
            ),
        )
    )
    assert [f.suppressed for f in scan.findings] == [True, False]
    assert counts(scan.findings) == {"error": 1, "warning": 0, "note": 0, "none": 0}


def outcome(scan: Scan | None, level: Any = "error", **gate: Any) -> Outcome:
    return judge((scan,) if scan else (), FindingsGate(level, **gate), 100.0).outcome


def test_the_gate_blocks_from_its_level_on() -> None:
    scan = read(log(result(ruleId="py/plain")))
    assert outcome(scan) is Outcome.PASS
    assert outcome(scan, "warning") is Outcome.FAIL
    assert outcome(scan, "note") is Outcome.FAIL
    assert outcome(read(log())) is Outcome.PASS


def test_no_answer_is_never_a_pass() -> None:
    assert outcome(None) is Outcome.WAIT
    assert outcome(read({"version": "2.1.0", "runs": []})) is Outcome.FAIL
    assert outcome(read(log(None))) is Outcome.FAIL
    assert outcome(read(log(invocations=[{"executionSuccessful": False}]))) is Outcome.FAIL
    assert outcome(read(log(invocations=[{"executionSuccessful": True}]))) is Outcome.PASS


@pytest.mark.parametrize(
    "document",
    [{"version": "2.0.0", "runs": []}, {"version": "2.1.0"}, {"version": "2.1.0", "runs": [{}]},
     log(result(level="fatal")), log({"ruleId": "no message"}), "x" * 10],
)  # fmt: skip
def test_what_is_no_sarif_is_refused(document: Any) -> None:
    text = json.dumps(document) if isinstance(document, dict) else '{"runs": ['
    with pytest.raises(Invalid) as caught:
        kind.read([text.encode()], "s.sarif")
    assert caught.value.code == "not-sarif"


def test_deep_nesting_is_refused() -> None:
    deep = b'{"version":"2.1.0","runs":[],"properties":' + b"[" * 100_000
    with pytest.raises(Invalid, match="no SARIF"):
        kind.read([deep], "s.sarif")


def test_the_worst_is_named_first_and_the_list_ends() -> None:
    many = tuple(Finding("t", f"R{i}", "error", "m", "a.py", i + 1) for i in range(9))
    said = judge((Scan("s", ("t",), many),), FindingsGate(), 0.0).because
    assert said.startswith("9 of level error or above: error R0 at a.py:1; error R1")
    assert said.endswith("and 4 more")
