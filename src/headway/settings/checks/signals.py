"""Can own signals be measured, and does the judge stay sure with them? Called by `checks`.

The judge shares one small chance of a false alarm among all signals. It holds for any number of
them, but each further one makes the others slower, and the same metric twice is paid for twice.
"""

import re
from collections.abc import Iterator

from headway.document import quoted
from headway.model.errors import Problem
from headway.model.service import Environment, Signal
from headway.settings import units
from headway.settings.checks.places import Places

MOST_SIGNALS = 20
MOST_MARGIN = 10.0
MOST_WEIGHT = 100
_KINDS = ("ratio", "count", "value")
# a label of Prometheus or an attribute of OpenTelemetry
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,99}")


def check(environment: Environment, at: Places) -> Iterator[Problem]:
    """Problems of analysis.signals and analysis.by."""
    signals = environment.analysis.signals
    if at.has("analysis", "by") and not signals:
        sentence = "`by` compares your own `signals` part by part, and there are none"
        yield at.problem(("analysis", "by"), sentence, "missing-key")
    if len(signals) > MOST_SIGNALS:
        sentence = (
            f"`signals` holds {len(signals)}, at most {MOST_SIGNALS}: they share one chance of a "
            "false alarm, so each one more makes all slower. Keep those that users would feel"
        )
        yield at.problem(("analysis", "signals"), sentence, "range")
        return
    for signal in signals:
        yield from _one(signal, at)
    yield from _twice(signals, at)


def _one(signal: Signal, at: Places) -> Iterator[Problem]:
    path = ("analysis", "signals", signal.name)
    several = [kind for kind in _KINDS if at.has(*path, kind)]
    if len(several) > 1:
        kinds = " and ".join(quoted(kind) for kind in several)
        yield at.problem(path, f"{quoted(signal.name)} has {kinds} once merged", "conflict")
    yield from _margin(signal, at)
    if signal.weight > MOST_WEIGHT:
        sentence = f"`weight` must be at most {MOST_WEIGHT}"
        yield at.problem((*path, "weight"), sentence, "range")
    if signal.kind == "ratio" and signal.metric == signal.total:
        sentence = f"`bad` and `total` are both {quoted(signal.total)}: all would always be bad"
        yield at.problem((*path, "ratio", "bad"), sentence, "conflict")
    if not _LABEL.fullmatch(signal.version):
        sentence = f"{quoted(signal.version)} is not the name of a label. For example `release`"
        yield at.problem((*path, "version"), sentence, "name")


def _margin(signal: Signal, at: Places) -> Iterator[Problem]:
    place = ("analysis", "signals", signal.name, "margin")
    if signal.margin == 0:
        sentence = "`margin` must be more than `0%`: nothing can be proven to be exactly as good"
        yield at.problem(place, sentence, "range")
    if signal.margin > MOST_MARGIN:
        sentence = (
            f"`margin` is at most {quoted(units.percent(MOST_MARGIN))}: eleven times as bad would "
            f"still be tolerated, and {quoted(signal.name)} would never say anything"
        )
        yield at.problem(place, sentence, "range")


def _twice(signals: tuple[Signal, ...], at: Places) -> Iterator[Problem]:
    seen: dict[tuple[str, str], str] = {}
    for signal in signals:
        first = seen.setdefault((signal.source, signal.metric), signal.name)
        if first != signal.name:
            sentence = (
                f"{quoted(signal.name)} and {quoted(first)} both measure {quoted(signal.metric)} "
                "of one source: two alarms for one cause, and less weight for every other. Keep one"
            )
            place = at.key(("analysis", "signals", signal.name))
            yield Problem(at.file, place.line, place.column, sentence, "conflict")
