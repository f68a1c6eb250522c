"""Numbers as text, texts as numbers, what is equal, what is less, what is true."""

from math import inf, isnan, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.expression import Scope, evaluate, text, truth
from headway.expression.numbers import number_of, number_text
from headway.expression.values import equal, less

SHOWN = [
    (0.0, "0"), (-0.0, "0"), (1.0, "1"), (-1.5, "-1.5"), (1e20, "100000000000000000000"),
    (1e21, "1e+21"), (-1.5e300, "-1.5e+300"), (1e-6, "0.000001"), (1e-7, "1e-7"),
    (5e-324, "5e-324"), (0.1 + 0.2, "0.30000000000000004"), (123456789.125, "123456789.125"),
    (nan, "NaN"), (inf, "Infinity"), (-inf, "-Infinity"), (2.0**53 + 2, "9007199254740994"),
]  # fmt: skip
ROUNDED = [
    (0.1 + 0.2, "0.3"), (2.0**-16, "0.000015258789063"), (-(2.0**-16), "-0.000015258789063"),
    (4e-16, "0"), (-4e-16, "0"), (5.1e-16, "1e-15"), (1e21, "1e+21"), (10, "10"),
    (2**80, "1.2089258196146292e+24"),
]  # fmt: skip
READ = [
    ("", 0.0), (" \n\t\u00a0\ufeff", 0.0), (" 12 ", 12.0), ("1.", 1.0), (".5", 0.5),
    ("+1e3", 1000.0),
    ("-1E-2", -0.01), ("0x1F", 31.0), ("0O17", 15.0), ("0b11", 3.0), ("Infinity", inf),
    ("-Infinity", -inf),
    ("1e400", inf), ("0x" + "f" * 300, inf), ("007", 7.0),
]  # fmt: skip
NOT_READ = [
    ".", "-", "e1", "1e", "1_0", "-0x1", "0o8", "0b2", "0x", "inf", "nan", "NaN", "INFINITY",
    "1,0", "\u0661", "\x851",
    "1 2", "true",
]  # fmt: skip


@pytest.mark.parametrize(("number", "shown"), SHOWN)
def test_a_number_is_shown_in_its_shortest_form(number: float, shown: str) -> None:
    assert number_text(number) == shown


@pytest.mark.parametrize(("number", "shown"), ROUNDED)
def test_as_text_a_number_has_at_most_fifteen_decimals(number: float, shown: str) -> None:
    assert text(number) == shown


@settings(deadline=None)
@given(st.floats(allow_nan=False))
def test_a_number_reads_back_as_itself(number: float) -> None:
    assert number_of(number_text(number)) == number


@pytest.mark.parametrize(("given_text", "number"), READ)
def test_texts_that_are_numbers(given_text: str, number: float) -> None:
    assert number_of(given_text) == number


@pytest.mark.parametrize("given_text", NOT_READ)
def test_texts_that_are_no_numbers(given_text: str) -> None:
    assert isnan(number_of(given_text))


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, ""), (True, "true"), (False, "false"), ([1], "Array"), ({}, "Object")],
)
def test_other_values_as_text(value: object, shown: str) -> None:
    assert text(value) == shown  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [None, False, 0, 0.0, -0.0, nan, ""])
def test_what_is_false(value: object) -> None:
    assert not truth(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [True, 1, -0.5, inf, " ", "0", "false", [], {}])
def test_what_is_true(value: object) -> None:
    assert truth(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (None, None), (None, 0.0), (None, ""), (None, False), (True, 1), (True, "1"), (False, " "),
        (1.0, "0x1"),
        ("abc", "ABC"), ("stra\u00dfe", "STRASSE"), ("\u03c3", "\u03c2"),
        ("\U00010428", "\U00010400"), (0, -0.0), (1, 1.0),
    ],
)  # fmt: skip
def test_equal(left: object, right: object) -> None:
    assert equal(left, right)  # type: ignore[arg-type]
    assert equal(right, left)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (None, "null"), (True, "true"), (True, 2), (nan, nan), ("1", "1.0"), ([], []), ({}, {}),
        ([], ""), ([], 0), ({}, None),
        ("\u0131", "i"), ("\u0131", "I"), ("\u0130", "i"), ([], {}), (None, []), (nan, "NaN"),
    ],
)  # fmt: skip
def test_not_equal(left: object, right: object) -> None:
    assert not equal(left, right)  # type: ignore[arg-type]
    assert not equal(right, left)  # type: ignore[arg-type]


def test_a_list_is_equal_to_itself_alone() -> None:
    one: list[object] = [1.0]
    assert equal(one, one)
    assert not equal(one, list(one))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("a", "B"), ("A", "b"), ("10", "9"), (9, "10"), (False, True), (None, 1), ("", "a"),
        (None, "1"),
        ("\U0001f600", "\uffff"),  # by UTF-16 units, in which the smiling face begins with D83D
    ],
)  # fmt: skip
def test_less(left: object, right: object) -> None:
    assert less(left, right)  # type: ignore[arg-type]
    assert not less(right, left)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("left", "right"), [(None, None), (nan, 1), ([], []), ([], 1), ("a", "A"), (True, True)]
)
def test_neither_is_less(left: object, right: object) -> None:
    assert not less(left, right)  # type: ignore[arg-type]
    assert not less(right, left)  # type: ignore[arg-type]


def test_null_is_not_less_than_null_but_at_most_null() -> None:
    scope = Scope({}, {})
    assert evaluate("null <= null && null >= null", scope) is True
    assert evaluate("null < null || null > null", scope) is False


def test_what_is_no_value_is_refused_loudly() -> None:
    with pytest.raises(TypeError, match="set is no value"):
        text({1})  # type: ignore[arg-type]
