"""Holes in a text, what they are filled with, and what an `if` means."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.expression import (
    ExpressionError,
    Hole,
    Scope,
    Value,
    condition,
    fill,
    holes,
    value,
)  # fmt: skip


def scope(*, ok: bool = True, **contexts: Value) -> Scope:
    status = {
        "success": lambda *_: ok,
        "failure": lambda *_: not ok,
        "always": lambda: True,
        "cancelled": lambda: False,
    }
    return Scope(contexts, status)


def test_holes_and_where_their_expressions_begin() -> None:
    given_text = "a ${{ b }}${{'}}'}} c ${{\n d\n}}"
    found = holes(given_text)
    assert found == (Hole("b", 6), Hole("'}}'", 13), Hole("d", 27))
    for hole in found:
        assert given_text[hole.position :].startswith(hole.expression)


@pytest.mark.parametrize("given_text", ["${{ a", "x ${{ 'a }}", "${{ a }} ${{", "${{ a }"])
def test_a_hole_that_is_never_closed(given_text: str) -> None:
    with pytest.raises(ExpressionError, match="not closed") as caught:
        holes(given_text)
    assert caught.value.kind == "lexing"
    assert given_text[caught.value.position :].startswith("${{")
    assert caught.value.position == given_text.rindex("${{")


@pytest.mark.parametrize(
    ("given_text", "filled"),
    [
        ("plain }} $ {{ ${ {{", "plain }} $ {{ ${ {{"), ("", ""),
        ("${{ a.x }}-${{ a.n }}", "1-1.5"),
        ("${{ a }} ${{ a.l }} ${{ a.none }}|", "Object Array |"), ("{${{ true }}}", "{true}"),
        ("${{ '{0}' }}!", "{0}!"),
    ],
)  # fmt: skip
def test_fill(given_text: str, filled: str) -> None:
    assert fill(given_text, scope(a={"x": "1", "n": 1.5, "l": [], "none": None})) == filled


@pytest.mark.parametrize("evil", ["${{ secrets.token }}", "}} ${{ secrets.token }}", "{0}", "'"])
def test_what_is_filled_in_is_not_read_again(evil: str) -> None:
    seen = scope(a=evil, secrets={"token": "hidden"})
    assert fill("x${{ a }}y", seen) == f"x{evil}y"
    assert fill("${{ a }}", seen) == evil
    assert value("${{ a }}", seen) == evil


def test_value_is_the_value_itself_of_a_single_hole() -> None:
    seen = scope(a=[1.0])
    assert value("${{ a }}", seen) == [1.0]
    assert value(" ${{ a }}", seen) == " Array"
    assert value("a", seen) == "a"
    assert value("${{ null }}", seen) is None


@pytest.mark.parametrize("given_text", ["${{}}", "${{ }}", "a ${{\n}} b"])
def test_an_empty_hole_is_a_fault(given_text: str) -> None:
    for use in (fill, value, condition):
        with pytest.raises(ExpressionError, match="An expression was expected"):
            use(given_text, scope())


@pytest.mark.parametrize(
    ("expression", "if_ok", "if_failed"),
    [
        ("", True, False), ("  ", True, False), ("true", True, False),
        ("${{ true }}", True, False), ("false", False, False),
        ("failure()", False, True), ("${{ failure() }}", False, True), ("always()", True, True),
        ("!cancelled()", True, True),
        ("false || (always() && true)", True, True), ("fromJSON(toJSON(always()))", True, True),
        ("a[always()]", False, False),
        ("'always()'", True, False), ("success() || true", True, True), ("FAILURE()", False, True),
        ("a.failure == 1", True, False),
        # text beside a hole makes a text of the whole, and that is never empty
        ("!${{ true }}", True, False), ("${{ false }} ", True, False),
        ("${{ always() && false }} == 1", True, True),
        ("${{ '' }}${{ '' }}", False, False),
    ],
)  # fmt: skip
def test_conditions(expression: str, if_ok: bool, if_failed: bool) -> None:
    contexts = {"a": {"failure": 1.0}}
    assert condition(expression, scope(ok=True, **contexts)) is if_ok  # type: ignore[arg-type]
    assert condition(expression, scope(ok=False, **contexts)) is if_failed  # type: ignore[arg-type]


def test_a_condition_with_a_fault_is_one_although_the_job_has_failed() -> None:
    for expression in ("nothing.x", "1 +", "${{ nothing }}", "x ${{ a"):
        with pytest.raises(ExpressionError):
            condition(expression, scope(ok=False))


def test_a_condition_is_not_evaluated_when_success_is_missing() -> None:
    with pytest.raises(ExpressionError, match="empty input"):
        condition("fromJSON('')", scope(ok=True))
    assert condition("fromJSON('')", scope(ok=False)) is False


def test_where_success_means_nothing_a_condition_needs_its_own() -> None:
    with pytest.raises(ExpressionError, match="Unrecognized function: 'success'"):
        condition("true", Scope({}, {}))


PLAIN = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda x: "${{" not in x)


@settings(deadline=None)
@given(st.lists(st.tuples(PLAIN, st.text(st.characters(exclude_categories=["Cs"])))), PLAIN)
def test_any_texts_between_any_values(pieces: list[tuple[str, str]], last: str) -> None:
    """A text that ends in a part of `${{` would open another hole: the generator leaves it out."""
    if any(plain.endswith("$") for plain, _ in pieces):
        return
    given_text = "".join(f"{plain}${{{{ v[{n}] }}}}" for n, (plain, _) in enumerate(pieces)) + last
    wanted = "".join(plain + filled for plain, filled in pieces) + last
    assert fill(given_text, scope(v=[filled for _, filled in pieces])) == wanted
