"""The charts of a rollout: what each column means and its numbers, by which the page draws.

Pure: from the read models of a rollout and its course to rows of a table; the picture is drawn from
that table (static/charts.js), so that both agree.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from headway.analysis.tracks import SignalReport, Track
from headway.metrics.window import CPU, MEMORY
from headway.store.views.course import Course
from headway.store.views.rollout import RolloutView
from headway.web import words

_NAMES = {CPU: "CPU"}
Column = tuple[str, str, str]
Line = tuple[datetime, list[float | None]]
Mark = tuple[datetime, str, str, str]


@dataclass(frozen=True, slots=True)
class Chart:
    """As the macro `chart` of parts.html takes it."""

    id: str
    title: str
    unit: str
    note: str
    columns: list[Column]
    rows: list[Line]
    start: float | None = None


def charts(view: RolloutView, course: Course) -> list[Chart]:
    """Errors, the slow requests that weigh most, p95, and the evidence of harm."""
    by_name = {s.name: s for s in course.signals}
    found: list[Chart] = []
    if "errors" in by_name:
        found.append(_errors(view, course, by_name["errors"]))
    slow = [s for s in course.signals if s.name.startswith("slower than ") and s.candidate]
    if slow:
        worst = max(slow, key=lambda s: (s.log_evidence is not None, s.log_evidence or 0.0))
        title = f"{worst.name.capitalize()}, % of requests"
        found.append(_track(view, course, worst, ("slow", title)))
    if any(t.candidate_p95 is not None for t in course.ticks):
        found.append(_p95(view, course))
    if course.boundary is not None:
        found.append(_evidence(view, course))
    return found


def marks(view: RolloutView) -> list[Mark]:
    """When traffic changed."""
    found = [
        (
            s.began_at,
            words.percent(s.share),
            "deploy",
            f"{view.release} gets {words.percent(s.share)}",
        )
        for s in view.steps
        if s.began_at is not None
    ]
    back = [m for m in view.moves if m.what in {"rolled back", "failed"}]
    if back:
        to = view.stable or "nothing"
        found.append((back[-1].at, "rolled back", "rollback", f"everyone is back on {to}"))
    return found


def _errors(view: RolloutView, course: Course, signal: SignalReport) -> Chart:
    made = _track(view, course, signal, ("errors", "Error rate, %"))
    if not view.stable:
        return made
    absolute, relative = course.tolerated
    rows: list[Line] = [
        (
            at,
            [
                *row,
                None if row[1] is None else round(row[1] * (1 + relative) + 100 * absolute, 4),
            ],
        )
        for at, row in made.rows
    ]
    columns = [*made.columns, ("Tolerated", "bound", "fail")]
    return Chart(made.id, made.title, made.unit, made.note, columns, rows)


def _track(
    view: RolloutView, course: Course, signal: SignalReport, named: tuple[str, str]
) -> Chart:
    """Both versions' estimates so far, with the band of the new one."""
    ours, theirs = _points(signal.candidate), _points(signal.stable)
    rows: list[Line] = []
    for seconds in sorted({*ours, *theirs}):
        at = course.began + timedelta(seconds=seconds)
        c, s = ours.get(seconds), theirs.get(seconds)
        numbers = [c and c[0], s and s[0], c and c[1], c and c[2]]
        rows.append((at, [None if n is None else round(100 * n, 4) for n in numbers]))
    sure = words.percent(course.confidence)
    columns = [
        (view.release, "line", "s-1"),
        (view.stable or "no stable version", "line", "s-2"),
        (f"{sure} low", "band-low", "s-1"),
        (f"{sure} band of {view.release}", "band-high", "s-1"),
    ]
    return Chart(named[0], named[1], "%", _now(rows, over=bool(view.outcome)), columns, rows)


def _points(track: Track | None) -> dict[float, tuple[float | None, float | None, float | None]]:
    return {p.seconds: (p.estimate, p.low, p.high) for p in track.points} if track else {}


def _p95(view: RolloutView, course: Course) -> Chart:
    rows: list[Line] = [(t.at, [t.candidate_p95, t.stable_p95]) for t in course.ticks]
    columns = [(view.release, "line", "s-1"), (view.stable or "no stable version", "line", "s-2")]
    return Chart(
        "p95",
        "p95 latency of each window, ms",
        "ms",
        _now(rows, over=bool(view.outcome)),
        columns,
        rows,
    )


def _evidence(view: RolloutView, course: Course) -> Chart:
    rows: list[Line] = [(t.at, [t.log_evidence, course.boundary]) for t in course.ticks]
    columns = [("Evidence", "line", "s-1"), ("Rolled back from here", "bound", "fail")]
    last = rows[-1][1][0] if rows else None
    when = "at the end" if view.outcome else "now"
    note = f"{when} {words.figure(last)}, rolled back at {words.figure(course.boundary)}"
    return Chart("evidence", "Evidence of harm (logarithm)", "", note, columns, rows)


def _now(rows: list[Line], *, over: bool) -> str:
    if not rows:
        return "no data" if over else "no data yet"
    ours, theirs = rows[-1][1][:2]
    against = "" if theirs is None else f" against {words.figure(theirs)}"
    return f"{'at the end' if over else 'now'} {words.figure(ours)}{against}"


@dataclass(frozen=True, slots=True)
class Compared:
    """One signal as the judge's table shows it."""

    name: str
    stable: str
    candidate: str
    difference: str
    range: str
    outcome: tuple[str, str]
    why: str


def compared(course: Course) -> list[Compared]:
    """What the judge compares, in its order."""
    return [_compared(s, course.boundary) for s in course.signals]


def _compared(signal: SignalReport, boundary: float | None) -> Compared:
    share = signal.unit == "share"
    gap = signal.difference
    return Compared(
        name=_NAMES.get(signal.name) or signal.name[:1].upper() + signal.name[1:],
        stable=_last(signal.stable, signal),
        candidate=_last(signal.candidate, signal),
        difference=_signed(gap.estimate, share=share) if gap else "",
        range=(
            f"{_signed(gap.low, share=share)} to {_signed(gap.high, share=share)}" if gap else ""
        ),
        outcome=_outcome(signal, boundary),
        why=signal.why if share or signal.needed else "",
    )


def _outcome(signal: SignalReport, boundary: float | None) -> tuple[str, str]:
    evidence = signal.log_evidence
    if evidence is not None and boundary is not None and evidence >= boundary:
        return "fail", "Harm"
    if signal.harm_excluded:
        return "pass", "No harm"
    return ("wait", "Not sure yet") if signal.needed else ("none", "Only watched")


def _last(track: Track | None, signal: SignalReport) -> str:
    if track is None or not track.points:
        return "no data"
    estimate = track.points[-1].estimate
    if signal.name == MEMORY:
        return words.size(round(estimate))
    return words.percent(estimate) if signal.unit == "share" else words.figure(estimate)


def _signed(number: float, *, share: bool) -> str:
    known = 100 * number if share else number
    sign = "+" if known > 0 else words.MINUS if known < 0 else ""
    return f"{sign}{abs(known):.2f}" if share else f"{sign}{words.figure(abs(known))}"
