"""OpenSLO v1 files: what is read, and that everything else is refused at its place."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway import settings
from headway.model.errors import Invalid
from headway.model.service import BurnAlert, Slo
from headway.settings import openslo

RATIO = """\
# goals of the shop
apiVersion: openslo/v1
kind: SLO
metadata: {name: orders, displayName: Orders are taken}
spec:
  service: shop
  indicatorRef: taken
  timeWindow:
    - duration: 4w
      isRolling: true
  budgetingMethod: Occurrences
  objectives:
    - targetPercent: 99.5
  alertPolicies:
    - alertPolicyRef: fast
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: taken}
spec:
  ratioMetric:
    counter: true
    bad:
      metricSource:
        metricSourceRef: prod-metrics
        type: Prometheus
        spec: {query: 'sum(rate(orders_total{result="failed"}[5m]))'}
    total:
      metricSource:
        metricSourceRef: prod-metrics
        spec: {query: orders_total}
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: fast}
spec:
  alertWhenBreaching: true
  alertWhenResolved: true
  conditions:
    - conditionRef: twice
  notificationTargets:
    - targetRef: ticket
---
apiVersion: openslo/v1
kind: AlertCondition
metadata: {name: twice}
spec:
  severity: ticket
  condition: {kind: burnrate, op: gte, threshold: 2, lookbackWindow: 1h, alertAfter: 5m}
"""
LATENCY = """\
apiVersion: openslo/v1
kind: SLO
metadata: {name: fast}
spec:
  service: shop
  indicator:
    metadata: {name: latency}
    spec:
      thresholdMetric:
        metricSource: {type: Headway, spec: {query: latency}}
  timeWindow:
    - duration: 1M
      isRolling: false
      calendar: {startTime: 2024-01-01 00:00:00, timeZone: Europe/Berlin}
  budgetingMethod: Occurrences
  objectives:
    - {op: lte, value: 0.3, target: 0.99}
