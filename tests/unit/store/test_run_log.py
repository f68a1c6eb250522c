"""The log of a run: torn, damaged, locked, asked."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from headway.model.errors import Drifted, Failed, Invalid
from headway.model.job import JobOrder, JobReport, StepSpec
from headway.pipeline.run.state import (
    Called,
    Cancelled,
    Created,
    Ended,
    Event,
    Finished,
    Planned,
    RunSpec,
    Started,
)
from headway.store import run_log
from headway.store.run_log import Request

SPEC = RunSpec("r1", "ci.yml", {"ci.yml": "on: push"}, "/srv/x", "f" * 40, "refs/heads/main")
ORDER = JobOrder(
    "r1",
    "a",
    "a",
    "a",
    1,
    "/srv/x",
    "f" * 40,
    "",
    (StepSpec("__1", run="echo ü\n"),),
    env=({"A": "1"},),
)
EVENTS: list[Event] = [
    Created(SPEC, 1.0, "Build"),
    Planned("a", ("a.1", "a.2"), 2.0, ("a (1)", "a (2)"), ({"n": 1.5}, {"n": None}), False, 3),
    Called("c", "x.yml", {"size": 7}, 2.5),
    Started(ORDER, 3.0, "abc"),
    Ended("a", JobReport("a.1", "failure", 3.0, 4.0, outputs={"x": "y"}), 4.0, True),
    Cancelled("ana", "why", 5.0, "a.2", True),
    Finished("failure", 6.0),
]


def made(home: Path, run: str = "r1") -> Path:
    spec = RunSpec(run, "ci.yml", {}, "/srv/x", "f" * 40, "")
    assert run_log.create(home, [Created(spec, 1.0)])
    return home / "runs" / run / "log.jsonl"


def test_every_event_comes_back(tmp_path: Path) -> None:
    assert run_log.create(tmp_path, EVENTS[:2])
    with run_log.drive(tmp_path, "r1") as log:
        log.append(EVENTS[2:4])
        log.append(EVENTS[4:], sync=False)
    assert list(run_log.read(tmp_path, "r1")) == EVENTS
    with run_log.drive(tmp_path, "r1") as log:
        assert list(log.events) == EVENTS


def test_created_once(tmp_path: Path) -> None:
    made(tmp_path)
    assert not run_log.create(tmp_path, [Created(SPEC, 9.0)])
    assert run_log.read(tmp_path, "r1")[0].at == 1.0


def test_cut_anywhere_it_is_what_was_whole(tmp_path: Path) -> None:
    run_log.create(tmp_path, EVENTS)
    log = tmp_path / "runs/r1/log.jsonl"
    content = log.read_bytes()
    first = content.index(b"\n") + 1
    for size in range(first, len(content), 7):
        log.write_bytes(content[:size])
        whole = content[:size].count(b"\n")
        with run_log.drive(tmp_path, "r1") as opened:
            assert list(opened.events) == EVENTS[:whole]
            opened.append(EVENTS[whole:])
        assert log.read_bytes() == content


def test_every_changed_byte_of_the_middle_is_noticed(tmp_path: Path) -> None:
    run_log.create(tmp_path, EVENTS)
    log = tmp_path / "runs/r1/log.jsonl"
    content = log.read_bytes()
    last = content.rstrip(b"\n").rindex(b"\n")
    for place in range(0, last, 11):
        log.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(Failed) as caught:
            run_log.read(tmp_path, "r1")
        assert caught.value.code == "damaged"


def test_a_missing_or_moved_line_is_noticed(tmp_path: Path) -> None:
    run_log.create(tmp_path, EVENTS)
    log = tmp_path / "runs/r1/log.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    for others in (lines[:2] + lines[3:], [*lines[:2], lines[3], lines[2], *lines[4:]], []):
        log.write_bytes(b"".join(others))
        with pytest.raises(Failed, match="damaged"):
            run_log.read(tmp_path, "r1")


def test_a_write_that_fails_leaves_no_half_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = made(tmp_path)
    before = log.read_bytes()
    with run_log.drive(tmp_path, "r1") as opened:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", _then_full(os.write))
            with pytest.raises(Failed) as caught:
                opened.append(EVENTS[1:3])
        assert caught.value.code == "storage-full"
        assert log.read_bytes() == before
        opened.append(EVENTS[1:3])
    assert len(run_log.read(tmp_path, "r1")) == 3


def _then_full(real):  # type: ignore[no-untyped-def]
    calls = []

    def write(file: int, data: bytes) -> int:
        calls.append(1)
        if len(calls) == 1:
            return int(real(file, bytes(data)[:10]))
        raise OSError(28, "No space left on device")

    return write


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", ".x", "a b", "a\n", "x" * 101, "ä"])
def test_unsafe_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid) as caught:
        run_log.read(tmp_path, name)
    assert caught.value.code == "bad-name"


def test_unknown_run(tmp_path: Path) -> None:
    for use in (run_log.read, run_log.drive):
        with pytest.raises(Invalid) as caught:
            use(tmp_path, "gone")
        assert caught.value.code == "unknown-run"
    assert run_log.runs(tmp_path) == ()


def test_one_driver_and_looking_does_not_disturb(tmp_path: Path) -> None:
    made(tmp_path)
    assert not run_log.driven(tmp_path, "r1")
    with run_log.drive(tmp_path, "r1"):
        assert run_log.driven(tmp_path, "r1")
        with pytest.raises(Drifted) as caught:
            run_log.drive(tmp_path, "r1")
        assert caught.value.code == "run-running"
    assert not run_log.driven(tmp_path, "r1")


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    made(tmp_path)
    code = (
        "import sys; from pathlib import Path; from headway.store import run_log\n"
        "run_log.drive(Path(sys.argv[1]), 'r1'); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(Drifted):
            run_log.drive(tmp_path, "r1")
        child.kill()
    run_log.drive(tmp_path, "r1").close()


def test_newest_first(tmp_path: Path) -> None:
    for run, at in (("b", 2.0), ("a", 3.0), ("c", 1.0)):
        run_log.create(tmp_path, [Created(RunSpec(run, "", {}, "", "", ""), at)])
    (tmp_path / "runs/other").mkdir()
    (tmp_path / "runs/d").mkdir()
    (tmp_path / "runs/d/log.jsonl").write_text("?")
    assert run_log.runs(tmp_path) == ("a", "b", "c", "d")


def test_requests_are_seen_once_and_in_order(tmp_path: Path) -> None:
    made(tmp_path)
    with run_log.drive(tmp_path, "r1") as log:
        seen: set[str] = set()
        assert log.requests(seen) == []
        run_log.ask(tmp_path, "r1", Request("ana", "one"))
        run_log.ask(tmp_path, "r1", Request("ben", "two", "a.2", True))
        assert log.requests(seen) == [Request("ana", "one"), Request("ben", "two", "a.2", True)]
        assert log.requests(seen) == []
        run_log.ask(tmp_path, "r1", Request("ana", "three"))
        assert [r.because for r in log.requests(seen)] == ["three"]
    with pytest.raises(Invalid):
        run_log.ask(tmp_path, "r2", Request("ana", ""))
