"""The bell: who rings never waits, whoever listens hears it, and what it is about."""

import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from headway.adapters.system.bell import EVENTS, NAME, NOTES, RUNS, Bell, ring


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hwb") as folder:
        yield Path(folder)


def test_only_who_asked_for_it_is_woken(home: Path) -> None:
    bell = Bell(home)
    heard = {what: threading.Event() for what in (NOTES, EVENTS, RUNS)}
    for what, event in heard.items():
        bell.hear(what, event.set)
    bell.start()
    try:
        ring(home, RUNS)
        assert heard[RUNS].wait(30)
        assert not heard[NOTES].is_set()
        subprocess.run(["sh", "-c", f'printf n 1<>"{home / NAME}"'], check=True, timeout=30)
        assert heard[NOTES].wait(30)
        assert not heard[EVENTS].is_set()
    finally:
        bell.stop()
    assert not bell.is_alive()


def test_ringing_where_nobody_listens_does_nothing(home: Path) -> None:
    ring(home, RUNS)
    os.mkfifo(home / NAME)
    ring(home, RUNS)
    subprocess.run(["sh", "-c", f'printf n 1<>"{home / NAME}"'], check=True, timeout=30)
    bell = Bell(home)
    heard = threading.Event()
    bell.hear(NOTES, heard.set)
    bell.start()
    bell.stop()
    assert not heard.is_set()


def test_something_else_of_that_name_gives_way(home: Path) -> None:
    (home / NAME).write_text("x")
    Bell(home)
    assert (home / NAME).is_fifo()


def test_more_rings_than_anybody_reads_do_not_stop_the_ringer(home: Path) -> None:
    bell = Bell(home)
    for _ in range(70_000):
        ring(home, NOTES)
    heard = threading.Event()
    bell.hear(NOTES, heard.set)
    bell.start()
    assert heard.wait(30)
    bell.stop()
