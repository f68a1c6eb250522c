"""The verdict report as plain lines, none wider than a terminal unless a sentence is. Called by
cli/verdict.py.
"""

from headway.analysis.tracks import Interval, SignalReport, Track
from headway.analysis.versions import Compared, Range, Stats
from headway.store.views.verdict import VerdictView
from headway.wording.text import clock, columns, marked, percent, plain, span

BAR = 20


def lines(view: VerdictView) -> list[str]:
    """Head, evidence, signals, versions, and what to make of it."""
    told = [*_head(view), "", *_evidence(view)]
    for signal in view.report.signals:
        told += ["", *_signal(view, signal)]
    told += _versions(view)
    told += _section("what would change it", [c.because for c in view.report.changes])
    over = view.finished_at is not None
    told += _section("not provable" if over else "not provable yet", _unproven(view))
    told += _section("went on without proof", _promoted(view))
    outlook = view.report.outlook
    return told + _section("how much longer", [outlook.because] if outlook else [])


def _section(title: str, several: list[str]) -> list[str]:
    return ["", title, *(f"  {plain(one)}" for one in several)] if several else []


def _head(view: VerdictView) -> list[str]:
    against = f" against {view.stable}" if view.stable else ", the first release there"
    steps = f", step {view.step + 1} of {len(view.steps)}" if view.step >= 0 else ""
    share = f" at {percent(view.share)}" if view.share else ""
    found = view.report
    told = [
        f"{view.release} in {plain(view.service)}/{plain(view.environment)}{against}",
        f"  {marked(view.state)}{share}{steps}; {view.strategy}, pace {view.pace}",
        f"  {view.id}, started {clock(view.started_at)}",
        f"  {marked(found.outcome)}: {plain(found.because)}",
    ]
    if view.because and view.because != found.because:
        told.append(f"  because {plain(view.because)}")
    return told


def _evidence(view: VerdictView) -> list[str]:
    """A bar that is full where the version is rolled back."""
    found = view.report
    if found.boundary is None:
        return ["no window was judged"]
    held = found.log_evidence
    full = 0 if held is None else max(0, min(BAR, round(BAR * held / found.boundary)))
    bar = "█" * full + "░" * (BAR - full)
    shown = "none" if held is None else f"{held:.1f}"
    windows = f"{found.windows} window{'' if found.windows == 1 else 's'}"
    return [
        f"evidence of harm {bar} {shown} of {found.boundary:.1f} (log) after {windows}",
        f"intervals hold at all times together, {percent(found.confidence)} sure",
    ]


def _signal(view: VerdictView, signal: SignalReport) -> list[str]:
    unproven = "not proven harmless" if signal.needed else "watched"
    held, boundary = signal.log_evidence, view.report.boundary
    word = "harm excluded" if signal.harm_excluded else unproven
    if held is not None and boundary is not None and held >= boundary:
        word = "harm"
    weight = f", evidence of harm {held:.1f}" if held is not None else ""
    rows = [
        _track(name, signal, track)
        for name, track in ((view.release, signal.candidate), (view.stable, signal.stable))
        if name and track is not None
    ]
    if signal.difference is not None:
        rows.append(("difference", *_points(signal.difference), ""))
    told = [f"{plain(signal.name)}: {word}{weight}", *(f"  {one}" for one in columns(rows))]
    if not rows:
        told.append(f"  {plain(signal.why)}")
    if signal.worse_windows is not None:
        told.append(f"  worse in {_share(signal.worse_windows)} of windows")
    return told


def _track(name: str, signal: SignalReport, track: Track) -> tuple[str, ...]:
    last = track.points[-1]
    shown = rate if signal.unit == "share" else _number
    between = ""
    if last.low is not None and last.high is not None:
        between = f"{shown(last.low)} to {shown(last.high)}"
    counted = f"of {track.of:,.0f}"
    if signal.unit == "share":
        counted = f"{track.bad:,.0f} {counted}"
    return name, shown(last.estimate), between, counted


def _number(value: float) -> str:
    return f"{value:.4g}"


def _points(apart: Interval) -> tuple[str, str]:
    """Differences in points of a hundred, with their sign."""
    return (
        _signed(100 * apart.estimate),
        f"{_signed(100 * apart.low)} to {_signed(100 * apart.high)} points",
    )


def _signed(value: float) -> str:
    """Two digits or more, never with an exponent."""
    if abs(value) < 0.0005:
        return "0"
    return f"{value:+.3g}" if abs(value) >= 0.1 else f"{value:+.3f}"


def rate(share: float) -> str:
    """A share of requests; what is next to nothing is 0%."""
    return percent(share) if share >= 1e-5 else "0%"


def _share(seen: Interval) -> str:
    return f"{rate(seen.estimate)} ({rate(seen.low)} to {rate(seen.high)})"


def _versions(view: VerdictView) -> list[str]:
    """Of the newest step, and of everything if there were more."""
    found = view.report.versions
    if not found:
        return []
    steps = [c for c in found if c.step is not None]
    shown = [steps[-1]] if len(steps) == 1 else [steps[-1], found[-1]]
    return [line for one in shown for line in ("", *_compared(view, one))]


def _compared(view: VerdictView, one: Compared) -> list[str]:
    where = f"step {one.step + 1}" if one.step is not None else "all steps"
    title = f"{where}, {span(one.seconds)}"
    head = (title, view.release, view.stable or "stable", "difference")
    errors = one.delta.error_share
    rows = [
        head,
        ("requests", f"{one.candidate.requests:,}", f"{one.stable.requests:,}", ""),
        (
            "errors",
            _maybe(one.candidate),
            _maybe(one.stable),
            f"{_signed(100 * errors)} points" if errors is not None else "",
        ),
        *(
            (name, _range(ours), _range(theirs), _apart(apart))
            for name, ours, theirs, apart in (
                ("p50 ms", one.candidate.p50_ms, one.stable.p50_ms, one.delta.p50_ms),
                ("p95 ms", one.candidate.p95_ms, one.stable.p95_ms, one.delta.p95_ms),
                ("p99 ms", one.candidate.p99_ms, one.stable.p99_ms, one.delta.p99_ms),
            )
        ),
    ]
    return columns(rows)


def _maybe(stats: Stats) -> str:
    return rate(stats.error_share) if stats.error_share is not None else "no data"


def _range(seen: Range | None) -> str:
    """The estimate and the bucket that the true value is in."""
    if seen is None:
        return "no data"
    if seen.high is None:
        return f"over {seen.low:g}"
    return f"{seen.estimate:.3g} ({seen.low:g}-{seen.high:g})"


def _apart(seen: Range | None) -> str:
    if seen is None:
        return ""
    high = "more" if seen.high is None else f"{seen.high:+g}"
    return f"{seen.estimate:+.2g} ({seen.low:+g} to {high})"


def _unproven(view: VerdictView) -> list[str]:
    """While it runs it is `not yet`; afterwards it never was."""
    return [f"{u.signal}: {u.because}" for u in view.report.unproven]


def _promoted(view: VerdictView) -> list[str]:
    return [
        f"step {p.step + 1} to step {p.to + 1}, {clock(p.at)}: {p.because}"
        for p in view.unproven_promotions
    ]
