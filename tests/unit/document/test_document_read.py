"""A document is read with places, or refused with one clear problem at its place."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.document import (
    STRICT,
    WITH_ANCHORS,
    Limits,
    Mapping,
    Mark,
    Plain,
    Scalar,
    Sequence,
    decode,
    find,
    invalid,
    plain,
    quoted,
    read,
    walk,
)
from headway.model.errors import Invalid, Problem


def problem(text: str, limits: Limits = STRICT) -> str:
    """The one problem of a text, without the file's name."""
    with pytest.raises(Invalid) as caught:
        read(text, "f", limits=limits)
    assert len(caught.value.problems) == 1
    return str(caught.value.problems[0]).removeprefix("f:")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("no", "no"),
        ("off", "off"),
        ("y", "y"),
        ("010", "010"),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ("2026-01-01", "2026-01-01"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("0b11", "0b11"),
        ("=", "="),
        ("<<", "<<"),
        ("1e400", "1e400"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("9223372036854775808", "9223372036854775808"),
        ("9" * 5000, "9" * 5000),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("0", 0),
        ("0o17", 15),
        ("0x1F", 31),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("'12'", "12"),
        ('"true"', "true"),
    ],
)
def test_words_mean_what_yaml_1_2_core_says(written: str, value: Plain) -> None:
    read_back = plain(read(f"a: {written}", "f"))
    assert read_back == {"a": value}
    assert isinstance(read_back, dict)
    assert type(read_back["a"]) is type(value)


def test_every_key_and_value_has_its_place() -> None:
    root = read("a: 1\nb:\n  é: [x, 'y']\n  c:\n", "f")
    assert isinstance(root, Mapping)
    assert root.keys() == ("a", "b")
    nested = root.get("b")
    assert isinstance(nested, Mapping)
    assert nested.key("é") == Scalar("é", "é", Mark(3, 3))
    assert find(root, ("b", "é", 1)) == Scalar("y", "y", Mark(3, 10), quoted=True)
    assert find(root, ("b", "é", 2)) is None
    assert find(root, ("a", "b")) is None
    assert isinstance(nested.get("é"), Sequence)
    assert [path for path, _, _ in walk(root)][-1] == ("b", "c")
    assert nested.get("zz") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1:1: the file is empty  [empty]"),
        ("# only this\n", "1:1: the file is empty  [empty]"),
        ("---\n", "1:1: the file is empty  [empty]"),
        ("a: 1\n\tb: 2", "2:1: a tab cannot indent YAML. Use spaces  [tab]"),
        ("a:\n  b: 1\n \tc: 2", "3:2: a tab cannot indent YAML. Use spaces  [tab]"),
        ("é: 1\né: 2", "2:1: `é` is written twice; first on line 1. Keep one  [duplicate-key]"),
        (
            "a: {'b': 1, b: 2}",
            "1:13: `b` is written twice; first on line 1. Keep one  [duplicate-key]",
        ),
        (
            "a: 1\n---\nb: 2",
            "2:1: a second document starts here. Keep one document in the file  [two-documents]",
        ),
        ("a: !!python/object:os.system x", "1:4: tags (`!`) are not read here. Write the plain"),
        ("a: ! x", "1:4: tags (`!`) are not read here"),
        ("%YAML 1.1\n---\na: on", "1:1: `%` directives are not read here"),
        ("? [a]\n: 1", "1:3: a key must be one word, not a list or a block  [key]"),
        ("a: \x07", "1:4: the character U+0007 cannot be in a file. Remove it  [character]"),
        ('a: "\\0"', "1:4: an escape makes a character that no text may hold"),
        ("\ufeffa: 1", "1:1: the file starts with a byte order mark"),
        ("a: " + "x" * STRICT.max_bytes, "1:1: the file has 262147 bytes; at most 256 KiB"),
        ("[" * 300, "1:21: nested more than 20 deep. Write it flatter  [too-deep]"),
        ("- " * 300, "1:41: nested more than 20 deep"),
        ("- x\n" * 20_000, "20000:3: more than 20000 values, aliases written out  [too-large]"),
        ("a: [1\nb: 2", "2:2: this is not YAML: while parsing a flow sequence"),
        ("a: b: c", "1:5: this is not YAML: mapping values are not allowed"),
        ("a: &x 1", "1:4: anchors and aliases are not read here"),
        ("a: *x", "1:4: anchors and aliases are not read here"),
    ],
)
def test_refused_with_one_problem_at_its_place(text: str, expected: str) -> None:
    assert problem(text).startswith(expected)


