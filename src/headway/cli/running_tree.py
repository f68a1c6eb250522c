"""The live tree of a run for a terminal: jobs, steps, newest lines; folded until it fits.

Drawn anew several times a second from a Picture (cli/running.py). Everything is rich Text without
markup and without escape sequences, each line cut to the width: so the height is what it is counted
to be, whatever a step prints.
"""

from collections.abc import Callable, Iterator

from rich.text import Text

from headway.cli.running import Fold, JobSeen, Known, Picture, StepSeen, harmless, last_lines, took
from headway.record import dataclass
from headway.wording.text import plain, span, symbol

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
TURNS = 10.0
MANY = 30
DIM = "bright_black"
GREEN = frozenset({"success", "skipped", "reused"})


@dataclass(frozen=True, slots=True)
class Frame:
    """How large the screen is, and the time."""

    width: int
    height: int
    now: float


def draw(picture: Picture, frame: Frame, over: bool = False) -> Text:  # noqa: FBT001, FBT002
    """The most detailed picture that fits the height. The last one (`over`) may be longer; what was
    red is told after it, so it only names it.
    """
    with picture.lock:
        rows: list[Text] = []
        for level in (_done,) if over else _LEVELS:
            rows = [_head(picture, frame), *level(picture, frame)]
            if over or len(rows) <= frame.height:
                break
        else:
            rows = _cut(rows, frame.height)
    for row in rows:
        row.truncate(frame.width, overflow="ellipsis")
    return Text("\n", end="").join(rows)


def _cut(rows: list[Text], height: int) -> list[Text]:
    kept = rows[: max(1, height - 1)]
    return [*kept, Text(f"… {len(rows) - len(kept)} lines more", style=DIM)]


def _head(picture: Picture, frame: Frame) -> Text:
    done = [j for j in picture.jobs.values() if j.report is not None]
    red = sum(j.outcome not in GREEN for j in done)
    text = Text.assemble((f"{len(done)} jobs done", "bold"))
    if red:
        text.append(f", {red} red", style="red")
    running = len(picture.jobs) - len(done)
    if running:
        text.append(f", {running} running", style="cyan")
    waiting = len(_waiting(picture))
    if waiting:
        text.append(f", {waiting} waiting", style=DIM)
    text.append(f"  {span(frame.now - picture.began)}", style=DIM)
    if picture.stop.wanted:
        text.append("  cancelling; Ctrl-C again kills", style="yellow")
    return text


def _waiting(picture: Picture) -> list[Known]:
    seen = {j.id for j in picture.jobs.values()}
    return [k for k in picture.known if k.id not in seen and not _called(k.id, seen)]


def _called(id: str, seen: set[str]) -> bool:
    """Whether jobs of the workflow that this job calls are there already."""
    return any(s.startswith(f"{id} / ") for s in seen)


def _done(picture: Picture, frame: Frame) -> Iterator[Text]:
    """At the end: every job in one line, or the green ones counted if there are many."""
    if len(picture.jobs) > MANY:
        yield from _calm(picture, frame)
    else:
        yield from (_job(job, frame) for job in picture.jobs.values())


def _full(picture: Picture, frame: Frame) -> Iterator[Text]:
    """Every job; steps and newest lines of those that run, red steps of those that are red."""
    for job in picture.jobs.values():
        yield _job(job, frame)
        if job.report is None:
            for step in job.steps.values():
                yield _step(step, frame)
                yield from _newest(step, 3)
        elif job.outcome not in GREEN:
            yield from _red(job, frame)
    yield from (_later(k, picture.held.get(k.id, "")) for k in _waiting(picture))


def _brief(picture: Picture, frame: Frame) -> Iterator[Text]:
    """Every job in one line; of those that run the present step and its newest line."""
    for job in picture.jobs.values():
        yield _job(job, frame)
        if job.current is not None:
            yield _step(job.current, frame)
            yield from _newest(job.current, 1)
        elif job.outcome not in GREEN and job.report is not None:
            yield from _red(job, frame)
    yield from (_later(k, picture.held.get(k.id, "")) for k in _waiting(picture))


def _calm(picture: Picture, frame: Frame) -> Iterator[Text]:
    """Green and waiting jobs counted; the others in one line, with their present or red step."""
    yield from _counted(picture)
    for job in picture.jobs.values():
        if job.outcome not in GREEN:
            yield _job(job, frame, step=True)


