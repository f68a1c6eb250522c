"""The parts of an OpenSLO v1 SLO that mean something to Headway: window, indicator, alerts.

Called by openslo.py. Sentences name what cannot be kept; nothing is left out silently.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

from headway.document import quoted
from headway.model.errors import Invalid
from headway.model.service import BurnAlert
from headway.settings.openslo_object import Part, Thing
from headway.slo.selector import selector

Calendar = Literal["", "day", "week", "month", "quarter", "year"]
Find = Callable[[str, str], Thing | None]
OWN = "headway"
_UNITS = {"m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_CALENDARS: dict[str, Calendar] = {
    "1d": "day", "1w": "week", "1M": "month", "1Q": "quarter", "1Y": "year",
}  # fmt: skip
_COUNTER = re.compile(
    r"sum\s*\(\s*(?:(?:rate|increase)\s*\((?P<rated>.*)\[[^\]]*\]\s*\)|(?P<plain>[^()]*))\s*\)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Window:
    """Rolling (`seconds`) or calendar."""

    seconds: float = 30 * 86400.0
    calendar: Calendar = ""
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Indicator:
    """What is counted; `by_threshold`: a latency, whose bound the objective gives."""

    source: str = ""
    bad: str = ""
    good: str = ""
    total: str = ""
    by_threshold: bool = False


def seconds(part: Part, key: str) -> float | None:
    """A duration such as `5m` or `4w`."""
    text = part.text(key, needed=True)
    if not text:
        return None
    if found := re.fullmatch(r"([1-9][0-9]{0,5})([mhdw])", text):
        return int(found[1]) * _UNITS[found[2]]
    said = f"`{key}` is a number and one of m, h, d, w, such as `30d`, not {quoted(text)}"
    part.faults.add(part.at(key), said, "duration")
    return None


def window(spec: Part) -> Window:
    """The one entry of `timeWindow`; 30 days rolling if there is none."""
    found = list(spec.parts("timeWindow"))
    if len(found) > 1:
        spec.faults.add(found[1].node, "`timeWindow` has one entry. Keep one", "conflict")
    if not found:
        return Window()
    part = found[0]
    part.only("duration", "isRolling", "calendar")
    calendar, rolls = part.part("calendar"), part.flag("isRolling")
    if calendar is None:
        if rolls is False:
            said = "a window that does not roll needs `calendar` with `startTime` and `timeZone`"
            part.faults.add(part.node, said, "missing-key")
        return Window(seconds(part, "duration") or Window().seconds)
    if rolls:
        part.faults.add(part.at("isRolling"), "a `calendar` window does not roll", "conflict")
    return _calendar(part, calendar)


def _calendar(part: Part, calendar: Part) -> Window:
    calendar.only("startTime", "timeZone")
    text = part.text("duration", needed=True)
    unit = _CALENDARS.get(text, "")
    if text and not unit:
        said = f"a calendar window is one of {', '.join(_CALENDARS)}, not {quoted(text)}"
        part.faults.add(part.at("duration"), said, "unsupported")
    if unit and not _is_begin(unit, calendar.text("startTime", needed=True)):
        said = (
            f"`startTime` must be the begin of a {unit}, such as `2024-01-01 00:00:00`: Headway's "
            "windows begin where the calendar's do"
        )
        calendar.faults.add(calendar.at("startTime"), said, "unsupported")
    return Window(calendar=unit, zone=calendar.text("timeZone", needed=True) or "UTC")


def _is_begin(unit: Calendar, text: str) -> bool:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return False
    if (at.hour, at.minute, at.second) != (0, 0, 0):
        return False
    return {
        "day": True,
        "week": at.weekday() == 0,
        "month": at.day == 1,
        "quarter": at.day == 1 and at.month % 3 == 1,
        "year": (at.month, at.day) == (1, 1),
    }[unit]


def indicator(spec: Part) -> Indicator:
    """What an SLI's spec counts."""
    spec.only("description", "ratioMetric", "thresholdMetric")
    ratio, threshold = spec.part("ratioMetric"), spec.part("thresholdMetric")
    if ratio is not None and threshold is not None:
        said = "an SLI has `ratioMetric` or `thresholdMetric`, not both"
        spec.faults.add(threshold.node, said, "conflict")
    if ratio is not None:
        return _ratio(ratio)
    if threshold is not None:
        return _threshold(threshold)
    spec.faults.add(spec.node, "an SLI needs `ratioMetric`", "missing-key")
    return Indicator()