def test_as_deep_as_allowed_is_read() -> None:
    depth = STRICT.max_depth
    assert read("[" * depth + "]" * depth, "f")


def test_all_repeated_keys_are_told_at_once() -> None:
    with pytest.raises(Invalid) as caught:
        read("a: 1\na: 2\nb: {c: 1, c: 2}\n", "f")
    assert [p.line for p in caught.value.problems] == [2, 3]


def test_bad_utf_8_is_placed() -> None:
    with pytest.raises(Invalid) as caught:
        decode(b"a: \xc3\xa9\nb: \xc3\xa9\xff", "f")
    assert str(caught.value.problems[0]) == (
        "f:2:5: byte 0xff is not UTF-8. Save the file as UTF-8  [encoding]"
    )
    assert decode("a: é".encode(), "f") == "a: é"


def test_aliases_are_read_where_allowed() -> None:
    text = "a: &x {b: [1, 2]}\nc: *x\n&k d: *k\n"
    assert plain(read(text, "f", limits=WITH_ANCHORS)) == {
        "a": {"b": [1, 2]},
        "c": {"b": [1, 2]},
        "d": "d",
    }


def test_billion_laughs_are_refused_before_they_are_laughed() -> None:
    letters = "abcdefghij"
    lines = ["a: &a [" + ", ".join(["ha"] * 10) + "]"]
    for last, name in pairwise(letters):
        lines.append(f"{name}: &{name} [" + ", ".join([f"*{last}"] * 10) + "]")
    assert problem("\n".join(lines), WITH_ANCHORS).endswith(
        "more than 20000 values, aliases written out  [bomb]"
    )


def test_aliases_cannot_hide_depth() -> None:
    lines = ["a: &a [x]"]
    lines += [f"a{n}: &a [*a]" for n in range(30)]
    assert problem("\n".join(lines), WITH_ANCHORS).endswith("[too-deep]")


@pytest.mark.parametrize("text", ["a: &x [*x]", "a: *unknown", "a: &x {b: *x}"])
def test_an_alias_of_nothing_finished_is_refused(text: str) -> None:
    assert problem(text, WITH_ANCHORS).endswith("[alias]")


def test_problems_are_sorted_capped_and_counted() -> None:
    many = [Problem("f", n, 1, "late", "x") for n in range(1, 31)]
    error = invalid([*many, Problem("f", 99, 1, "cause", "unknown-key")])
    assert len(error.problems) == 20
    assert error.problems[0].sentence == "cause"
    assert error.what == "31 problems, the first 20 shown. Nothing was changed."
    assert invalid(many[:1]).what == "1 problem. Nothing was changed."
    with pytest.raises(ValueError, match="needs a problem"):
        invalid([])


def test_hostile_words_are_shown_on_one_short_line() -> None:
    shown = quoted("\x1b[31m\n" + "x" * 500)
    assert shown.isprintable()
    assert len(shown) < 90


YAMLISH = st.text(alphabet=st.sampled_from(list("ab:- \n\t[]{},&*!|>'\"#%@`?~0.\\é\0\ufeff")))


def refused(text: str, limits: Limits) -> Invalid | None:
    try:
        node = read(text, "f", limits=limits)
    except Invalid as error:
        return error
    assert all(n.at.line >= 1 for _, _, n in walk(node))
    return None


@given(st.one_of(st.text(), YAMLISH))
def test_any_text_is_read_or_invalid(text: str) -> None:
    for limits in (STRICT, WITH_ANCHORS):
        if error := refused(text, limits):
            assert error.problems
            assert all(p.line >= 1 and p.column >= 1 and p.code for p in error.problems)


@given(st.binary())
def test_any_bytes_are_text_or_invalid(data: bytes) -> None:
    try:
        text = decode(data, "f")
    except Invalid as error:
        assert error.code == "encoding"  # noqa: PT017 - either outcome is right
        return
    assert text.encode() == data
