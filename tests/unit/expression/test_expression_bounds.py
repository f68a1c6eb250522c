"""Bombs and noise: one clear error, never anything else."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.expression import ExpressionError, Scope, Value, check, evaluate, fill, holes
from headway.expression.limits import BUDGET


def nested(levels: int) -> Value:
    found: Value = "x"
    for _ in range(levels):
        found = [found]
    return found


BIG: dict[str, Value] = {
    "text": "x" * 1_000_000,
    "list": [float(n) for n in range(100_000)],
    "texts": ["y" * 1000] * 1000,
    "keys": {f"k{n}": 1.0 for n in range(50_000)},
    "deep": nested(201),
}
SCOPE = Scope(BIG, {"hashFiles": lambda *_: "z" * (BUDGET + 1)})
TOO_MUCH = "The maximum allowed memory size was exceeded"
BOMBS = {
    "format": "format('" + "{0}" * 6000 + "', text)",
    "format of format": "format('" + "{0}" * 3000 + "', format('" + "{0}" * 3000 + "', 'aaaaaa'))",
    "join": "join(list, text)",
    "toJSON": "||".join(["toJSON(list) == 1"] * 1000),
    "contains": "||".join(["contains(text, 'z')"] * 1000),
    "contains in a list": "contains(texts, text)",
    "startsWith": "||".join(["startsWith(text, 'z')"] * 900),
    "comparison": "||".join(["text == texts"] * 1200),
    "order": "||".join(["text < 'a'"] * 1200),
    "filter": "||".join(["list.* == 1"] * 1500),
    "lookup": "||".join(["keys.no"] * 2000),
    "fromJSON": "fromJSON(format('[{0}1]', join(list, '[],[],[],[],[],[],[],[],[],')))",
    "a function from outside": "hashFiles('**')",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_ends_in_one_error(bomb: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(BOMBS[bomb], SCOPE)
    assert (caught.value.kind, str(caught.value)) == ("evaluation", TOO_MUCH)


def test_a_text_pays_for_all_its_holes_together() -> None:
    assert len(fill("${{ text }}", SCOPE)) == 1_000_000
    with pytest.raises(ExpressionError, match=TOO_MUCH):
        fill("${{ text }}" * 11, SCOPE)


def test_json_is_nested_two_hundred_levels_at_most() -> None:
    most = "[" * 200 + "]" * 200
    assert evaluate(f"toJSON(fromJSON('{most}')) != ''", SCOPE) is True
    for more in (f"[{most}]", "[" * 9000 + "]" * 9000, "[" * 10_000):
        with pytest.raises(ExpressionError, match="Error parsing JSON when evaluating fromJson"):
            evaluate(f"fromJSON('{more}')", SCOPE)
    with pytest.raises(ExpressionError, match="nested too deeply for JSON"):
        evaluate("toJSON(deep)", SCOPE)


def test_hostile_texts_are_read_in_one_pass() -> None:
    """Each of these takes half a minute and more where a search goes back to the start."""
    hostile = {
        "digits": "9" * 1_000_000 + "x",
        "blanks": " " * 1_000_000 + "x",
        "braces": "{{" * 1_000_000,
    }
    scope = Scope(hostile, {})  # type: ignore[arg-type]
    assert evaluate("digits == 1 || blanks == 1", scope) is False
    assert evaluate("format(braces)", scope) == "{" * 1_000_000
    assert len(holes("${{ ''" * 100_000 + "}}")) == 1
    with pytest.raises(ExpressionError, match="not closed"):
        holes("${{ '" * 100_001)


def test_an_ordinary_payload_is_far_from_the_bounds() -> None:
    event = {"commits": [{"id": str(n), "message": "m" * 200} for n in range(500)]}
    scope = Scope({"github": {"event": event}}, {})
    assert evaluate("contains(join(github.event.commits.*.message), 'mm')", scope) is True
    assert evaluate("fromJSON(toJSON(github)).event.commits[499].id", scope) == "499"


NOISE = st.text(st.sampled_from("ab10.'()[]*!=<>&|, \n-+x{}$é\U0001f600\u00a0") | st.characters())


def refusal(use: Callable[..., object], *given_to_it: object) -> ExpressionError | None:
    try:
        use(*given_to_it)
    except ExpressionError as error:
        return error
    return None


@settings(deadline=None)
@given(NOISE)
def test_noise_is_understood_or_refused_where_it_stands(expression: str) -> None:
    error = refusal(check, expression)
    if error is not None:
        assert error.kind in ("lexing", "parsing")
        assert 0 <= error.position <= len(expression)
        assert str(error)


@settings(deadline=None)
@given(NOISE)
def test_noise_in_a_text_fills_or_is_refused(given_text: str) -> None:
    scope = Scope({"a": 1.0, "b": {}}, {})
    error = refusal(fill, given_text, scope)
    if "${{" not in given_text:
        assert error is None
        assert fill(given_text, scope) == given_text