def _ratio(ratio: Part) -> Indicator:
    ratio.only("counter", "good", "bad", "total", meaningless="raw rawType")
    if ratio.flag("counter") is False:
        said = "`counter: false` is a number that goes up and down; Headway counts events"
        ratio.faults.add(ratio.at("counter"), said, "unsupported")
    if ratio.has("good") == ratio.has("bad"):
        said = "`ratioMetric` needs one of `good` and `bad`, beside `total`"
        ratio.faults.add(ratio.node, said, "conflict")
    found = {key: _metric(ratio, key) for key in ("good", "bad", "total") if ratio.has(key)}
    if "total" not in found:
        ratio.faults.add(ratio.node, "`ratioMetric` needs `total`", "missing-key")
    sources = {source for source, _ in found.values()}
    if len(sources) > 1:
        said = "both counters must come from one metric source"
        ratio.faults.add(ratio.node, said, "conflict")
    queries = {key: query for key, (_, query) in found.items()}
    if sources == {OWN}:
        return _own(ratio, queries)
    good, bad, total = (queries.get(key, "") for key in ("good", "bad", "total"))
    return Indicator(next(iter(sources), ""), bad, good, total)


def _own(ratio: Part, queries: dict[str, str]) -> Indicator:
    """The proxy's own counts, by two names."""
    if (queries.get("bad"), queries.get("total")) != ("errors", "requests"):
        said = "of type Headway there are `bad: errors` of `total: requests`"
        ratio.faults.add(ratio.node, said, "unsupported")
    return Indicator()


def _threshold(threshold: Part) -> Indicator:
    threshold.only("metricSource")
    source, query = _source(threshold)
    if (source, query) != (OWN, "latency"):
        said = (
            "`thresholdMetric` is read for the latency that the proxy measures only: "
            "`metricSource: {type: Headway, spec: {query: latency}}`, in seconds. "
            "Write anything else as a `ratioMetric`"
        )
        threshold.faults.add(threshold.node, said, "unsupported")
    return Indicator(by_threshold=True)


def _metric(ratio: Part, key: str) -> tuple[str, str]:
    part = ratio.part(key)
    if part is None:
        return "", ""
    part.only("metricSource")
    source, query = _source(part)
    if source in {"", OWN} or not query:
        return source, query
    counter = _COUNTER.fullmatch(query.strip())
    plain = (counter["rated"] or counter["plain"] or "") if counter else query
    try:
        selector(plain)
    except Invalid:
        said = (
            "the query must name one counter with labels that equal values, at most in "
            '`sum(rate(…))`: `requests_total{code="500"}`. Headway takes the increase itself'
        )
        part.faults.add(part.node, said, "unsupported")
    return source, plain.strip()


def _source(part: Part) -> tuple[str, str]:
    """The connection's name (`headway`: the proxy) and the query."""
    source = part.part("metricSource", needed=True)
    if source is None:
        return "", ""
    source.only("metricSourceRef", "type", "spec")
    kind, name = source.text("type") or "Prometheus", source.text("metricSourceRef")
    if kind.lower() not in {"prometheus", OWN}:
        said = f"metric sources of type {quoted(kind)} are not read here: Prometheus or Headway"
        source.faults.add(source.at("type"), said, "unsupported")
    spec = source.part("spec", needed=True)
    if spec is None:
        return "", ""
    spec.only("query")
    named = OWN if kind.lower() == OWN else name or "prometheus"
    return named, spec.text("query", needed=True)


