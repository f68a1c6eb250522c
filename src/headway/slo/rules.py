"""The same goals for a Prometheus: recording and alerting rules as plain data.

Called by `headway slo rules`, which writes them as YAML. The shape is the one that sloth publishes
(github.com/slok/sloth: core plugins sli_rules_v1, metadata_rules_v1, alert_rules_v1), with labels
of Headway's own: an error ratio per window, the budget's state, and one alert per severity whose
expression joins a quick and a slow pair of windows. No `for`: the short windows do its work.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from headway.model.errors import Invalid
from headway.model.service import Slo
from headway.slo.selector import matcher, selector
from headway.slo.windows import DAY, Burning, levels, nominal_seconds, own, published

Rule = dict[str, object]
WINDOW = "headway_window"
ALERT = "SloErrorBudgetBurn"
LEVEL = "SloBurnLevel"
OWN = "SloBurnCondition"


@dataclass(frozen=True, slots=True)
class Subject:
    """An SLO of a service in an environment."""

    service: str
    environment: str
    slo: Slo

    @property
    def id(self) -> str:
        """Unique among all: `shop-production-availability`."""
        return f"{self.service}-{self.environment}-{self.slo.name}"

    @property
    def labels(self) -> dict[str, str]:
        """What every rule of it carries."""
        return {
            "headway_environment": self.environment,
            "headway_id": self.id,
            "headway_service": self.service,
            "headway_slo": self.slo.name,
        }


def groups(
    subjects: Iterable[Subject],
    *,
    with_levels: bool = True,
    workbook: tuple[Burning, ...] | None = None,
) -> dict[str, object]:
    """A rule file: three groups per SLO. `workbook`: other quick and slow pairs, page before
    ticket, than those of the SLO's window. Raises Invalid (`selector`) for a counter whose name is
    none.
    """
    found: list[object] = []
    for subject in subjects:
        rows = workbook or published(nominal_seconds(subject.slo))
        more = [*(levels(nominal_seconds(subject.slo)) if with_levels else ()), *own(subject.slo)]
        found += [
            _group("sli", subject, recordings(subject, (*rows, *more))),
            _group("budget", subject, metadata(subject, rows[0])),
            _group("alerts", subject, [*alerts(subject, rows), *extra(subject, more)]),
        ]
    return {"groups": found}


def _group(kind: str, subject: Subject, rules: list[Rule]) -> dict[str, object]:
    return {"name": f"headway-slo-{kind}-{subject.id}", "rules": rules}


def recordings(subject: Subject, rows: Iterable[Burning]) -> list[Rule]:
    """The error ratio over every window that an alert looks at, and over the SLO's whole window.
    The last is the mean of the shortest one's over that time: a rate over 30 days would read 30
    days of raw samples at each evaluation.
    """
    rows = list(rows)
    lengths = sorted({w for r in rows for w in (r.long, r.short) if w > 0})
    period = nominal_seconds(subject.slo)
    made = [_recording(subject, w, _ratio(subject, w)) for w in lengths if w != period]
    short = f"{metric(lengths[0])}{_filter(subject)}"
    span = prometheus(period)
    mean = (
        f"sum_over_time({short}[{span}])\n/ ignoring ({WINDOW})\ncount_over_time({short}[{span}])\n"
    )
    return [*made, _recording(subject, period, mean)]


def _recording(subject: Subject, window: float, expression: str) -> Rule:
    labels = subject.labels | {WINDOW: prometheus(window)}
    return {"record": metric(window), "expr": expression, "labels": dict(sorted(labels.items()))}


def _ratio(subject: Subject, window: float) -> str:
    bad, total = queries(subject)
    span = prometheus(window)
    return f"({bad.replace('WINDOW', span)})\n/\n({total.replace('WINDOW', span)})\n"


def queries(subject: Subject) -> tuple[str, str]:
    """PromQL for the rates of bad and of all events, with WINDOW for the window's length."""
    slo = subject.slo
    if not slo.source:
        labels = {
            "environment": subject.environment,
            "service": subject.service,
            "slo": slo.name,
        }
        bad, total = (
            _rate(f"headway_sli_{kind}_total{matcher(labels)}") for kind in ("bad", "events")
        )
        return bad, total
    total = _rate(_counter(slo, slo.total))
    if slo.bad:
        # a counter that was never raised may have no series: that is 0 bad events, if there are any
        return f"{_rate(_counter(slo, slo.bad))} or 0 * {total}", total
    return f"{total} - {_rate(_counter(slo, slo.good))}", total


