"""What a run shows, from a scripted feed: the live tree, plain lines, the end in words."""

import time
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from headway import workbench
from headway.cli import run_secrets
from headway.cli.pipeline_text import ended, shown
from headway.cli.running import Begun, Known, Picture, Stop, Teller, harmless, last_lines
from headway.cli.running_tree import Frame, draw
from headway.model.errors import Invalid
from headway.model.job import Annotation, JobOrder, JobReport, Line, StepReport, StepSpec
from headway.pipeline.run.state import (
    Called,
    Created,
    Ended,
    Event,
    Finished,
    Planned,
    RunSpec,
    Started,
    fold,
)
from headway.pipeline.run.view import view
from headway.ports.run_watch import RunWatch

EVIL = "\x1b]0;owned\x07\x1b[2Jred\x1b[31m\u202e"


def order(key: str, steps: int = 2) -> JobOrder:
    specs = tuple(StepSpec(f"s{n}", line=10 + n) for n in range(steps))
    return JobOrder("run_1", key, key, f"job {key}", 1, "", "a" * 40, "", specs)


def step(number: int, outcome: str = "success", tail: str = "") -> StepReport:
    code = 0 if outcome == "success" else 3
    return StepReport(
        f"s{number}", f"step {number}", outcome, outcome, code, 0.0, 1.5, log=number, tail=tail  # type: ignore[arg-type]
    )  # fmt: skip


def report(key: str, outcome: str = "success", **more: object) -> JobReport:
    return JobReport(key, outcome, 0.0, 3.0, **more)  # type: ignore[arg-type]


def begin(watch: RunWatch, key: str, *, lines: int = 0) -> None:
    watch.job_began(order(key))
    watch.step_began(key, 0, "step 0")
    for n in range(lines):
        watch.line(key, 0, Line(0.0, f"line {n}"))


def end(watch: RunWatch, key: str, outcome: str = "success") -> None:
    watch.step_ended(key, 0, step(0, outcome, "last words"))
    because = "" if outcome == "success" else "step `step 0` failed"
    watch.job_ended(key, report(key, outcome, because=because))


def drawn(picture: Picture, width: int = 80, height: int = 24, *, over: bool = False) -> list[str]:
    text = draw(picture, Frame(width, height, picture.clock()), over=over)
    return text.plain.split("\n")


def made(*known: str) -> Picture:
    return Picture(Begun(tuple(Known(k) for k in known)), Stop(), lambda: 0.0)


def test_a_small_run_is_shown_whole() -> None:
    picture = Picture(Begun((Known("a"), Known("b"), Known("c", ("a", "b")))), Stop(), lambda: 0.0)
    begin(picture, "a")
    end(picture, "a")
    begin(picture, "b", lines=5)
    assert drawn(picture) == [
        "1 jobs done, 1 running, 1 waiting  0.0 s",
        "✓ job a  3.0 s",
        "⠋ job b  0.0 s",
        "  ⠋ step 0  0.0 s",
        "    line 2",
        "    line 3",
        "    line 4",
        "○ c  after a, b",
    ]


def test_groups_are_folded() -> None:
    picture = made()
    begin(picture, "a")
    picture.line("a", 0, Line(0.0, "Install", 0, "group"))
    for n in range(40):
        picture.line("a", 0, Line(0.0, f"package {n}", 1))
    assert "    ▸ Install (40 lines)" in drawn(picture)
    picture.line("a", 0, Line(0.0, "after"))
    assert drawn(picture)[-1] == "    after"


def test_a_red_step_shows_its_last_words_at_once() -> None:
    picture = made()
    begin(picture, "a")
    end(picture, "a", "failure")
    rows = drawn(picture)
    assert rows[1] == "✗ job a  3.0 s  failure: step `step 0` failed"
    assert rows[2:] == ["  ✗ step 0  1.5 s  failure", "    last words"]
    assert drawn(picture, over=True)[1:] == [rows[1]]


def test_a_hundred_jobs_fit_any_screen() -> None:
    picture = made(*(f"j{n}" for n in range(100)))
    for n in range(60):
        begin(picture, f"j{n}", lines=3)
    for n in range(40):
        end(picture, f"j{n}", "failure" if n % 4 == 0 else "success")
    for height in (4, 10, 24, 60, 400):
        rows = drawn(picture, 80, height)
        assert len(rows) <= height
        assert rows[0].startswith("40 jobs done, 10 red, 20 running, 40 waiting")
    folded = drawn(picture, 80, 40)
    assert "✓ 30 success" in folded
    assert "○ 40 waiting" in folded
    assert sum("✗" in row for row in folded) == 10
    assert sum("⠋" in row for row in folded) == 20


