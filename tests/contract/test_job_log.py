"""A job's log read on from any position: nothing lost, nothing twice, also across tries."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.adapters.linux import logs
from headway.adapters.linux.job_log import JobLog, Position, position
from headway.adapters.linux.logs import LogFile
from headway.adapters.linux.tail import MOST_LINE, Stored
from headway.adapters.linux.workspace import keep_try, workspace
from headway.model.errors import Invalid
from headway.model.job import JobOrder, JobReport, StepSpec
from headway.pipeline.run.state import Created, Retried, RunSpec, RunState, Started, fold

SPEC = RunSpec("run_1", "ci.yml", {}, "", "", "")
PIECES = st.sampled_from(
    [b"word\n", b"\n", b"##[group]G\n", b"##[endgroup]\n", b"##[error]a%0Ab\n", b"\xff\r\n", b"ja"]
)


def state(tries: int = 1, begun: int = 1) -> RunState:
    """So many tries are over but for the last; `begun` of them were started."""
    events: list[Created | Started | Retried] = [Created(SPEC, 0.0)]
    for n in range(1, begun + 1):
        steps = (StepSpec("s", run="x"),)
        order = JobOrder("run_1", "j", "j", "j", n, "", "", "", steps, tries=n)
        events.append(Started(order, 0.0))
        if n < tries:
            events.append(Retried("j", JobReport("j", "failure", 0, 0), 0.0, 0.0))
    return fold(events)


def write(home: Path, step: int, data: bytes, at: float = 1.0) -> None:
    folder = workspace(home, "run_1", "j").folder
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    log = LogFile(folder, step)
    log.append(data, at)
    log.close()


def drain(log: JobLog, now: RunState, *, ended: bool) -> Iterator[tuple[Position, Stored]]:
    while (batch := log.more(now, ended=ended)) is not None:
        yield from ((batch.after(line), line) for line in batch.lines)
        if batch.drained:
            return


def text(found: list[tuple[Position, Stored]]) -> bytes:
    return b"".join(stored.raw for _, stored in found)


@given(st.lists(st.lists(PIECES, max_size=12), min_size=1, max_size=4), st.data())
@settings(max_examples=60, deadline=None)
def test_every_position_leads_on_exactly(
    tmp_path_factory: pytest.TempPathFactory, steps: list[list[bytes]], data: st.DataObject
) -> None:
    home = tmp_path_factory.mktemp("home")
    whole = [b"".join(pieces) for pieces in steps]
    for number, log in enumerate(whole):
        write(home, number, log)
    found = list(drain(JobLog(home, "run_1", "j"), state(), ended=True))
    assert text(found) == b"".join(whole)
    folder = workspace(home, "run_1", "j").folder
    assert [(s.line.text, s.line.group, s.line.level) for _, s in found if s.line is not None] == [
        (x.text, x.group, x.level) for n in range(len(whole)) for x in logs.lines(folder, n)
    ]
    if not found:
        return
    cut = data.draw(st.integers(0, len(found) - 1))
    again = JobLog(home, "run_1", "j", None, position(str(found[cut][0])))
    assert list(drain(again, state(), ended=True)) == found[cut + 1 :]


def test_a_log_that_grows_in_bits_is_told_line_by_line(tmp_path: Path) -> None:
    data = b"".join(b"line %d\n" % n for n in range(300)) + b"no end"
    log, found, chance = JobLog(tmp_path, "run_1", "j"), b"", random.Random(7)
    while data:
        cut = chance.randrange(1, 90)
        write(tmp_path, 0, data[:cut])
        data = data[cut:]
        found += text(list(drain(log, state(), ended=False)))
        assert found.endswith(b"\n") or not found
    assert found.count(b"\n") == 300
    write(tmp_path, 3, b"a later step\n")
    found += text(list(drain(log, state(), ended=False)))
    assert found.endswith(b"line 299\nno enda later step\n")


def test_a_line_without_end_is_cut_alike_for_everybody(tmp_path: Path) -> None:
    write(tmp_path, 0, b"x" * (2 * MOST_LINE + 5) + b"\nnext\n")
    found = list(drain(JobLog(tmp_path, "run_1", "j"), state(), ended=True))
    assert [len(s.raw) for _, s in found] == [MOST_LINE, MOST_LINE, 6, 5]
    again = JobLog(tmp_path, "run_1", "j", None, found[0][0])
    assert list(drain(again, state(), ended=True)) == found[1:]


def test_a_try_that_was_moved_aside_is_read_to_its_end_then_the_next(tmp_path: Path) -> None:
    log = JobLog(tmp_path, "run_1", "j")
    write(tmp_path, 0, b"one\n")
    first = list(drain(log, state(), ended=False))
    write(tmp_path, 0, b"two\n")
    over = state(tries=2, begun=1)
    # the next try is ordered, and has not moved anything yet: what lies there is still the first's
    assert text(list(drain(log, state(tries=2, begun=2), ended=False))) == b"two\n"
    assert text(list(drain(log, over, ended=False))) == b""
    place = workspace(tmp_path, "run_1", "j")
    keep_try(place, 1)
    shutil.rmtree(place.folder)
    write(tmp_path, 0, b"again\n")
    second = list(drain(log, state(tries=2, begun=2), ended=False))
    assert [(p.tries, s.raw, s.number) for p, s in second] == [(2, b"again\n", 1)]
    resumed = JobLog(tmp_path, "run_1", "j", None, first[0][0])
    assert text(list(drain(resumed, state(2, 2), ended=True))) == b"two\nagain\n"


def test_a_log_that_another_worker_began_anew_is_read_from_its_beginning(tmp_path: Path) -> None:
    log = JobLog(tmp_path, "run_1", "j")
    write(tmp_path, 0, b"old one\nold two\n")
    old = list(drain(log, state(), ended=False))
    shutil.rmtree(workspace(tmp_path, "run_1", "j").folder)
    write(tmp_path, 0, b"new one\nnew two\nnew three\n")
    for reader in (log, JobLog(tmp_path, "run_1", "j", None, old[1][0])):
        found = list(drain(reader, state(), ended=False))
        assert [s.number for _, s in found] == [1, 2, 3]
        assert text(found) == b"new one\nnew two\nnew three\n"


def test_what_was_read_of_one_step_ends_with_the_job(tmp_path: Path) -> None:
    for n in range(3):
        write(tmp_path, n, b"step %d\n" % n)
    log = JobLog(tmp_path, "run_1", "j", only=1)
    assert text(list(drain(log, state(), ended=False))) == b"step 1\n"
    assert log.more(state(), ended=True) is None


@pytest.mark.parametrize("bad", ["", "1", "0-1-0-00000000", "1-0-0-00000000", "1-1-0-0", "../1-1"])
def test_other_texts_are_no_positions(bad: str) -> None:
    with pytest.raises(Invalid) as caught:
        position(bad)
    assert caught.value.code == "bad-position"


def test_a_log_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hidden\n")
    folder = workspace(tmp_path, "run_1", "j").folder / "logs"
    folder.mkdir(parents=True)
    (folder / "0.log").symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="symbolic"):
        JobLog(tmp_path, "run_1", "j").more(state(), ended=True)