"""


def read(text: str, name: str = "orders") -> Slo:
    return openslo.slo_of(text, "slo/shop.yaml", "shop", name)


@pytest.mark.seed("S-209")
def test_a_ratio_of_two_counters_with_its_alert_condition() -> None:
    assert read(RATIO) == Slo(
        "orders",
        target=0.995,
        window_seconds=28 * 86400.0,
        source="prod-metrics",
        bad='orders_total{result="failed"}',
        total="orders_total",
        openslo="slo/shop.yaml",
        conditions=(BurnAlert("own-twice", "ticket", 2.0, 3600.0, 300.0, or_equal=True),),
    )


@pytest.mark.seed("S-175", "S-222")
def test_a_latency_of_the_proxy_in_a_calendar_month() -> None:
    assert read(LATENCY, "fast") == Slo(
        "fast",
        "latency",
        0.99,
        under_seconds=0.3,
        calendar="month",
        zone="Europe/Berlin",
        openslo="slo/shop.yaml",
    )


def test_the_only_slo_of_a_file_may_have_another_name() -> None:
    assert read(LATENCY, "speed").name == "speed"


def test_headway_yaml_names_the_file_and_it_is_read_once_at_the_commit() -> None:
    text = "service: shop\nrun: ./shop\nslos: {orders: {openslo: slo/shop.yaml}}\n"
    service = settings.read(text + "environments: {production: }\n", "headway.yaml")
    asked = []

    def at_the_commit(path: str) -> str:
        asked.append(path)
        return RATIO

    found = openslo.resolved(service, at_the_commit).slos[0]
    assert (found.name, found.target, asked) == ("orders", 0.995, ["slo/shop.yaml"])


def problems(text: str, name: str = "orders") -> list[tuple[int, int, str, str]]:
    with pytest.raises(Invalid) as caught:
        read(text, name)
    return [(p.line, p.column, p.sentence, p.code) for p in caught.value.problems]


@pytest.mark.seed("S-528")
@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("budgetingMethod: Occurrences", "budgetingMethod: Timeslices", 11, "`Timeslices`"),
        ("    - targetPercent: 99.5", "    - targetPercent: 100", 13, "leaves a budget"),
        ("    - targetPercent: 99.5", "    - {target: 0.99, targetPercent: 99}", 13, "one of"),
        (
            "    - targetPercent: 99.5",
            "    - {target: 0.99, timeSliceTarget: 1.0}",
            13,
            "timeSlice",
        ),
        ("    - targetPercent: 99.5", "    - target: 0.9\n    - target: 0.8", 14, "one objective"),
        ("service: shop", "service: cart", 6, "`cart`"),
        ("indicatorRef: taken", "indicatorRef: token", 7, "no SLI called `token`"),
        ("duration: 4w", "duration: 4 weeks", 9, "such as `30d`"),
        ("kind: SLI", "kind: DataSource", 18, "DataSource has no meaning"),
        ("openslo/v1\nkind: SLI", "openslo/v2\nkind: SLI", 17, "openslo/v1"),
        ("counter: true", "counter: false", 22, "counts events"),
        ("type: Prometheus", "type: Datadog", 26, "`Datadog`"),
        ("query: orders_total}", "query: 'a / b'}", 29, "one counter"),
        ("query: orders_total}", "query: 'sum(rate([5m]))'}", 29, "one counter"),
        ("query: orders_total}", "query: 'sum()'}", 29, "one counter"),
        ('{result="failed"}', '{result=~"f.*"}', 24, "one counter"),
        ("alertPolicyRef: fast", "alertPolicyRef: slow", 15, "no AlertPolicy called"),
        ("targetRef: ticket", "targetRef: pager-duty", 42, "`alerts` of headway.yaml"),
        ("op: gte", "op: lte", 49, "faster than that"),
        ("severity: ticket", "severity: sev1", 48, "page or ticket"),
        ("alertWhenResolved", "alertWhenNoData", 38, "metrics_missing"),
        ("threshold: 2", "threshold: -2", 49, "above 0"),
        ("  service: shop", "  service: shop\n  color: red", 7, "unknown key `color`"),
    ],
)
def test_what_headway_could_not_keep_is_refused_at_its_place(
    old: str, new: str, line: int, words: str
) -> None:
    assert old in RATIO
    found = problems(RATIO.replace(old, new, 1))
    assert any(at == line and words in said for at, _, said, _ in found), found


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("query: latency", "query: cpu", "for the latency that the proxy measures only"),
        ("2024-01-01 00:00:00", "2024-01-15 12:00:00", "begin of a month"),
        ("Europe/Berlin", "Europe/Atlantis", "no time zone"),
        ("duration: 1M", "duration: 2M", "a calendar window is one of"),
        ("isRolling: false", "isRolling: true", "does not roll"),
        ("op: lte", "op: gt", "faster than `value`"),
        ("value: 0.3", "value: 300", "in seconds"),
    ],
)
def test_faults_of_a_latency_goal(old: str, new: str, words: str) -> None:
    assert any(words in said for _, _, said, _ in problems(LATENCY.replace(old, new), "fast"))


def test_every_problem_is_told_at_once() -> None:
    bad = RATIO.replace("Occurrences", "Timeslices").replace("99.5", "100")
    assert len(problems(bad)) == 2


@pytest.mark.parametrize("path", ["../slo.yaml", "/etc/passwd", "a/../../b", "~/slo.yaml"])
def test_a_path_that_leaves_the_repository_is_refused_unread(path: str) -> None:
    service = settings.read("service: shop\nrun: ./a\nenvironments: {live: }\n", "headway.yaml")
    hostile = replace(service, slos=(Slo("orders", openslo=path),))
    with pytest.raises(Invalid, match="leaves the repository"):
        openslo.resolved(hostile, lambda _: pytest.fail("it was read"))


def refused_or_read(text: str) -> bool:
    """Whether it was read; anything but Invalid with problems is a bug."""
    try:
        read(text)
    except Invalid as error:
        return not error.problems
    return True


@given(st.text(max_size=300))
def test_no_text_does_anything_but_be_refused(text: str) -> None:
    assert not refused_or_read(text)


@given(st.data())
def test_a_damaged_file_is_read_or_refused_with_its_problems(data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(RATIO)))
    length = data.draw(st.integers(0, 40))
    more = data.draw(st.text("{}[]:-,'\"ab1 \n", max_size=8))
    damaged = RATIO[:begin] + more + RATIO[begin + length :]
    if refused_or_read(damaged):
        assert isinstance(read(damaged), Slo)
