"""Hostile text is harmless; times, shares and columns read well."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.wording import text

HOSTILE = [
    ("\x1b[31mred\x1b[0m", "red"),
    ("\x1b]0;title\x07after", "after"),
    ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
    ("\x1b[2J\x1b[Hcleared", "cleared"),
    ("a\r\nb\tc", "a b c"),
    ("\x9b31mone byte", "one byte"),
    ("safe\u202eevil", "safeevil"),
    ("bell\x07 null\x00", "bell null"),
    ("\x1bPq#0;2\x1b\\dcs", "dcs"),
]


@pytest.mark.parametrize(("given", "shown"), HOSTILE)
def test_escape_sequences_and_controls_are_gone(given: str, shown: str) -> None:
    assert text.plain(given) == shown


@given(st.text())
def test_plain_is_one_line_of_visible_characters(any_text: str) -> None:
    shown = text.plain(any_text)
    assert all(unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in shown)
    assert text.plain(shown) == shown


@given(st.text())
def test_harmless_json_means_the_same(any_text: str) -> None:
    raw = json.dumps({"subject": any_text}, ensure_ascii=False)
    shown = text.harmless_json(raw)
    assert json.loads(shown) == {"subject": any_text}
    assert not any(0x7F <= ord(c) <= 0x9F or c in "\u202e\u200b\u2066" for c in shown)


def test_a_long_text_is_cut_and_a_block_keeps_its_last_lines() -> None:
    assert text.plain("x" * 50, 10) == "x" * 9 + "…"
    assert text.block("a\nb\n\x1b[31mc", 2) == ["b", "c"]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.42, "0.4 s"), (42, "42 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (273600, "3 d 4 h")],
)
def test_spans(seconds: float, shown: str) -> None:
    assert text.span(seconds) == shown


@pytest.mark.parametrize(
    ("share", "shown"), [(0.05, "5%"), (1.0, "100%"), (0.0, "0%"), (0.00123, "0.123%")]
)
def test_shares(share: float, shown: str) -> None:
    assert text.percent(share) == shown


def test_columns_line_up_and_wide_characters_take_two_cells() -> None:
    assert text.columns([("A", "B"), ("日本", "x"), ("  b", "y")]) == [
        "A     B",
        "日本  x",
        "  b   y",
    ]
    assert text.columns([]) == []


@pytest.mark.parametrize("word", ["released", "failed", "rolled_back", "waiting", "unheard-of"])
def test_a_state_is_a_sign_and_a_word(word: str) -> None:
    sign, _, rest = text.marked(word).partition(" ")
    assert len(sign) == 1
    assert not sign.isalnum()
    assert rest == word.replace("_", " ")