@given(
    st.text(max_size=300),
    st.integers(min_value=20, max_value=200),
    st.integers(min_value=3, max_value=60),
)
def test_whatever_is_printed_the_screen_is_kept(text: str, width: int, height: int) -> None:
    picture = made("later")
    picture.job_began(order("a"))
    picture.step_began("a", 0, EVIL + text)
    picture.line("a", 0, Line(0.0, text + EVIL))
    console = Console(width=width, height=height, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(draw(picture, Frame(width, height, 0.0)))
    shown = capture.get()
    assert "\x1b" not in shown
    assert "\x07" not in shown
    rows = shown.rstrip("\n").split("\n")
    assert len(rows) <= height
    assert all(Console().measure(row).maximum <= width for row in rows)


def test_drawing_is_quick() -> None:
    """Eight frames a second of a large run must not be felt."""
    picture = made(*(f"j{n}" for n in range(100)))
    for n in range(100):
        begin(picture, f"j{n}", lines=4)
    began = time.thread_time()
    for _ in range(20):
        drawn(picture)
    assert (time.thread_time() - began) / 20 < 0.25


def test_lines_say_everything_with_the_job_in_front() -> None:
    said: list[str] = []
    teller = Teller(said.append, Stop())
    begin(teller, "a")
    teller.line("a", 0, Line(0.0, f"  indented {EVIL}", 1))
    teller.line("a", 0, Line(0.0, "hidden", 0, "debug"))
    end(teller, "a", "failure")
    teller.job_ended("b", report("b", "skipped", because="`a` failed"))
    assert said == [
        "job a | ● began",
        "job a | ▸ step 0",
        "job a |       indented red",
        "job a | ✗ step 0: failure, exit 3, 1.5 s",
        "job a | ✗ failure, 3.0 s: step `step 0` failed",
        "b | □ skipped: `a` failed",
    ]


def test_progress_bars_leave_their_last_state() -> None:
    assert harmless(" 10%\r 50%\r100%\r") == "100%"
    assert last_lines("a\n\n  b\r  c\n\x1b[31m\n", 2) == ["a", "  c"]


def events() -> list[Event]:
    spec = RunSpec("run_1", ".github/workflows/ci.yml", {}, "/r", "a" * 40, "refs/heads/main")
    note = Annotation("error", f"undefined {EVIL}", "app.py", 12, 3)
    red = StepReport("s1", "Lint", "failure", "failure", 2, 0.0, 1.0, log=1, tail="why\nbad",
                     annotations=(note,))  # fmt: skip
    return [
        Created(spec, 100.0),
        Planned("test", ("test.1", "test.2"), 100.0, ("test (a)", "test (b)"), (None, None)),
        Started(order("test.1"), 100.0),
        Ended("test", report("test.1", "failure", steps=(step(0), red)), 103.0),
        Ended("test", report("test.2", "skipped", because="`test (a)` failed"), 103.0),
        Finished("failure", 104.0),
    ]


def test_the_end_of_a_red_run() -> None:
    told = ended(view(fold(events())))
    assert told == [
        "✗ failure: .github/workflows/ci.yml on push, main aaaaaaa, 4.0 s",
        "  jobs  1 failure, 1 skipped",
        "  □ test (b): `test (a)` failed",
        "",
        "✗ failure  job test.1 > Lint  exit 2, 1.0 s  .github/workflows/ci.yml:11",
        "    why",
        "    bad",
        "  logs   headway pipeline logs run_1 test.1",
        "",
        "app.py:12:3: error: undefined red",
        "",
        "  again  headway run --workflow .github/workflows/ci.yml --job test.1",
        "         headway pipeline rerun run_1 --failed",
    ]


def test_a_call_is_no_job_of_its_own() -> None:
    spec = RunSpec("run_1", "ci.yml", {}, "/r", "a" * 40, "", changed=2)
    state = fold(
        [
            Created(spec, 100.0),
            Planned("call", ("call",), 100.0, ("call",), (None,)),
            Called("call", "sub.yml", {}, 100.0),
            Planned("call / one", ("call.one",), 100.0, ("one",), (None,)),
            Started(order("call.one"), 100.0),
            Ended("call / one", report("call.one", "failure", because="it was red"), 103.0),
            Ended("call", report("call", "failure"), 103.0),
            Finished("failure", 104.0),
        ]
    )
    told = ended(view(state))
    assert told[:2] == [
        "✗ failure: ci.yml on push, aaaaaaa (2 files differ from it), 4.0 s",
        "  jobs  1 failure",
    ]
    assert sum("✗" in line for line in told) == 2


def test_a_step_that_goes_on_speaks_before_it_begins() -> None:
    picture = made("a")
    picture.job_began(order("a"))
    picture.line("a", 1, Line(0.0, "it was interrupted"))
    picture.step_began("a", 1, "step 1")
    picture.line("a", 1, Line(0.0, "again"))
    assert drawn(picture)[2:] == ["  ⠋ step 1  0.0 s", "    it was interrupted", "    again"]


def test_how_a_run_stands_that_nobody_drives() -> None:
    state = fold(events()[:3])
    seen = view(state, "interrupted")
    assert (seen.state, seen.outcome, seen.counts) == ("interrupted", "", {"interrupted": 1})
    told = shown(seen)
    assert "◷ interrupted  run_1  .github/workflows/ci.yml on push, main aaaaaaa" in told
    assert "  next   headway pipeline resume run_1" in told
    served = view(fold([Created(replace(state.spec, served=True), 100.0)]), "interrupted")
    assert any("the server goes on with it" in line for line in shown(served))


def test_what_stands_in_the_output_is_no_annotation_as_well() -> None:
    said = Annotation("error", "The step was stopped: too long.")
    late = StepReport("s1", "Hang", "cancelled", "cancelled", None, 0.0, 1.0,
                      tail="The step was stopped: too long.", annotations=(said,))  # fmt: skip
    story = [*events()[:3], Ended("test", report("test.1", "cancelled", steps=(late,)), 103.0)]
    told = ended(view(fold(story)))
    assert sum("The step was stopped" in line for line in told) == 1


def test_secrets_come_from_the_environment_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "s"
    file.write_text("A=file\nB='two words'\nC<<X\n1\n=2\nX\n")
    found = run_secrets.secrets(("A", "D=OTHER"), str(file), {"A": "env", "OTHER": "o"})
    assert found == {"A": "env", "B": "two words", "C": "1\n=2", "D": "o"}
    for text in ("C<<X\nnever ends\n", "no equals\n", "bad name=1\n"):
        file.write_text(text)
        with pytest.raises(Invalid):
            run_secrets.from_file(file)


def test_own_adapters_are_those_installed() -> None:
    for (group, name), where in workbench.OWN.items():
        assert [e.value for e in entry_points(group=group) if e.name == name] == [where]
