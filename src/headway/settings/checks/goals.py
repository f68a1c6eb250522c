"""Can every SLO be measured and missed, and do the gates that ask for SLOs have any?

Called by `checks`. Goals are shares of requests below a threshold, which is to say percentiles: a
goal for an average cannot be written, because averages hide the slow requests.
"""

import re
import zoneinfo
from collections.abc import Iterator

from headway.document import quoted
from headway.model.errors import Problem
from headway.model.service import Environment, Service, Slo
from headway.settings import units
from headway.settings.checks.places import Places
from headway.settings.sentences import near

LEAST_TARGET = 0.5
LONGEST_ROUTE = 200
MOST_ROUTES = 20
_OF_FILE = ("sli", "target", "under", "window", "calendar", "zone", "route", "bad", "good", "total")
_PATH = re.compile(r"([A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-F]{2})+")  # RFC 3986 section 3.3
_GATES = ("error_budget", "slo", "burn_rate")


def check(service: Service, at: Places) -> Iterator[Problem]:
    """Problems of slos."""
    for slo in service.slos:
        path = ("slos", slo.name)
        if slo.openslo is not None:
            yield from _beside_file(path, at)
            continue
        for each in (_target, _latency, _window, _events, _route):
            yield from each(slo, path, at)
    yield from _routes(service, at)


def gates(environment: Environment, service: Service, at: Places) -> Iterator[Problem]:
    """Problems of the gates that ask for SLOs."""
    for gate in _GATES:
        if at.has("gates", gate) and not service.slos:
            place = at.key(("gates", gate))
            sentence = (
                f"`{gate}` needs a goal to ask about, and this file has no `slos`. "
                "Write for example `slos: {availability: {target: 99.9%}}`"
            )
            yield Problem(at.file, place.line, place.column, sentence, "missing-key")
    budget = environment.error_budget
    if budget is not None and budget.left == 1.0:
        sentence = "`left` must be less than `100%`: after the first error nothing would ever start"
        yield at.problem(("gates", "error_budget", "left"), sentence, "range")
    if budget is not None and budget.pause == 0.0:
        sentence = "`pause` must be more than `0%`: a rollout would pause at its first error"
        yield at.problem(("gates", "error_budget", "pause"), sentence, "range")


def _beside_file(path: tuple[str, str], at: Places) -> Iterator[Problem]:
    if several := [quoted(key) for key in _OF_FILE if at.has(*path, key)]:
        sentence = f"the `openslo` file says {', '.join(several)} already. Write it in one place"
        yield at.problem(path, sentence, "conflict")


def _target(slo: Slo, path: tuple[str, str], at: Places) -> Iterator[Problem]:
    if slo.target == 1.0:
        sentence = "`target: 100%` leaves no error budget: the first error ends all releases. Write"
        yield at.problem((*path, "target"), f"{sentence} less, for example `99.9%`", "range")
    elif slo.target < LEAST_TARGET:
        sentence = f"`target` must be at least {quoted(units.percent(LEAST_TARGET))}, not"
        said = f"{sentence} {quoted(units.percent(slo.target))}: most users would count for nothing"
        yield at.problem((*path, "target"), said, "range")


def _latency(slo: Slo, path: tuple[str, str], at: Places) -> Iterator[Problem]:
    if slo.sli == "latency" and slo.under_seconds is None:
        sentence = (
            f"{quoted(slo.name)} needs `under`: how fast is fast enough? `under: 300ms` with "
            f"`target: {units.percent(slo.target)}` holds that percentile of latency"
        )
        yield at.problem(path, sentence, "missing-key")
    if slo.sli == "availability" and slo.under_seconds is not None:
        sentence = "`under` is for `sli: latency`; this one is availability. Keep one of them"
        yield at.problem((*path, "under"), sentence, "conflict")


