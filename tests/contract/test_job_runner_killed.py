"""kill -9 of the runner's process and of its nursery: the job goes on, finished steps never repeat.

A step whose end was noted but not yet recorded may run again; the notes tell the two apart.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.contract.job_child import MASKED
from tests.contract.job_runs import gone_within, short_home

STEPS = 8


def start(home: Path) -> "subprocess.Popen[str]":
    words = [sys.executable, "-m", "tests.contract.job_child", str(home), str(STEPS)]
    child = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def recorded(home: Path) -> set[str]:
    """Ids of the steps whose end is on disk."""
    try:
        lines = (home / "runs/run_1/job/steps.jsonl").read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return set()
    return {r["ended"]["id"] for r in map(json.loads, lines) if r["ended"]}


def notes(home: Path) -> list[str]:
    try:
        return (home / "tools/notes").read_text().split()
    except FileNotFoundError:
        return []


def nothing_unmasked(home: Path) -> bool:
    files = [p for p in home.rglob("*") if p.is_file() and p.parts[-2] in {"job", "logs"}]
    return all(MASKED.encode() not in path.read_bytes() for path in files)


def go_through(home: Path, chance: random.Random, kills: int) -> None:
    for _ in range(kills):
        done, before = recorded(home), len(notes(home))
        child = start(home)
        time.sleep(chance.uniform(0.0, 0.35))
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        assert gone_within(f"{home}/runs", 5)
        assert nothing_unmasked(home)
        assert not {f"n{note[1:]}" for note in notes(home)[before:]} & done
    done, before = recorded(home), len(notes(home))
    child = start(home)
    assert child.stdout is not None
    last = child.stdout.read()
    assert child.wait() == 0
    assert last.startswith(f"success  {STEPS + 1} "), last
    assert not {f"n{note[1:]}" for note in notes(home)[before:]} & done
    ends = [note for note in notes(home) if note.startswith("e")]
    assert list(dict.fromkeys(ends)) == [f"e{n}" for n in range(STEPS)]
    assert nothing_unmasked(home)
    assert gone_within(f"{home}/runs", 5)


def test_killed_and_gone_on() -> None:
    with short_home() as home:
        go_through(home, random.Random(1), kills=3)


@pytest.mark.soak
def test_killed_many_times() -> None:
    for seed in range(100, 125):
        with short_home() as home:
            go_through(home, random.Random(seed), kills=8)


def test_masks_and_secrets_outlive_a_kill() -> None:
    """What the first step has masked is masked in what the last one prints, by another process."""
    with short_home() as home:
        child = start(home)
        until = time.monotonic() + 30
        while "n1" not in recorded(home) and time.monotonic() < until:
            time.sleep(0.005)
        child.kill()
        child.wait()
        kept = (home / "runs/run_1/job/steps.jsonl").read_bytes()
        assert b"sealed" in kept
        assert MASKED.encode() not in kept
        again = start(home)
        assert again.stdout is not None
        shown = again.stdout.read().split()
        again.wait()
        assert shown[0] == "success"
        assert int(shown[-1]) >= STEPS - 4
        assert nothing_unmasked(home)
