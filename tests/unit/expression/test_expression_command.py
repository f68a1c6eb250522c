"""`headway workflow eval --jsonl`: lines in, lines out."""

import json
from typing import Any

import pytest
from click.testing import CliRunner

from headway.cli.workflow import answers, workflow
from headway.model.errors import Invalid


def ask(*lines: Any) -> list[Any]:
    return [json.loads(found) for found in answers(json.dumps(line).encode() for line in lines)]


def test_an_answer_for_each_line() -> None:
    found = CliRunner().invoke(
        workflow, ["eval", "--jsonl"], input='{"expr": "1 == true"}\n{"expr": "\u00fc"}\n'
    )
    assert [json.loads(line) for line in found.output.splitlines()] == [
        {"result": {"kind": "Boolean", "value": True}},
        {
            "err": {
                "kind": "lexing",
                "value": "Unexpected symbol: '\u00fc'. "
                "Located at position 1 within expression: \u00fc",
            }
        },
    ]


@pytest.mark.parametrize(
    ("expression", "kind", "value"),
    [
        ("", "Null", None), ("-0", "Number", 0), ("NaN", "Number", "NaN"),
        ("-1e999", "Number", "-Infinity"), ("0.5", "Number", 0.5),
        ("a", "Dictionary", {"x": [1, None]}), ("a.x", "Array", [1, None]),
        ("A.X.*", "Array", [1, None]),
        ("fromJSON('[1e999]')", "Array", [None]), ("failure()", "Boolean", True),
        ("success() || cancelled()", "Boolean", False),
        ("always()", "Boolean", True), ("hashFiles('x')", "Boolean", False),
    ],
)  # fmt: skip
def test_kinds(expression: str, kind: str, value: Any) -> None:
    line = {"expr": expression, "contexts": {"a": {"x": [1, None]}}, "status": "failure"}
    assert ask(line) == [{"result": {"kind": kind, "value": value}}]


@pytest.mark.parametrize(
    ("expression", "kind", "words"),
    [
        ("1\n&& b", "parsing", "Unrecognized named-value: 'b'. Located at position 4 within"),
        ("(1\n", "parsing", "Unexpected end of expression: '1'. Located at position 2 within"),
        ("a.\n", "parsing", "Unexpected symbol: 'EOF'. Located at position 0 within"),
        ("'\U0001f600' ?", "lexing", "Unexpected symbol: '?'. Located at position 6 within"),
        ("fromJSON('')", "evaluation", "empty input. Located within"),
    ],
)
def test_errors_in_the_words_of_the_reference(expression: str, kind: str, words: str) -> None:
    told = {"kind": kind, "value": f"{words} expression: {expression}"}
    assert ask({"expr": expression, "contexts": {"a": 1}}) == [{"err": told}]


def test_the_error_of_a_long_expression_does_not_repeat_it() -> None:
    told = {"kind": "lexing", "value": "ErrorExceededMaxLength"}
    assert ask({"expr": "1" * 21_001}) == [{"err": told}]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b'{"expr": 1}',
        b'{"expr": "1", "contexts": [1]}',
        b'{"expr": "1", "status": 1}',
        b'{"expr": "a", "contexts": {"a": NaN}}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_a_line_that_asks_nothing_is_named(line: bytes) -> None:
    with pytest.raises(Invalid, match="line 2 is not what"):
        list(answers([b'{"expr": "1"}', line]))
