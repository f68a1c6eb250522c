"""JSON that can be understood in two ways is refused, and what is written has one form."""

import pytest

from headway.artifact import strict
from headway.artifact.strict import Unreadable


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'{"a":1,"a":1}', "twice"),
        (b'[{"a":{"b":1,"b":2}}]', "twice"),
        (b"[" * 17 + b"]" * 17, "deeper"),
        (b'{"a":' * 100_000, "deeper"),
        (b'"\\ud800"', "not JSON"),
        (b'{"\\udfff":1}', "not JSON"),
        (b'"\xff"', "not JSON"),
        (b"NaN", "NaN"),
        (b"-Infinity", "-Infinity"),
        (b"9" * 5000, "not JSON"),
        (b"{} {}", "not JSON"),
        (b"", "not JSON"),
        (b" " * (strict.MAX_BYTES + 1), "limit"),
    ],
)
def test_ambiguous_or_excessive_json_is_refused_with_its_reason(data: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        strict.loads(data)


def test_brackets_inside_texts_are_no_depth() -> None:
    assert strict.loads(b'["' + b"[" * 100 + b'\\"{{{{"]') == ["[" * 100 + '"{{{{']


def test_the_written_form_does_not_depend_on_the_order_of_keys() -> None:
    assert strict.dumps({"b": [1, "ü"], "a": None}) == '{"a":null,"b":[1,"ü"]}'.encode()


def test_hostile_text_is_shown_on_one_line_and_short() -> None:
    assert strict.shown("a\x1b[31m\nb") == "'a\\x1b[31m\\nb'"
    assert len(strict.shown("x" * 10_000)) < 130
