"""Rounds go on whatever happens in one of them, and what happened is told once."""

import threading
from collections.abc import Callable

import pytest

from headway.flows.rounds import Rounds
from headway.model.errors import Unreachable


def told(fail: Callable[[], None], rounds: int = 4) -> list[str]:
    """What was complained of in some rounds that all fail alike."""
    complaints: list[str] = []
    done = threading.Event()
    left = iter(range(rounds))

    def go() -> None:
        if next(left, None) is None:
            done.set()
        fail()

    thread = Rounds("watch", 0.001, go, complaints.append)
    thread.start()
    try:
        assert done.wait(20)
        assert thread.is_alive()
    finally:
        thread.stop()
    assert not thread.is_alive()
    return complaints


def test_what_cannot_be_reached_is_told_once() -> None:
    def fail() -> None:
        raise Unreachable("nobody answers")

    assert told(fail) == ["watch: nobody answers"]


@pytest.mark.parametrize("bug", [KeyError("shop"), ZeroDivisionError()])
def test_a_bug_is_told_with_its_place_and_does_not_end_the_rounds(bug: Exception) -> None:
    def fail() -> None:
        raise bug

    first = told(fail)[0]
    assert first.startswith("watch: a bug in Headway: Traceback")
    assert type(bug).__name__ in first
    assert "in fail" in first


def test_a_good_round_says_nothing() -> None:
    assert told(lambda: None) == []
