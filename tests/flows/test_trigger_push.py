"""Notes of the hook and a look at the refs tell the same moves: each is told once, in any order."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.triggering import Bureau

from headway.flows import trigger_push
from headway.pipeline.trigger.moved import pushed

A, B, C, D = (letter * 40 for letter in "abcd")
MAIN = "refs/heads/main"


@pytest.fixture
def bureau(tmp_path: Path) -> Iterator[Bureau]:
    made = Bureau(tmp_path / "home")
    yield made
    made.db.dispose()


class Refs:
    """One hosted repository as the notes and the looks tell of it."""

    def __init__(self, bureau: Bureau) -> None:
        self._bureau = bureau
        self._names = itertools.count()

    def note(self, old: str, new: str) -> bool:
        event = replace(
            pushed("hosted", "/r", MAIN, old, new), delivery=f"note {next(self._names)}"
        )
        with self._bureau.tx() as tx:
            return bool(trigger_push.take(tx, event))

    def look(self, sha: str) -> list[str]:
        with self._bureau.tx() as tx:
            return [e.sha for e in trigger_push.missed(tx, "/r", {MAIN: sha} if sha else {})]


def test_a_note_that_comes_after_the_look_is_not_told_again(bureau: Bureau) -> None:
    refs = Refs(bureau)
    assert refs.note("", A)
    assert refs.look(B) == [B]
    assert not refs.note(A, B)
    assert refs.look(B) == []
    assert refs.note(B, A)
    assert refs.note(A, B)


def test_notes_that_the_look_overtook_do_not_take_the_ref_back(bureau: Bureau) -> None:
    refs = Refs(bureau)
    assert refs.note("", A)
    assert refs.look(C) == [C]
    assert refs.note(A, B)
    assert refs.look(C) == []
    assert not refs.note(B, C)
    assert refs.note(C, D)
    assert refs.look(D) == []


def test_a_note_that_never_came_does_not_swallow_a_later_one(bureau: Bureau) -> None:
    refs = Refs(bureau)
    assert refs.note("", A)
    assert refs.look(B) == [B]
    assert refs.note(B, C)
    assert refs.note(C, B)
    assert refs.look(B) == []


def test_a_branch_that_is_gone_is_told_once(bureau: Bureau) -> None:
    refs = Refs(bureau)
    assert refs.note("", A)
    assert refs.look("") == [""]
    assert not refs.note(A, "0" * 40)
    assert refs.look("") == []
    assert refs.note("", B)
