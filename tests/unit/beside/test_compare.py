"""Where two answers differ."""

import json

from hypothesis import given
from hypothesis import strategies as st

from headway.adapters.beside.compare import KINDS, Got, differences, first

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


def got(value: object, status: int = 200) -> Got:
    return Got(status, "application/json; charset=utf-8", json.dumps(value).encode())


@given(VALUES, VALUES)
def test_equal_answers_do_not_differ_and_it_does_not_matter_who_is_first(
    one: object, other: object
) -> None:
    assert not differences(got(one), got(one))
    assert differences(got(one), got(other)) == differences(got(other), got(one))
    if json.loads(json.dumps(one)) != json.loads(json.dumps(other)):
        assert differences(got(one), got(other))


@given(st.binary(), st.binary(), st.text(), st.integers(100, 599))
def test_any_bytes_are_compared(one: bytes, other: bytes, kind: str, status: int) -> None:
    for mine in (kind, "application/json"):
        found = differences(Got(200, mine, one), Got(status, mine, other))
        assert {k for k, _ in found} <= set(KINDS)
        assert (("status", "") in found) == (status != 200)


@given(VALUES, VALUES, VALUES)
def test_ignored_fields_never_differ(one: object, other: object, rest: object) -> None:
    left, right = (
        {"id": one, "deep": [{"id": one, "x": rest}]},
        {"id": other, "deep": [{"x": rest}]},
    )
    assert not differences(got(left), got(right), ("id",))


def test_each_kind_has_its_place() -> None:
    assert differences(got({"a": [1]}), got({"a": ["1"]})) == {("schema", "$.a[]")}
    assert differences(got({"a": 1}), got({"a": 2})) == {("body", "$.a")}
    assert differences(got({"a": 1}), got({"a": 1.0})) == frozenset()
    assert differences(got({"a": True}), got({"a": 1})) == {("schema", "$.a")}
    assert differences(got({"a": [1, 2]}), got({"a": [1]})) == {("body", "$.a.length")}
    assert differences(got({}), got({"a": None})) == {("schema", "$.a")}
    assert differences(Got(200, "text/plain", b"a"), Got(200, "text/plain", b"b")) == {("body", "")}
    assert first({("body", "$.a"), ("status", ""), ("schema", "$.b")}) == ("status", "")


def test_hostile_answers_end() -> None:
    deep = b"[" * 100_000
    wide = {f"field {n}": n for n in range(5000)}
    many = differences(got(wide), got(dict.fromkeys(wide, -1)))
    assert 0 < len(many) <= 200
    assert differences(Got(200, "application/json", deep), got(1)) == {("body", "")}
    nest: object = 1
    other: object = 2
    for _ in range(60):
        nest, other = [nest], [other]
    assert differences(got(nest), got(other))