def _packed(picture: Picture, frame: Frame) -> Iterator[Text]:
    """As many red jobs as fit, newest first, then those that run."""
    yield from _counted(picture)
    left = max(1, frame.height - 5)
    red = [j for j in picture.jobs.values() if j.report is not None and j.outcome not in GREEN]
    running = [j for j in picture.jobs.values() if j.report is None]
    shown = [*red[-max(left // 2, left - len(running)) :], *running][:left]
    yield from (_job(job, frame, step=True) for job in shown)
    missing = len(red) + len(running) - len(shown)
    if missing:
        yield Text(f"  … {missing} more", style=DIM)


_LEVELS: tuple[Callable[[Picture, Frame], Iterator[Text]], ...] = (_full, _brief, _calm, _packed)


def _counted(picture: Picture) -> Iterator[Text]:
    for word in ("success", "reused", "skipped"):
        several = [j for j in picture.jobs.values() if j.outcome == word]
        if several:
            yield _label(word, f"{len(several)} {word}")
    waiting = _waiting(picture)
    if waiting:
        yield _label("later", f"{len(waiting)} waiting")


def _label(word: str, text: str, indent: int = 0) -> Text:
    sign, colour = symbol("success" if word == "reused" else word)
    return Text.assemble(" " * indent, (f"{sign} ", colour), text)


def _later(known: Known, environment: str) -> Text:
    text = _label("later", plain(known.id, 80))
    if environment:
        return text.append(f"  waits for approval of {plain(environment, 80)}", style="yellow")
    return text.append(f"  after {', '.join(known.needs)}", style=DIM) if known.needs else text


def _spin(began: float, frame: Frame) -> str:
    return SPINNER[int((frame.now - began) * TURNS) % len(SPINNER)]


def _job(job: JobSeen, frame: Frame, step: bool = False) -> Text:  # noqa: FBT001, FBT002
    name = plain(job.name, 80)
    if job.report is None and job.rests:
        return Text.assemble((f"{symbol('waiting')[0]} ", "yellow"), (name, "bold"), "  runs again")
    if job.report is None:
        text = Text.assemble((f"{_spin(job.began, frame)} ", "cyan"), (name, "bold"))
        text.append(f"  {span(frame.now - job.began)}", style=DIM)
        if step and job.current is not None:
            text.append(f"  {plain(job.current.name, 80)}")
        return text
    text = _label(job.outcome, "").append(name, style="bold")
    if job.report.reused:
        return text.append(f"  reused from {plain(job.report.reused, 60)}", style=DIM)
    if job.outcome != "skipped":
        text.append(f"  {took(job.report)}", style=DIM)
    if job.outcome != "success":
        text.append(f"  {job.outcome}")
    if job.report.because:
        text.append(f": {plain(job.report.because, 200)}", style=DIM)
    return text


def _step(step: StepSeen, frame: Frame) -> Text:
    name = plain(step.name, 120)
    if step.report is None:
        text = Text.assemble("  ", (f"{_spin(step.began, frame)} ", "cyan"), name)
        return text.append(f"  {span(frame.now - step.began)}", style=DIM)
    text = _label(step.report.conclusion, name, 2)
    if step.report.outcome == "skipped":
        return text.append("  skipped", style=DIM)
    text.append(f"  {took(step.report)}", style=DIM)
    return text.append(f"  {step.report.outcome}") if step.report.outcome != "success" else text


def _newest(step: StepSeen, most: int) -> Iterator[Text]:
    if step.report is None:
        for shown in list(step.shown)[-most:]:
            yield Text(f"    {_words(shown)}", style=DIM)


def _words(shown: str | Fold) -> str:
    if isinstance(shown, Fold):
        return f"▸ {plain(shown.title, 50)} ({shown.lines} lines)"
    return harmless(shown)


def _red(job: JobSeen, frame: Frame) -> Iterator[Text]:
    for step in job.steps.values():
        report = step.report
        if report is not None and report.conclusion not in GREEN:
            yield _step(step, frame)
            for line in last_lines(report.tail, 3):
                yield Text(f"    {line}", style=DIM)
