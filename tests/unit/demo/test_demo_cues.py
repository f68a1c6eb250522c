"""Cues: acts beside the deliveries, each when its moment has come."""

import threading

from headway.demo.cues import Cue, Cues


def test_each_act_waits_for_its_cue_and_for_the_one_before() -> None:
    done: list[str] = []
    open_first, finished = threading.Event(), threading.Event()
    cues = Cues(
        [
            Cue("first", open_first.is_set, lambda: done.append("first")),
            Cue("second", lambda: True, lambda: done.append("second")),
            Cue("third", lambda: True, finished.set),
        ]
    )
    cues.start()
    assert done == []
    open_first.set()
    assert finished.wait(30)
    cues.stop()
    assert done == ["first", "second"]
    assert cues.error is None


def test_an_act_that_fails_is_kept_for_the_foreground_and_ends_the_rest() -> None:
    done: list[str] = []
    bad = ValueError("no")

    def fail() -> None:
        raise bad

    cues = Cues([Cue("a", lambda: True, fail), Cue("b", lambda: True, lambda: done.append("b"))])
    cues.start()
    cues.join(30)
    assert cues.error is bad
    assert done == []


def test_nothing_is_done_after_the_stop() -> None:
    done: list[str] = []
    cues = Cues([Cue("never", lambda: False, lambda: done.append("x"))])
    cues.start()
    cues.stop()
    assert not cues.is_alive()
    assert done == []