def _window(slo: Slo, path: tuple[str, str], at: Places) -> Iterator[Problem]:
    if slo.calendar and at.has(*path, "window"):
        sentence = "`window` rolls and `calendar` begins anew: keep one"
        yield at.problem((*path, "calendar"), sentence, "conflict")
    if at.has(*path, "zone") and not slo.calendar:
        sentence = "`zone` says where a `calendar` window begins; this window rolls. Leave it out"
        yield at.problem((*path, "zone"), sentence, "conflict")
    if not _is_zone(slo.zone):
        known = zoneinfo.available_timezones() | {"UTC"}
        sentence = f"no time zone is called {quoted(slo.zone)}.{_hint(slo.zone, known)}"
        yield at.problem((*path, "zone"), sentence, "unknown-name")


def _is_zone(name: str) -> bool:
    """UTC is known everywhere, the others by the system's time zone database."""
    try:
        return name == "UTC" or bool(zoneinfo.ZoneInfo(name).key)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False


def _hint(name: str, known: set[str]) -> str:
    """One that is like it; never all of the hundreds."""
    said = near(name, known)
    return said if said.startswith(" Did you") else " For example `Europe/Berlin`"


def _events(slo: Slo, path: tuple[str, str], at: Places) -> Iterator[Problem]:
    written = [key for key in ("bad", "good", "total") if at.has(*path, key)]
    if written and not slo.source:
        sentence = f"{quoted(written[0])} is a counter of a metric source: which `source`?"
        yield at.problem((*path, written[0]), sentence, "missing-key")
    elif slo.source:
        yield from _counters(slo, path, at)


def _counters(slo: Slo, path: tuple[str, str], at: Places) -> Iterator[Problem]:
    if slo.bad and slo.good:
        sentence = "`bad` and `good` say the same twice: keep one"
        yield at.problem((*path, "good"), sentence, "conflict")
    if not slo.bad and not slo.good:
        sentence = f"{quoted(slo.name)} has a `source`: which of its counters are `bad` (or `good`)"
        yield at.problem((*path, "source"), f"{sentence} and `total`?", "missing-key")
    elif not slo.total:
        sentence = f"{quoted(slo.name)} needs `total`, the counter of all events"
        yield at.problem((*path, "source"), sentence, "missing-key")
    elif slo.total in (slo.bad, slo.good):
        sentence = f"`total` and what is counted of it are both {quoted(slo.total)}"
        yield at.problem((*path, "total"), sentence, "conflict")


def _route(slo: Slo, path: tuple[str, str], at: Places) -> Iterator[Problem]:
    """Of a metric source it is only a label; the proxy compares it with the paths of requests."""
    if slo.route is not None and not slo.source and (sentence := _no_path(slo.route)):
        yield at.problem((*path, "route"), sentence, "range")


def _no_path(route: str) -> str:
    """Why no request's path can be below it; empty if one can. That it begins with `/` and holds no
    spaces, the schema says.
    """
    if len(route) > LONGEST_ROUTE:
        return f"`route` must have at most {LONGEST_ROUTE} characters, not {len(route)}"
    if "?" in route or "#" in route:
        return "`route` must be a path alone, without `?` and `#`: every query is counted with it"
    if not _PATH.fullmatch(route):
        return "`route` must be written as in a request: letters that are not of A to z as `%C3%A9`"
    if route != "/" and route.endswith("/"):
        return "`route` must not end with `/`: all paths below it are counted with it anyway"
    if {".", ".."} & set(route.split("/")):
        return "`route` must not hold `/./` or `/../`: the proxy takes them out of each path"
    return ""


def _routes(service: Service, at: Places) -> Iterator[Problem]:
    found = sorted({s.route for s in service.slos if s.route is not None and not s.source})
    if len(found) > MOST_ROUTES:
        sentence = f"at most {MOST_ROUTES} different `route`s are counted, not {len(found)}"
        more = "Keep those that matter most, or count the others in a metric `source`"
        yield at.problem(("slos",), f"{sentence}. {more}", "range")