def alerts(spec: Part, find: Find) -> Iterator[BurnAlert]:
    """The conditions of `alertPolicies`."""
    for entry in spec.parts("alertPolicies"):
        policy = _referred(entry, "alertPolicyRef", "AlertPolicy", find)
        if policy is not None:
            yield from _policy(policy, find)


def _referred(entry: Part, key: str, kind: str, find: Find) -> Part | None:
    """The spec of an object that is written here or named."""
    if not entry.has(key):
        entry.only("apiVersion", "kind", "metadata", "spec")
        return entry.part("spec", needed=True)
    entry.only(key)
    name = entry.text(key)
    found = find(kind, name)
    if found is None:
        said = f"this file has no {kind} called {quoted(name)}"
        entry.faults.add(entry.at(key), said, "unknown-name")
    return found.spec if found else None


def _policy(policy: Part, find: Find) -> Iterator[BurnAlert]:
    policy.only(
        "description", "alertWhenNoData", "alertWhenResolved", "alertWhenBreaching",
        "conditions", "notificationTargets",
    )  # fmt: skip
    if policy.flag("alertWhenNoData"):
        said = "Headway tells of missing metrics by itself (`metrics_missing`). Leave it out"
        policy.faults.add(policy.at("alertWhenNoData"), said, "unsupported")
    if policy.flag("alertWhenBreaching") is False:
        said = "a policy that does not alert when it is breached would never alert"
        policy.faults.add(policy.at("alertWhenBreaching"), said, "unsupported")
    for target in policy.parts("notificationTargets"):
        if target.text("targetRef") not in {"page", "ticket"}:
            said = (
                "who is told stands in `alerts` of headway.yaml: write `targetRef: page` or "
                "`targetRef: ticket`"
            )
            policy.faults.add(target.node, said, "unsupported")
    for entry in policy.parts("conditions"):
        name = entry.text("conditionRef") or _name(entry)
        condition = _referred(entry, "conditionRef", "AlertCondition", find)
        if condition is not None and (made := _condition(condition, name)):
            yield made


def _name(entry: Part) -> str:
    metadata = entry.part("metadata")
    return metadata.text("name") if metadata else ""


def _condition(spec: Part, name: str) -> BurnAlert | None:
    spec.only("description", "severity", "condition")
    severity = spec.text("severity", needed=True)
    if severity not in {"page", "ticket"}:
        said = f"`severity` is page or ticket here, not {quoted(severity)}"
        spec.faults.add(spec.at("severity"), said, "unsupported")
    condition = spec.part("condition", needed=True)
    if condition is None:
        return None
    condition.only("kind", "op", "threshold", "lookbackWindow", "alertAfter")
    if condition.text("kind") not in {"", "burnrate"}:
        condition.faults.add(condition.at("kind"), "the only `kind` is burnrate", "unsupported")
    op, threshold = condition.text("op", needed=True), condition.number("threshold")
    if op not in {"gt", "gte"}:
        said = "`op` is gt or gte: an alert is raised while the budget burns faster than that"
        condition.faults.add(condition.at("op"), said, "unsupported")
    if threshold is None or threshold <= 0:
        said = "`threshold` is a burn rate above 0"
        condition.faults.add(condition.at("threshold"), said, "range")
    over = seconds(condition, "lookbackWindow")
    after = 0.0
    if condition.text("alertAfter") not in {"", "0m"}:
        after = seconds(condition, "alertAfter") or 0.0
    if over is not None and over > 3 * 86400:
        condition.faults.add(condition.at("lookbackWindow"), "at most `3d`", "range")
    urgency = cast("Literal['page', 'ticket']", severity)
    return BurnAlert(
        f"own-{name}", urgency, threshold or 0.0, over or 0.0, after, or_equal=op == "gte"
    )
