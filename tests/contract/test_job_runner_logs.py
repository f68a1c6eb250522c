"""Logs of steps: the same bytes however output comes, bounded, gone on with; a full disk."""

import hashlib
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contract.job_runs import Seen, order, runner_in, short_home, survivors

from headway.adapters.linux import logs
from headway.adapters.linux.logs import LogFile
from headway.adapters.linux.output import MAX_LINE, Output
from headway.model.errors import Failed
from headway.model.job import Line, StepSpec
from headway.pipeline.step.masking import Masker

SECRET = "hunter2-hunter2-hunter2"
PIECES = (
    "word ",
    "\n",
    SECRET,
    SECRET[:9],
    "::group::G\n",
    "::endgroup::\n",
    "\n::error::bad\n",
    "\n::add-mask::later-secret\n",
    "later-secret",
    "\r\n",
    "ü",
    "\n  ::notice::n\n",
    "\x00",
)


def written(folder: Path, data: bytes, cuts: list[int]) -> tuple[bytes, list[Line], str]:
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    told: list[Line] = []
    step = len(list((folder / "logs").glob("*.log"))) + random.getrandbits(60)
    out = Output(folder, step, Masker([SECRET]), told.append)
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        if data[start:end]:
            out.take(data[start:end])
    lines, digest, _ = out.close()
    shown, _ = logs.read(folder, step)
    assert lines == shown.count(b"\n")
    assert digest == hashlib.sha256(shown).hexdigest()
    return shown, told, digest


@given(st.lists(st.sampled_from(PIECES), max_size=25), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_where_output_is_cut_makes_no_difference(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str], chance: random.Random
) -> None:
    folder = tmp_path_factory.mktemp("log")
    data = "".join(pieces).encode()
    whole, lines, digest = written(folder, data, [])
    cuts = sorted(chance.sample(range(len(data) + 1), min(5, len(data))))
    again, lines2, digest2 = written(folder, data, cuts)
    assert (again, digest2) == (whole, digest)
    assert [(x.text, x.group, x.level) for x in lines2] == [
        (x.text, x.group, x.level) for x in lines
    ]
    assert SECRET.encode() not in whole


def test_a_secret_in_an_endless_line_is_hidden_at_every_cut(tmp_path: Path) -> None:
    data = b"x" * (MAX_LINE - 10) + SECRET.encode() + b"y" * 50 + SECRET.encode() + b"z" * MAX_LINE
    for cut in range(MAX_LINE - 12, MAX_LINE + 40, 3):
        shown, told, _ = written(tmp_path, data, [cut, cut + 7])
        assert shown.count(b"***") == 2
        assert b"hunter" not in shown
        assert "hunter" not in "".join(line.text for line in told)


def test_a_log_is_bounded_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    log = LogFile(tmp_path, 0, head_bytes=1000)
    for n in range(5000):
        log.append(b"line %04d of five thousand, and some more of it\n" % n, float(n))
    log.flush(5000.0)
    digest = log.close()
    data, _ = logs.read(tmp_path, 0)
    assert data.startswith(b"line 0000")
    assert data.endswith(b"line 4999 of five thousand, and some more of it\n")
    assert 1000 < len(data) < 1000 + logs.TAIL_BYTES + 100
    assert b"bytes left out here]\n" in data
    assert digest == hashlib.sha256(data).hexdigest()
    assert logs.tail(tmp_path, 0, 1) == data.splitlines(keepends=True)[-1]


def test_an_interrupted_log_goes_on(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    first = Output(tmp_path, 0, Masker(), lambda _: None)
    first.take(b"one\n")
    second = Output(tmp_path, 0, Masker(), lambda _: None)
    second.take(b"two\n")
    lines, digest, _ = second.close()
    data, end = logs.read(tmp_path, 0, 4)
    assert data == b"[headway: this step was interrupted, and begins again here]\ntwo\n"
    assert (lines, end) == (3, 4 + len(data))
    assert digest == hashlib.sha256(b"one\n" + data).hexdigest()
    assert logs.read(tmp_path, 7) == (b"", 0)
    assert logs.tail(tmp_path, 7) == b""
    assert list(logs.lines(tmp_path, 7)) == []


def test_a_log_that_cannot_be_written_ends_the_job() -> None:
    with short_home() as home:
        runner = runner_in(home)
        steps: tuple[str | StepSpec, ...] = (
            "ln -s /dev/full $RUNNER_TEMP/../../logs/1.log",
            StepSpec("b", run="(setsid sleep 600 &); echo text", condition="always()"),
        )
        with pytest.raises(Failed) as caught:
            runner.run(order("full", *steps), {}, Seen())
        assert caught.value.code == "storage-full"
        assert survivors(str(home)) == []
        runner.close()
