"""The blocks about measuring and telling: signals, SLOs, alerts. Called by `building`."""

from typing import Literal, cast

from headway.document import Mapping
from headway.model.service import AlertPolicy, Composite, Signal, Slo
from headway.settings import units
from headway.settings.block import Block

Calendar = Literal["", "day", "week", "month", "quarter", "year"]


def signals(block: Block) -> tuple[Signal, ...]:
    """In the order written."""
    return tuple(_signal(name, block.block(name)) for name in _names(block))


def shares_above(points: tuple[str, ...]) -> tuple[float, ...]:
    """`p95` is 0.05; durations are left out."""
    return tuple(round(1 - float(p[1:]) / 100, 6) for p in points if p.startswith("p"))


def milliseconds(points: tuple[str, ...]) -> tuple[float, ...]:
    """`250ms` is 250; percentiles are left out."""
    return tuple(1000 * units.seconds(p) for p in points if not p.startswith("p"))


def _signal(name: str, block: Block) -> Signal:
    was = Signal("", "value", "", "")
    ratio, count = block.block("ratio"), block.text("count", "")
    metric = ratio.text("bad", "") or count or block.text("value", "")
    return Signal(
        name=name,
        kind="ratio" if block.get("ratio") else "count" if count else "value",
        source=block.text("source", was.source),
        metric=metric,
        total=ratio.text("total", was.total),
        better="higher" if block.text("better", was.better) == "higher" else "lower",
        margin=block.fraction("margin", was.margin),
        weight=block.whole("weight", was.weight),
        version=block.text("version", was.version),
    )


def slos(block: Block) -> tuple[Slo, ...]:
    """In the order written."""
    return tuple(_slo(name, block.block(name)) for name in _names(block))


def _slo(name: str, block: Block) -> Slo:
    was = Slo("")
    under = block.seconds("under", None)
    return Slo(
        name=name,
        sli="latency"
        if block.text("sli", "latency" if under is not None else was.sli) == "latency"
        else was.sli,
        target=block.fraction("target", was.target),
        under_seconds=under,
        window_seconds=block.seconds("window", was.window_seconds),
        calendar=cast("Calendar", block.text("calendar", was.calendar)),
        zone=block.text("zone", was.zone),
        route=block.text("route", was.route),
        source=block.text("source", was.source),
        bad=block.text("bad", was.bad),
        good=block.text("good", was.good),
        total=block.text("total", was.total),
        openslo=block.text("openslo", was.openslo),
    )


def alerts(block: Block) -> AlertPolicy:
    """Who is told; nobody where nothing is written."""
    was, escalate = AlertPolicy(), block.block("escalate")
    composites = block.block("composite")
    return AlertPolicy(
        page=block.texts("page"),
        ticket=block.texts("ticket"),
        escalate_after_seconds=escalate.seconds("after", was.escalate_after_seconds),
        escalate_to=escalate.texts("to"),
        runbook=block.text("runbook", was.runbook),
        changelog=block.text("changelog", was.changelog),
        composites=tuple(_composite(n, composites.block(n)) for n in _names(composites)),
    )


def _composite(name: str, block: Block) -> Composite:
    severity = block.text("severity", "page")
    return Composite(name, block.texts("all"), "ticket" if severity == "ticket" else "page")


def _names(block: Block) -> tuple[str, ...]:
    return tuple(block.node.keys()) if isinstance(block.node, Mapping) else ()
