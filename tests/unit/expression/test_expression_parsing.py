"""Tokens, precedence, faults and where they are, and what an expression uses."""

import pickle

import pytest

from headway.expression import ExpressionError, Scope, Uses, Value, check, evaluate

NOTHING = Scope({}, {})


def fault(expression: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        check(expression)
    return caught.value


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 || 0 && 0", 1.0), ("0 || 'a' && 'b'", "b"), ("!1 == 0", True), ("!(1 == 0)", True),
        ("1 < 2 == true", True),
        ("1 == 1 == 1", True), ("3 > 2 > 1", False), ("!!'x'", True), ("0x10", 16.0),
        ("-.5", -0.5), ("''", ""),
        ("'it''s'", "it's"), ("''''", "'"), ("'a''b''c'", "a'b'c"), ("null", None), ("\n1\t", 1.0),
        ("false || ''", ""), ("", None), ("  ", None),
    ],
)  # fmt: skip
def test_values(expression: str, value: Value) -> None:
    found = evaluate(expression, NOTHING)
    assert (found, type(found)) == (value, type(value))


EVEN = "Even number of parameters supplied, requires an odd number of parameters"
FAULTS = [
    ("1 <", "parsing", "Unexpected end of expression: '<'", 2),
    ("1 < )", "parsing", "Unexpected symbol: ')'", 4),
    ("1 2", "parsing", "Unexpected symbol: '2'", 2),
    ("(1", "parsing", "Unexpected end of expression: '1'", 1),
    ("(1,", "parsing", "Unexpected symbol: ','", 2),
    ("1[0]", "parsing", "Unexpected symbol: '['", 1),
    ("a.", "parsing", "Unexpected symbol: 'EOF'", 1),
    ("a[0", "parsing", "Unexpected symbol: 'EOF'", 2),
    ("a.b c", "parsing", "Unexpected symbol: 'c'", 4),
    ("true\n&& (1", "parsing", "Unexpected end of expression: '1'", 9),
    ("contains(1)", "parsing", "Too few parameters supplied: 'contains'", 0),
    ("1 == toJSON(1, 2)", "parsing", "Too many parameters supplied: 'toJSON'", 5),
    ("case(1, 2, 3, 4)", "parsing", f"{EVEN}: 'case'", 0),
    ("always(1)", "parsing", "Too many parameters supplied: 'always'", 0),
    ("hashFiles()", "parsing", "Too few parameters supplied: 'hashFiles'", 0),
    ("nope(1)", "parsing", "Unrecognized function: 'nope'", 0),
    ("", "parsing", "An expression was expected", 0),
    ("1 = 1", "lexing", "Unexpected symbol: '='", 2),
    ("a & b", "lexing", "Unexpected symbol: '&'", 2),
    ("'abc", "lexing", "Unexpected symbol: ''abc'", 0),
    ("'a''", "lexing", "Unexpected symbol: ''a'''", 0),
    ("a == \"b\"", "lexing", "Unexpected symbol: '\"b\"'", 5),
    ("1.2.3", "lexing", "Unexpected symbol: '1.2.3'", 0),
    ("\u00a01", "lexing", "Unexpected symbol: '\u00a01'", 0),
    ("\U0001f600\U0001f600 + 1", "lexing", "Unexpected symbol: '\U0001f600\U0001f600'", 0),
    ("'\U0001f600' ?", "lexing", "Unexpected symbol: '?'", 4),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "kind", "message", "position"), FAULTS)
def test_faults_and_where_they_are(expression: str, kind: str, message: str, position: int) -> None:
    error = fault(expression)
    assert (error.kind, str(error), error.position) == (kind, message, position)
    assert error.expression == expression


def test_the_first_fault_of_a_reader_is_told_first() -> None:
    scope = Scope({"a": 1.0}, {})
    for expression, message in [
        ("b && (", "Unrecognized named-value: 'b'"),
        ("a && ( && b", "Unexpected symbol: '&&'"),
        ("success(b)", "Unrecognized named-value: 'b'"),
        ("success(a) && b", "Unrecognized function: 'success'"),
        ("contains(a) && b", "Too few parameters supplied: 'contains'"),
    ]:
        with pytest.raises(ExpressionError, match=r".") as caught:
            evaluate(expression, scope)
        assert str(caught.value) == message


def test_a_name_is_looked_for_even_where_it_would_not_be_evaluated() -> None:
    with pytest.raises(ExpressionError, match="Unrecognized named-value: 'b'"):
        evaluate("false && b", NOTHING)


def test_constants_are_names_after_a_dot() -> None:
    scope = Scope({"a": {"true": 1.0, "NaN": 2.0}}, {})
    assert evaluate("a.true", scope) == 1.0
    assert evaluate("a . NaN", scope) == 2.0


def test_what_an_expression_uses() -> None:
    uses = check("Always() && github.ref == fromJSON(env.X)[matrix.i] || 'secrets'")
    assert uses == Uses(
        contexts=(("github", 12), ("env", 35), ("matrix", 42)),
        functions=(("always", 0), ("fromjson", 26)),
    )


def test_the_tree_of_a_text_is_remembered_and_its_error_is_fresh() -> None:
    first, second = fault("1 +"), fault("1 +")
    assert first is not second
    assert str(first) == str(second)


def test_an_error_survives_a_journey_to_another_process() -> None:
    error = fault("1 +\n")
    other = pickle.loads(pickle.dumps(error))
    assert (str(other), vars(other)) == (str(error), vars(error))


@pytest.mark.parametrize(
    ("opening", "middle", "closing"),
    [
        ("(", "1", ")"),
        ("!", "1", ""),
        ("case(true, ", "1", ", 2)"),
        ("", "a", ".b"),
        ("", "a", "[0]"),
    ],
)
def test_fifty_levels_are_the_end(opening: str, middle: str, closing: str) -> None:
    check(opening * 48 + middle + closing * 48)
    error = fault(opening * 51 + middle + closing * 51)
    assert str(error).startswith("Exceeded max expression depth 50: ")


def test_twenty_one_thousand_characters_are_the_end() -> None:
    check("1" + " " * 20_999)
    assert str(fault("1" + " " * 21_000)) == "Exceeded max expression length 21000"
    face = "'" + "\U0001f600" * 10_499 + "'"
    check(face)
    assert fault(face + " ").kind == "lexing"  # two UTF-16 units each


def test_long_chains_need_no_depth() -> None:
    assert evaluate("1" + "==1" * 6_999, NOTHING) is True


@pytest.mark.parametrize("one", ["!!1", "(1)", "case(1==1, 1, 2)", "(1).a.b", "(1 && 1)"])
def test_what_stands_side_by_side_needs_no_depth(one: str) -> None:
    check(" || ".join([one] * 100))
