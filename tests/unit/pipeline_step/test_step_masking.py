"""Masking: every form of a secret, wherever a text is cut, and never more than that."""

import base64
import html
import json
import random
import re
import shlex
import urllib.parse
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.pipeline.step.masking import Masker, forms

SECRETS = (
    "hunter2-hunter2",
    'p@ss w\'ord "x" & <y> $HOME/%20+',
    "ünïcödé-geheim-ß",
    "-----BEGIN KEY-----\nabcdefgh+/ijklmnop==\nqrstuvwx12345678\n-----END KEY-----",
    "A" * 10 + "b" * 90,
    "back\\slash\\and`tick`",
)
ENCODINGS: dict[str, Callable[[str], str]] = {
    "verbatim": str,
    "base64": lambda s: _b64(s.encode()),
    "base64 after one byte": lambda s: _b64(b":" + s.encode()),
    "base64 after two bytes": lambda s: _b64(b"u:" + s.encode() + b"!"),
    "base64url": lambda s: base64.urlsafe_b64encode(s.encode()).decode(),
    "url": lambda s: urllib.parse.quote(s, safe=""),
    "form": urllib.parse.quote_plus,
    "json": lambda s: json.dumps({"k": s}),
    "json in json": lambda s: json.dumps(json.dumps(s)),
    "expression": lambda s: s.replace("'", "''"),
    "xml": html.escape,
    "shell": shlex.quote,
    "repr": repr,
    "hex": lambda s: s.encode().hex(),
    "quoted": lambda s: f'"{s}"',
}


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def streamed(masker: Masker, data: bytes, cuts: list[int]) -> bytes:
    """The text in pieces, as output comes."""
    shown, rest = b"", b""
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        more, rest = masker.cut(rest + data[start:end])
        shown += more
    return shown + masker.data(rest)


def leaks(secret: str, encoded: str, shown: bytes) -> bool:
    """Whether eight characters on end of what was hidden can still be read."""
    text = shown.decode("utf-8", "replace")
    hidden = [line for line in encoded.splitlines() if len(line) >= 8]
    parts = {line[i : i + 8] for line in hidden for i in range(len(line) - 7)}
    around = {'{"k": "', "BEGIN KE"}
    return any(part in text and part not in around for part in parts)


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("secret", SECRETS)
def test_every_form_is_hidden_at_every_cut(name: str, secret: str) -> None:
    encoded = ENCODINGS[name](secret)
    data = f"before {encoded} after\n".encode()
    masker = Masker([secret])
    assert not leaks(secret, encoded, masker.data(data))
    chance = random.Random(f"{name}{secret}")
    for _ in range(40):
        cuts = sorted(chance.sample(range(len(data) + 1), chance.randint(1, min(6, len(data)))))
        shown = streamed(masker, data, cuts)
        assert not leaks(secret, encoded, shown)
        assert shown.startswith(b"before ")
        assert shown.endswith(b" after\n")


def test_each_line_of_a_secret_of_several_lines() -> None:
    key = SECRETS[3]
    masker = Masker([key])
    for line in key.splitlines():
        assert masker.text(f"> {line} <") == "> *** <"
    assert masker.text("\r\n".join(key.splitlines())) == "***\r\n***\r\n***\r\n***"


def test_wrapped_base64_as_the_command_prints_it() -> None:
    secret = "".join(chr(33 + n % 90) for n in range(200))
    whole = _b64(secret.encode())
    for width in (64, 76):
        rows = [whole[i : i + width] for i in range(0, len(whole), width)]
        assert Masker([secret]).text("\n".join(rows)) == "\n".join(["***"] * len(rows))


def test_overlapping_secrets_are_hidden_whole() -> None:
    masker = Masker(["abcdef-1", "ef-12345", "45678901"])
    assert masker.text("xx abcdef-12345678901 yy") == "xx *** yy"


@given(
    st.lists(
        st.text(st.characters(codec="utf-8"), min_size=4, max_size=30), min_size=1, max_size=5
    ),
    st.lists(st.text(alphabet="ab \n:;xyz", max_size=30), min_size=2, max_size=6),
    st.randoms(use_true_random=False),
)
@settings(max_examples=150, deadline=None)
def test_no_secret_survives_any_text(
    secrets: list[str], around: list[str], chance: random.Random
) -> None:
    masker = Masker(secrets)
    text = "".join(piece + chance.choice(secrets) for piece in around)
    data = text.encode()
    cuts = sorted(chance.sample(range(len(data) + 1), min(4, len(data))))
    for shown in (masker.data(data), streamed(masker, data, cuts)):
        for secret in secrets:
            if secret.strip() and secret.strip("*"):
                bare = secret.strip()
                assert len(bare) < 4 or bare.encode() not in re.sub(rb"\*{3}", b"\0", shown)


def test_text_without_secrets_is_the_same_object() -> None:
    masker = Masker(["hunter2-hunter2"])
    data = b"nothing here" * 1000
    assert masker.data(data) is data
    assert Masker().data(data) is data
    assert not masker.hides("hunter2")


def test_blank_secrets_hide_nothing_and_short_ones_only_themselves() -> None:
    assert forms("") == forms(" \n\t") == frozenset()
    assert forms("ab") == {b"ab"}


def test_masks_added_later_count_from_then_on() -> None:
    masker = Masker(["first-secret"])
    assert masker.text("second-secret") == "second-secret"
    masker.add("second-secret")
    assert masker.text("first-secret second-secret") == "*** ***"
