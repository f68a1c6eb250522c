"""What the page of a run shows of a job's log: per step the last lines, or those that hold a text.

A log may be 100 MiB long, so that a page reads at most READ_BYTES of a step from its end (the log's
index knows the number of the line there), and looks for a text in at most FIND_BYTES.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from headway.adapters.linux import logs, run_logs
from headway.model.errors import HeadwayError
from headway.model.job import Line
from headway.pipeline.run.state import RunState

READ_BYTES = 128 * 1024
FIND_BYTES = 16 * 1024**2
MOST_LINES = 1000
MOST_FOUND = 200


@dataclass(frozen=True, slots=True)
class Numbered:
    """A line of a step's log; `number` counts from 1."""

    number: int
    line: Line


@dataclass(frozen=True, slots=True)
class StepLog:
    """One step. `before`: how many lines come before the first shown; `seconds` None: it runs."""

    number: int
    name: str
    outcome: str
    exit_code: int | None
    seconds: float | None
    lines: tuple[Numbered, ...]
    before: int


def of_job(home: Path, state: RunState, key: str, find: str = "") -> tuple[StepLog, ...]:
    """The steps of an instance that have a log, in their order; nothing before it began."""
    if key not in state.orders:
        return ()
    folder = run_logs.folder_of(home, state, key, 0)
    return tuple(_step(folder, state, key, n, find) for n in run_logs.numbers(folder))


def _step(folder: Path, state: RunState, key: str, number: int, find: str) -> StepLog:
    report = state.ended.get(key)
    ended = next((s for s in report.steps if s.log == number), None) if report else None
    shown = tuple(_found(folder, number, find) if find else _last(folder, number))
    return StepLog(
        number=number,
        name=run_logs.step_name(state, key, number),
        outcome=ended.outcome if ended else "running" if report is None else "",
        exit_code=ended.exit_code if ended else None,
        seconds=max(0.0, ended.finished_at - ended.started_at) if ended else None,
        lines=shown,
        before=shown[0].number - 1 if shown and not find else 0,
    )


def _last(folder: Path, number: int) -> list[Numbered]:
    size = _size(folder, number)
    begin, at, before = _stretch(folder, number, size - READ_BYTES)
    data, _ = logs.read(folder, number, begin, READ_BYTES)
    found = list(_numbered(data, at, before))
    return found[-MOST_LINES:]


def _found(folder: Path, number: int, find: str) -> list[Numbered]:
    wanted = find.casefold()
    hits: list[Numbered] = []
    for one in _numbered(*_whole(folder, number)):
        if wanted in one.line.text.casefold():
            hits.append(one)
        if len(hits) == MOST_FOUND:
            break
    return hits


def _whole(folder: Path, number: int) -> tuple[bytes, float, int]:
    _, at, _ = _stretch(folder, number, 0)
    return logs.read(folder, number, 0, FIND_BYTES)[0], at, 0


def _stretch(folder: Path, number: int, wanted: int) -> tuple[int, float, int]:
    """The first indexed stretch that begins at the byte `wanted` or later; else the last."""
    best = (0, 0.0, 0)
    done = 0
    while more := logs.index(folder, number, done, logs.READ_BYTES):
        done += len(more)
        for stretch in more:
            best = stretch
            if stretch[0] >= wanted:
                return best
    return best


def _size(folder: Path, number: int) -> int:
    try:
        return (folder / "logs" / f"{number}.log").stat().st_size
    except OSError as error:
        raise HeadwayError("the log cannot be read", why=error.strerror or str(error)) from error


def _numbered(data: bytes, at: float, before: int) -> Iterator[Numbered]:
    depth = 0
    for number, raw in enumerate(data.split(b"\n"), before + 1):
        line = logs.parse(raw, at, depth)
        depth = logs.depth_after(raw, depth)
        if line is not None and raw:
            yield Numbered(number, line)
