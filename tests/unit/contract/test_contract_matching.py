"""What an answer may differ in: the rules of the format, one by one."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.contract import rules
from headway.contract.interaction import Body, Got, Rule, Wanted
from headway.contract.matching import compare
from headway.contract.paths import nearest, parse, said


def body(expected: Any, got: Any, found: dict[str, Any] | None = None) -> list[str]:
    """What differs; rules as JSON."""
    given = {
        path: {"matchers": m if isinstance(m, list) else [m]} for path, m in (found or {}).items()
    }
    wanted = Wanted(body=Body(expected), body_rules=rules.of_body(given))
    return [str(m) for m in compare(wanted, Got(200, {}, json.dumps(got).encode()))]


TYPE = {"match": "type"}


def test_without_rules_values_are_equal_and_more_keys_do_no_harm() -> None:
    assert body({"a": 1, "b": [1, 2]}, {"a": 1, "b": [1, 2], "c": 3}) == []
    assert body({"a": 1}, {"a": 2}) == ["body $.a: expected 1, got 2"]
    assert body({"a": {"b": None}}, {"a": {}}) == ["body $.a.b: expected null, got nothing"]
    assert body({"a": [1]}, {"a": [1, 2]}) == ["body $.a: expected 1 elements, got 2"]
    assert body({"a": True}, {"a": 1}) == ["body $.a: expected true, got 1"]
    assert body({"a": 1}, {"a": 1.0}) == []
    assert body({"a": {}}, {"a": []}) == ["body $.a: expected an object, got []"]


@pytest.mark.parametrize(
    ("matcher", "good", "bad", "words"),
    [
        ({"match": "type"}, "b", 2, "text"),
        ({"match": "regex", "regex": "^[A-Z]{3}$"}, "EUR", "euro", "what matches `^[A-Z]{3}$`"),
        ({"match": "integer"}, 7, 7.5, "an integer"),
        ({"match": "decimal"}, 7.5, 7, "a decimal number"),
        ({"match": "number"}, 7, "7", "a number"),
        ({"match": "boolean"}, False, 0, "a boolean"),
        ({"match": "null"}, None, 0, "null"),
        ({"match": "include", "value": "ok"}, "all ok", "no", 'text with "ok"'),
        ({"match": "equality"}, "a", "b", '"a"'),
        ({"match": "notEmpty"}, "x", "", "text that is not empty"),
        ({"match": "semver"}, "1.2.3", "1.2", "a semantic version"),
    ],
)
def test_each_matcher(matcher: dict[str, Any], good: Any, bad: Any, words: str) -> None:
    assert body({"v": "a"}, {"v": good}, {"$.v": matcher}) == []
    found = body({"v": "a"}, {"v": bad}, {"$.v": matcher})
    assert found == [f"body $.v: expected {words}, got {json.dumps(bad)}"]


def test_each_like_is_type_with_a_least_number() -> None:
    like = {"$.items": {"match": "type", "min": 2}}
    expected = {"items": [{"id": 1, "name": "a"}]}
    assert (
        body(expected, {"items": [{"id": 2, "name": "b", "x": 0}, {"id": 3, "name": "c"}]}, like)
        == []
    )
    assert body(expected, {"items": [{"id": 2, "name": "b"}]}, like) == [
        "body $.items: expected at least 2 elements, got 1"
    ]
    wrong = body(expected, {"items": [{"id": "2", "name": "b"}, {"id": 3}]}, like)
    assert wrong == [
        'body $.items[0].id: expected a number, got "2"',
        'body $.items[1].name: expected "a", got nothing',
    ]
    most = {"$.items": {"match": "type", "max": 1}}
    assert body(expected, {"items": []}, most) == []
    assert "at most 1" in body(expected, {"items": [{"id": 1, "name": "a"}] * 2}, most)[0]


def test_the_nearest_rule_decides_and_rules_reach_down() -> None:
    found = {"$.items": TYPE, "$.items[*].price": {"match": "decimal"}}
    expected = {"items": [{"price": 1.5, "tag": "x"}]}
    assert body(expected, {"items": [{"price": 2.5, "tag": "y"}]}, found) == []
    assert body(expected, {"items": [{"price": 2, "tag": "y"}]}, found) == [
        "body $.items[0].price: expected a decimal number, got 2"
    ]


def test_all_or_one_of_several_matchers() -> None:
    two = [{"match": "integer"}, {"match": "null"}]
    given = {"body": {"$.v": {"matchers": two, "combine": "OR"}}}
    wanted = Wanted(body=Body({"v": 1}), body_rules=rules.of_body(given["body"]))
    for value, faults in ((2, 0), (None, 0), ("x", 1)):
        assert len(compare(wanted, Got(200, {}, json.dumps({"v": value}).encode()))) == faults
    assert len(body({"v": 1}, {"v": 1}, {"$.v": two})) == 1


def test_status_and_headers() -> None:
    wanted = Wanted(200, (("Content-Type", "application/json; charset=utf-8"), ("ETag", '"1"')))
    good = {"content-type": "application/json;charset=UTF-8", "etag": '"1"'}
    assert compare(wanted, Got(200, good, b"")) == ()
    found = [str(m) for m in compare(wanted, Got(404, {"content-type": "text/html"}, b""))]
    assert found[0] == "status: expected 200, got 404"
    assert found[1].startswith("header Content-Type: expected")
    assert found[2] == 'header ETag: expected "\\"1\\"", got none'
    number = rules.of_names({"X-Total": {"matchers": [{"match": "integer"}]}})
    counted = Wanted(headers=(("X-Total", "1"),), header_rules=number)
    assert compare(counted, Got(200, {"x-total": "42"}, b"")) == ()
    assert compare(counted, Got(200, {"x-total": "many"}, b""))
    fine = Wanted(
        200,
        status_rules=rules.of_whole({"matchers": [{"match": "statusCode", "status": "success"}]}),
    )
    assert compare(fine, Got(204, {}, b"")) == ()
    assert str(compare(fine, Got(302, {}, b""))[0]) == "status: expected success, got 302"


def test_a_body_that_is_no_json_says_so() -> None:
    found = compare(Wanted(body=Body({"a": 1})), Got(200, {}, b"<html>"))
    assert str(found[0]) == 'body: expected JSON, got "<html>"'
    text = Wanted(body=Body("pong", json=False))
    assert compare(text, Got(200, {}, b"pong")) == ()
    assert compare(text, Got(200, {}, b"ping"))


def test_a_flood_of_differences_is_bounded() -> None:
    assert len(body({"a": list(range(1000))}, {"a": [-1] * 1000})) == 50
    assert len(body({"a": "b"}, {"a": "x" * 100_000})[0]) < 400


NAMES = st.text("abc-é ']\"", min_size=1, max_size=5).filter(lambda n: not ("'" in n and '"' in n))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


@given(JSON)
def test_an_equal_answer_always_keeps_the_contract(value: Any) -> None:
    assert body(value, value) == []
    assert body(value, value, {"$": TYPE}) == []


@given(
    st.lists(NAMES.filter(lambda n: "'" not in n and "]" not in n) | st.integers(0, 99), max_size=5)
)
def test_a_path_that_is_told_is_read_back(path: list[str | int]) -> None:
    assert parse(said(path)) == tuple(path)


@pytest.mark.parametrize("text", ["a", "$a", "$.", "$[", "$['a", "$" + ".a" * 61, "$" + "a" * 2000])
def test_a_path_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text)


def test_weights() -> None:
    def rule(text: str) -> Rule:
        return Rule(parse(text), ())

    all_of = [rule("$"), rule("$.*"), rule("$.a"), rule("$.a[*]"), rule("$.a[0].b")]
    assert nearest(all_of, parse("$.a[0].b")) is all_of[4]
    assert nearest(all_of, parse("$.a[1]")) is all_of[3]
    assert nearest(all_of, parse("$.z")) is all_of[1]
    assert nearest(all_of[1:], ()) is None
