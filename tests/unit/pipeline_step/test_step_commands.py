"""Workflow commands and environment files, as GitHub's documentation has them."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.model.errors import Failed, Invalid
from headway.pipeline.step import shells
from headway.pipeline.step.commands import MAX_ANNOTATIONS, Command, Heard, Listener, parse
from headway.pipeline.step.files import assignments, folders


def test_commands_are_parsed_and_unescaped() -> None:
    assert parse("  ::Error File=a%3Ab,line=1::50%25 %0A off") == Command(
        "error", {"file": "a:b", "line": "1"}, "50% \n off"
    )
    assert parse("::group::") == Command("group", {}, "")
    for text in ("", "::", "::::x", "text ::error::x", ":error::x", "::error"):
        assert parse(text) is None


@given(st.text(), st.text())
def test_any_line_is_heard(one: str, two: str) -> None:
    listener = Listener()
    for line in (one, f"::{one}::{two}", f"::error {one}::{two}", f"::add-mask::{two}"):
        assert isinstance(listener.hear(line), Heard)


def test_groups_open_and_close() -> None:
    listener = Listener()
    assert listener.hear("::group::A") == Heard("A", "##[group]A", "group", 0)
    assert listener.hear("x").group == 1
    listener.hear("::group::B")
    assert listener.hear("x").group == 2
    for _ in range(5):
        listener.hear("::endgroup::")
    assert listener.hear("x").group == 0


def test_stopped_commands_are_text_until_the_token() -> None:
    listener = Listener()
    listener.hear("::stop-commands::Tok-1")
    assert listener.hear("::error::x") == Heard("::error::x", "::error::x")
    assert listener.hear("::add-mask::y").mask == ""
    assert listener.hear("::tok-1::").text is None
    assert listener.hear("::error::x").level == "error"
    for token in ("", "error", "group"):
        listener.hear(f"::stop-commands::{token}")
        assert listener.hear("::notice::x").level == "notice"


def test_echo_shows_commands_but_never_masks() -> None:
    listener = Listener()
    listener.hear("::echo::on")
    assert listener.hear("::debug::x").text == "::debug::x"
    assert listener.hear("::add-mask::secret") == Heard(None, mask="secret")
    listener.hear("::echo::off")
    assert listener.hear("::debug::x").text is None
    assert Listener(debug=True).hear("::debug::x").text == "x"


def test_annotations_are_bounded_and_old_commands_complain() -> None:
    listener = Listener()
    for n in range(MAX_ANNOTATIONS + 20):
        listener.hear(f"::warning line=9999999999,col=x::{n}")
    assert len(listener.annotations) == MAX_ANNOTATIONS
    assert (listener.annotations[0].line, listener.annotations[0].column) == (0, 0)
    heard = Listener().hear("::set-env name=A::b")
    assert heard.level == "error"
    assert "$GITHUB_ENV" in (heard.text or "")
    assert Listener().hear("::no-such::x").text == "::no-such::x"


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"A=1\nB=x=y\n\nA=2", {"A": "2", "B": "x=y"}),
        (b"A<<EOF\none\n\ntwo\nEOF\nB=", {"A": "one\n\ntwo", "B": ""}),
        (b"A<<E\r\none\r\nE\r\n", {"A": "one"}),
        (b"A=x<<EOF\nB=1", {"A": "x<<EOF", "B": "1"}),
        (b"A<<X=Y\nv\nX=Y", {"A": "v"}),
        (b"\xef\xbb\xbfA=\xff", {"A": "\ufffd"}),
        (b"", {}),
    ],
)
def test_environment_files(data: bytes, found: dict[str, str]) -> None:
    assert assignments(data, "GITHUB_OUTPUT") == found


@pytest.mark.parametrize(
    "data",
    [b"A<<EOF\nx", b"just text", b"A<<\nx", b"=x", b"A=\0", b"A=" + b"x" * 2**20, b"<<E\nE"],
)
def test_environment_files_that_are_refused(data: bytes) -> None:
    with pytest.raises(Failed) as caught:
        assignments(data, "GITHUB_ENV")
    assert caught.value.code == "environment-file"


@given(st.binary(max_size=200))
def test_any_environment_file_is_read_or_refused(data: bytes) -> None:
    found = {}
    with contextlib.suppress(Failed):
        found = assignments(data, "GITHUB_ENV")
    assert all(isinstance(value, str) and name.strip() for name, value in found.items())


def test_the_last_folder_is_the_first_in_path() -> None:
    assert folders(b"/a\n\n /b b \n") == ("/b b", "/a")


def test_shells() -> None:
    assert shells.argv("", "/s") == ["bash", "-e", "/s"]
    assert shells.argv("bash", "/s") == ["bash", "--noprofile", "--norc", "-eo", "pipefail", "/s"]
    assert shells.argv("perl -w '{0}' x", "/a b") == ["perl", "-w", "/a b", "x"]
    for bad in ("perl", "'unclosed {0}", "{0}", " "):
        with pytest.raises(Invalid):
            shells.argv(bad, "/s")
    assert shells.script("pwsh", "x").startswith("$ErrorActionPreference = 'stop'")
