"""What is measured and who is told, as the file would write it: rows for `origins`."""

from collections.abc import Iterator

from headway.document import Path
from headway.model.service import Composite, Environment, Service, Signal, Slo
from headway.settings.units import duration, percent

Row = tuple[Path, str]


def signals(found: tuple[Signal, ...]) -> Iterator[Row]:
    """Every key of each signal of an environment."""
    if not found:
        yield ("analysis", "signals"), "none"
    for signal in found:
        at = ("analysis", "signals", signal.name)
        if signal.kind == "ratio":
            yield (*at, "ratio", "bad"), signal.metric
            yield (*at, "ratio", "total"), signal.total
        else:
            yield (*at, signal.kind), signal.metric
        yield (*at, "source"), signal.source
        yield (*at, "better"), signal.better
        yield (*at, "margin"), percent(signal.margin)
        yield (*at, "weight"), str(signal.weight)
        yield (*at, "version"), signal.version


def gates(e: Environment) -> Iterator[Row]:
    """The gates that ask for SLOs."""
    if e.error_budget is None:
        yield ("gates", "error_budget"), "none"
    else:
        yield ("gates", "error_budget", "left"), percent(e.error_budget.left)
        yield ("gates", "error_budget", "then"), e.error_budget.then
        yield ("gates", "error_budget", "pause"), percent(e.error_budget.pause)
    within = "none" if e.slo is None else duration(e.slo.within_seconds)
    yield ("gates", "slo") if e.slo is None else ("gates", "slo", "within"), within
    if e.burn_rate is None:
        yield ("gates", "burn_rate"), "none"
    else:
        yield ("gates", "burn_rate", "below"), f"{e.burn_rate.below:g}"
        yield ("gates", "burn_rate", "over"), duration(e.burn_rate.over_seconds)


def of_service(service: Service) -> Iterator[Row]:
    """The SLOs and alerts, which are the same in every environment."""
    if not service.slos:
        yield ("slos",), "none"
    for slo in service.slos:
        yield from _slo(slo)
    yield from _alerts(service)


def _slo(slo: Slo) -> Iterator[Row]:
    at = ("slos", slo.name)
    if slo.openslo is not None:
        yield (*at, "openslo"), slo.openslo
        return
    yield (*at, "sli"), slo.sli
    yield (*at, "target"), percent(slo.target)
    if slo.under_seconds is not None:
        yield (*at, "under"), duration(slo.under_seconds)
    if slo.calendar:
        yield (*at, "calendar"), slo.calendar
        yield (*at, "zone"), slo.zone
    else:
        yield (*at, "window"), duration(slo.window_seconds)
    if slo.route:
        yield (*at, "route"), slo.route
    yield (*at, "source"), slo.source or "the proxy's own counts"
    counters = (("bad", slo.bad), ("good", slo.good), ("total", slo.total))
    yield from (((*at, key), counter) for key, counter in counters if counter)


def _alerts(service: Service) -> Iterator[Row]:
    alerts = service.alerts
    yield ("alerts", "page"), ", ".join(alerts.page) or "nobody"
    yield ("alerts", "ticket"), ", ".join(alerts.ticket) or "nobody"
    if alerts.escalate_to:
        yield ("alerts", "escalate", "to"), ", ".join(alerts.escalate_to)
        yield ("alerts", "escalate", "after"), duration(alerts.escalate_after_seconds)
    for key, text in (("runbook", alerts.runbook), ("changelog", alerts.changelog)):
        if text:
            yield ("alerts", key), text
    for composite in alerts.composites:
        yield from _composite(composite)


def _composite(composite: Composite) -> Iterator[Row]:
    at = ("alerts", "composite", composite.name)
    yield (*at, "all"), ", ".join(composite.all)
    yield (*at, "severity"), composite.severity
