"""The expression language against two judges that Headway did not write.

The public suite that every implementation is to pass (actions/languageservices, in it
expressions/testdata: set HEADWAY_EXPRESSION_SUITE to that folder), and npm's @actions/expressions,
installed for the test, on expressions made at random.
"""

import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.expression_grammar import case

from headway.cli.workflow import answers
from headway.expression import ExpressionError, Scope, evaluate, json_text, reference
from headway.expression.evaluator import run
from headway.expression.limits import Meter
from headway.expression.parser import parse

PACKAGE = "@actions/expressions@0.3.61"
DRIVER = Path(__file__).with_name("expression_driver.mjs")
BATCH = 10_000
MEBIBYTE = 1024 * 1024


def suite() -> Iterator[dict[str, Any]]:
    folder = os.environ.get("HEADWAY_EXPRESSION_SUITE", "")
    if not folder:
        pytest.skip("HEADWAY_EXPRESSION_SUITE is not set: the public suite was not asked")
    for file in sorted(Path(folder).glob("*.json")):
        for cases in json_text.decode(file.read_text("utf-8")).values():  # type: ignore[union-attr]
            yield from cases


def left_out(found: dict[str, Any]) -> bool:
    """Whether the suite says that the reference itself does not pass it."""
    return "typescript" in found.get("options", {}).get("skip", [])


def passes(wanted: dict[str, Any], given: dict[str, Any]) -> bool:
    if "err" in wanted:
        error = given.get("err", {"kind": "", "value": ""})
        return error["kind"] == wanted["err"]["kind"] and wanted["err"]["value"] in error["value"]
    kind = wanted["result"]["kind"].replace("Object", "Dictionary")
    plain = json.dumps(reference.shown(wanted["result"]["value"])["value"])
    return bool(given.get("result")) and (kind, plain) == (
        given["result"]["kind"],
        json.dumps(given["result"]["value"]),
    )


def test_what_the_reference_passes_of_the_public_suite() -> None:
    asked = [found for found in suite() if not left_out(found)]
    assert len(asked) >= 1015
    for wanted in asked:
        given = reference.answer(wanted["expr"], wanted.get("contexts") or {}, "success")
        assert passes(wanted, given), (wanted, given)


def test_what_the_reference_does_not_pass_of_the_public_suite() -> None:
    asked = [found for found in suite() if left_out(found)]
    assert len(asked) >= 5
    for wanted in asked:
        assert passes(wanted, own_answer(wanted)), wanted


def own_answer(wanted: dict[str, Any]) -> dict[str, Any]:
    """By the rules of runs: positions count from the start of the text. The suite's bound of memory
    is a mebibyte, two bytes a character.
    """
    scope = Scope(wanted["contexts"], {})
    try:
        found = run(parse(wanted["expr"]), scope, Meter(MEBIBYTE // 2))
        return {"result": reference.shown(found)}
    except ExpressionError as error:
        where = f"Located at position {error.position + 1} within expression: {error.expression}"
        return {"err": {"kind": error.kind, "value": f"{error}. {where}"}}


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The driver beside the package that it asks."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("no node and npm here: @actions/expressions was not asked")
    folder = tmp_path_factory.mktemp("expressions")
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", PACKAGE]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        pytest.skip(f"{PACKAGE} could not be installed, so it was not asked: {done.stderr[-300:]}")
    return Path(shutil.copy(DRIVER, folder))


def differences(driver: Path, seeds: list[str]) -> tuple[list[Any], Counter[str]]:
    """Every (line, theirs, ours) that differs, and how many answers of each kind there were."""
    lines = [json.dumps(case(seed)).encode() for seed in seeds]
    done = subprocess.run(
        ["node", driver], input=b"\n".join(lines), stdout=subprocess.PIPE, check=True, timeout=600
    )
    theirs = [json.loads(line, parse_int=float) for line in done.stdout.split(b"\n") if line]
    ours = [json.loads(line, parse_int=float) for line in answers(lines)]
    kinds = Counter(f"{name} {told['kind']}" for found in theirs for name, told in found.items())
    triples = zip(lines, theirs, ours, strict=True)
    # as text, since True == 1 and the order of keys matters
    return [each for each in triples if json.dumps(each[1]) != json.dumps(each[2])], kinds


def test_two_thousand_random_expressions_mean_the_same(driver: Path) -> None:
    found, kinds = differences(driver, [f"short {number}" for number in range(2000)])
    assert found == []
    assert min(kinds.values()) >= 5, kinds
    assert {name.split()[0] for name in kinds} == {"result", "err"}
    assert len(kinds) == 9, kinds  # six kinds of values, three of errors


@pytest.mark.soak
def test_a_hundred_thousand_random_expressions_mean_the_same(driver: Path) -> None:
    for start in range(0, 100_000, BATCH):
        found, _ = differences(driver, [f"long {start + number}" for number in range(BATCH)])
        assert found == [], found[:3]


def test_the_two_slips_of_the_reference_are_not_in_the_language() -> None:
    scope = Scope({}, {})
    assert evaluate("'a''b''c'", scope) == "a'b'c"
    assert reference.answer("'a''b''c'", {}, "")["result"]["value"] == "a'b''c"
    with pytest.raises(ExpressionError) as caught:
        evaluate("true\n&& nothing", scope)
    assert caught.value.position == 8
    told = reference.answer("true\n&& nothing", {}, "")["err"]["value"]
    assert "Located at position 4 " in told