def _rate(counter: str) -> str:
    return f"sum(rate({counter}[WINDOW]))"


def _counter(slo: Slo, text: str) -> str:
    found = selector(text)
    labels = found.labels | ({"route": slo.route} if slo.route else {})
    if "WINDOW" in text or "." in found.metric:
        raise Invalid(f"`{text[:80]}` is no name that Prometheus takes", code="selector")
    return found.metric + (matcher(labels) if labels else "")


def metadata(subject: Subject, quick: Burning) -> list[Rule]:
    """The goal, the budget, and how fast and how far it is used."""
    slo, labels, only = subject.slo, subject.labels, _filter(subject)
    period, short = metric(nominal_seconds(slo)), metric(quick.short or quick.long)
    days = nominal_seconds(slo) / DAY
    joined = "/ on (headway_id, headway_slo, headway_service, headway_environment) group_left"
    budget = f"{joined}\nslo:error_budget:ratio{only}\n"
    made = {
        "slo:objective:ratio": f"vector({_number(slo.target)})",
        "slo:error_budget:ratio": f"vector(1-{_number(slo.target)})",
        "slo:time_period:days": f"vector({days:g})",
        "slo:current_burn_rate:ratio": f"{short}{only}\n{budget}",
        "slo:period_burn_rate:ratio": f"{period}{only}\n{budget}",
        "slo:period_error_budget_remaining:ratio": f"1 - slo:period_burn_rate:ratio{only}",
    }
    rules: list[Rule] = [{"record": n, "expr": e, "labels": labels} for n, e in made.items()]
    info = labels | {"headway_objective": _number(Decimal(str(slo.target)) * 100)}
    return [*rules, {"record": "headway_slo_info", "expr": "vector(1)", "labels": info}]


def alerts(subject: Subject, rows: tuple[Burning, ...]) -> list[Rule]:
    """One page and one ticket, each when its quick or its slow pair of windows burns."""
    made: list[Rule] = []
    for severity in ("page", "ticket"):
        pairs = [_pair(subject, r) for r in rows if r.severity == severity]
        made.append(_alert(subject, ALERT, severity, "or\n".join(pairs)))
    return made


def extra(subject: Subject, rows: Iterable[Burning]) -> list[Rule]:
    """One alert for each further condition: the fixed levels, and those of an OpenSLO file."""
    made = []
    for row in rows:
        name = LEVEL if row.name.startswith("level-") else OWN
        rule = _alert(subject, name, row.severity, _pair(subject, row))
        rule["labels"] = {
            "headway_condition": row.name,
            "headway_id": subject.id,
            "headway_severity": row.severity,
        }
        if row.after:
            rule["for"] = prometheus(row.after)
        made.append(rule)
    return made


def _alert(subject: Subject, name: str, severity: str, expression: str) -> Rule:
    return {
        "alert": name,
        "expr": expression,
        # the id comes with the series, too; here it tells the rules of two SLOs apart
        "labels": {"headway_id": subject.id, "headway_severity": severity},
        "annotations": {
            "summary": "{{$labels.headway_service}} {{$labels.headway_slo}} burns its error budget "
            "too fast",
            "title": f"({severity}) {{{{$labels.headway_service}}}} {{{{$labels.headway_slo}}}} in "
            "{{$labels.headway_environment}} burns its error budget too fast",
        },
    }


def _pair(subject: Subject, row: Burning) -> str:
    budget = _number(1 - Decimal(str(subject.slo.target)))
    sign = ">=" if row.or_equal else ">"
    sides = [
        f"    max({metric(w)}{_filter(subject)} {sign} ({row.factor:g} * {budget})) "
        f"without ({WINDOW})\n"
        for w in (row.short, row.long)
        if w > 0
    ]
    return "(\n" + "    and\n".join(sides) + ")\n"


def metric(window: float) -> str:
    """The name under which the error ratio over the window is recorded."""
    return f"slo:sli_error:ratio_rate{prometheus(window)}"


def _filter(subject: Subject) -> str:
    return matcher(subject.labels)


def _number(value: float | Decimal) -> str:
    """0.001 and not 0.0010000000000000009."""
    return f"{Decimal(str(value)).normalize():f}"


def prometheus(seconds: float) -> str:
    """`5m`, `1h`, `3d`, `30d`: a duration in the largest unit that leaves a whole number."""
    whole = round(seconds)
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if whole >= size and whole % size == 0:
            return f"{whole // size}{unit}"
    return f"{whole}s"
