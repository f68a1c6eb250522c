"""Indexes, filters and the built-in functions."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.expression import ExpressionError, Scope, Value, evaluate

DATA: dict[str, Value] = {
    "list": [1.0, "b", None],
    "dict": {"Name": "x", "n1": {"v": 1.0}, "n2": {"V": 2.0}, "n3": "text", "": "empty"},
    "deep": [{"a": [{"b": 1.0}, {"b": 2.0}]}, {"a": {"k": {"b": 3.0}}}, 4.0],
    "text": "abc",
}
TOO_FEW = "The following format string references more arguments than were supplied: "
SCOPE = Scope(DATA, {"hashFiles": lambda *globs: ",".join(globs), "ALWAYS": lambda: True})


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("list[1]", "b"), ("list['1']", "b"), ("list[1.9]", "b"), ("list[true]", "b"),
        ("list[null]", 1.0), ("list['']", 1.0),
        ("list[-1]", None), ("list[9]", None), ("list['x']", None), ("list[NaN]", None),
        ("list[list]", None), ("list.x", None),
        ("dict.name", "x"), ("DICT['NAME']", "x"), ("dict.nothing", None), ("dict[null]", "empty"),
        ("dict[dict]", None),
        ("text.x", None), ("text[0]", None), ("text.*", []), ("list.*.x", []),
        ("list.*", [1.0, "b", None]),
        ("dict.*.v", [1.0, 2.0]), ("deep.*.a", [[{"b": 1.0}, {"b": 2.0}], {"k": {"b": 3.0}}]),
        ("deep.*.a.*.b", [1.0, 2.0, 3.0]), ("deep[*]['a'][0]", [{"b": 1.0}]),
        ("deep.*.a.*.*", [1.0, 2.0, 3.0]),
        ("(deep.*).a[0].b", [1.0]),
        ("fromJSON('[1,2]')[-1]", None), ("fromJSON('[1,2]')[-0.5]", None),
        ("fromJSON('[[1,2],[3]]').*[0]", [1.0, 3.0]),
        ("fromJSON('[[1,2],[3]]').*.*", [1.0, 2.0, 3.0]),
    ],
)  # fmt: skip
def test_indexes_and_filters(expression: str, value: Value) -> None:
    found = evaluate(expression, SCOPE)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("contains('Hello', 'LL')", True), ("contains('a', '')", True), ("contains(123, 2)", True),
        ("contains(list, 'B')", True),
        ("contains(list, 'bb')", False), ("contains(list, 0)", True),
        ("contains(dict, 'x')", False), ("contains('Array', list)", False),
        ("startsWith('\U0001f600', fromJSON('\"\\ud83d\"'))", True),
        ("contains('\U0001f600', fromJSON('\"\\ud83d\"'))", True),
        ("startsWith('stra\u00dfe', 'STRASS')", True), ("startsWith(list, '')", False),
        ("endsWith('refs/Main', 'main')", True),
        ("endsWith(10, 0)", True), ("endsWith('', null)", True),
        ("format('{0} {{{1}}} {0:x}', 'a', 1.5)", "a {1.5} a"), ("format('{00}', 'a')", "a"),
        ("format(list)", "Array"),
        ("join(list)", "1,b,"), ("join(list, ', ')", "1, b, "), ("join(list, list)", "1,b,"),
        ("join('a', 'b')", "a"), ("join(dict)", ""),
        ("join(fromJSON('[[], {}, true]'), '')", "ArrayObjecttrue"),
        ("toJSON(list)", '[\n  1,\n  "b",\n  null\n]'), ("toJSON(fromJSON('{}'))", "{}"),
        ("toJSON(NaN)", "null"),
        ("toJSON(fromJSON('[1e21, -0, 1.50, []]'))", "[\n  1e+21,\n  0,\n  1.5,\n  []\n]"),
        ("toJSON(fromJSON('[{\"a\": {}}]'))", '[\n  {\n    "a": {}\n  }\n]'),
        ("toJSON('\u00e9\t\"\\\u2028')", '"\u00e9\\t\\"\\\\\u2028"'),
        ("toJSON(fromJSON('\"\\ud83d\"'))", '"\\ud83d"'),
        ("join(fromJSON('[\"\\ud83d\", \"\\ude00\"]'), '')", "\U0001f600"),
        ("fromJSON('{\"b\": 1, \"10\": 2, \"9\": 3}').*", [3.0, 2.0, 1.0]),
        ("toJSON(fromJSON('{\"a\":1,\"A\":2}'))", '{\n  "a": 1\n}'),
        ("fromJSON(null || '1')", 1.0), ("fromJSON(true)", True),
        ("case(1 == 2, 'a', 1 == 1, 'b', 'c')", "b"), ("case(false, 'a', 'c')", "c"),
        ("hashfiles('a', 'b')", "a,b"), ("always()", True),
    ],
)  # fmt: skip
def test_functions(expression: str, value: Value) -> None:
    found = evaluate(expression, SCOPE)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("format('{')", "The following format string is invalid: {"),
        ("format('}')", "The following format string is invalid: }"),
        ("format('{a}', 1)", "The following format string is invalid: {a}"),
        ("format('{}', 1)", "The following format string is invalid: {}"),
        ("format('{1}', 1)", f"{TOO_FEW}{{1}}"),
        ("format('{" + "9" * 5000 + "}', 1)", TOO_FEW + "{" + "9" * 5000 + "}"),
        ("fromJSON('')", "empty input"), ("fromJSON(null)", "empty input"),
        ("fromJSON('[1,]')", "Error parsing JSON when evaluating fromJson"),
        ("fromJSON('[NaN]')", "Error parsing JSON when evaluating fromJson"),
        ("fromJSON(list)", "Error parsing JSON when evaluating fromJson"),
        ("case('true', 1, 2)", "case predicate must evaluate to a boolean value"),
        ("list[fromJSON('')]", "could not evaluate index for index access: empty input"),
    ],
)  # fmt: skip
def test_errors_of_evaluation(expression: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(expression, SCOPE)
    assert (caught.value.kind, str(caught.value)) == ("evaluation", message)
    assert caught.value.expression == expression


def test_the_same_list_comes_back_not_a_copy() -> None:
    assert evaluate("list", SCOPE) is DATA["list"]
    assert evaluate("deep == deep && deep[0] == deep[0] && !(deep.* == deep.*)", SCOPE) is True


def test_of_keys_that_differ_in_case_the_exact_one_is_taken_first() -> None:
    scope = Scope({"env": {"Path": "1", "PATH": "2"}}, {})
    assert evaluate("env.PATH", scope) == "2"
    assert evaluate("env.path", scope) == "1"


def test_arguments_are_evaluated_although_a_case_needs_them_not() -> None:
    with pytest.raises(ExpressionError, match="empty input"):
        evaluate("case(true, 1, fromJSON(''))", SCOPE)


def test_what_comes_after_a_decision_is_not_evaluated() -> None:
    called: list[str] = []
    note: Callable[..., Value] = lambda *given: called.append(str(given)) or "x"  # type: ignore[func-returns-value]  # noqa: E731
    scope = Scope({}, {"hashFiles": note})
    assert evaluate("false && hashFiles('a') || 1 || hashFiles('b')", scope) == 1.0
    assert called == []
    assert evaluate("true && hashFiles('a')", scope) == "x"
    assert called == ["('a',)"]


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc", max_size=3), inner),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None)
@given(JSON)
def test_json_comes_back_as_it_went(value: Any) -> None:
    scope = Scope({"v": value}, {})
    assert evaluate("fromJSON(toJSON(v))", scope) == value
    assert json.loads(str(evaluate("toJSON(v)", scope)), parse_int=float) == value
