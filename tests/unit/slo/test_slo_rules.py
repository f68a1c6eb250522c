"""The exported rules against the published shape, rule by rule; no text of anybody's is compared.

The table is written from sloth's published semantics for 30 days: an error ratio over each window
that an alert looks at, the ratio over the whole period as the mean of the shortest, seven rules
about the budget, and one alert per severity joining a quick and a slow pair, without `for`.
"""

import re
from typing import Any

import pytest

from headway.model.errors import Invalid
from headway.model.service import BurnAlert, Slo
from headway.slo.exposition import Counted, exposition
from headway.slo.rules import Subject, groups
from headway.slo.selector import matcher, selector

ERRORS = Subject("shop", "production", Slo("availability", target=0.999))
SOURCED = Subject(
    "shop", "production",
    Slo("orders", target=0.995, source="mon", bad='orders_total{result="failed"}',
        total="orders_total"),
)  # fmt: skip
ID = {
    "headway_environment": "production",
    "headway_id": "shop-production-availability",
    "headway_service": "shop",
    "headway_slo": "availability",
}
WINDOWS = ["5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d"]
# severity -> (factor, short, long) of the quick and of the slow pair
PAIRS = {
    "page": [(14.4, "5m", "1h"), (6.0, "30m", "6h")],
    "ticket": [(3.0, "2h", "1d"), (1.0, "6h", "3d")],
}
RATIO = re.compile(r"\((?P<bad>.+)\)\n/\n\((?P<total>.+)\)\n")
SIDE = re.compile(
    r"max\(slo:sli_error:ratio_rate(?P<window>\w+)(?P<filter>\{.*?\}) > "
    r"\((?P<factor>[\d.]+) \* (?P<budget>[\d.]+)\)\) without \(headway_window\)"
)


def made(subject: Subject = ERRORS, **how: Any) -> dict[str, list[dict[str, Any]]]:
    found: Any = groups([subject], **how)
    return {g["name"]: g["rules"] for g in found["groups"]}


def rules(kind: str, subject: Subject = ERRORS, **how: Any) -> list[dict[str, Any]]:
    return made(subject, **how)[f"headway-slo-{kind}-{subject.id}"]


def test_three_groups_for_each_slo() -> None:
    assert [n.split("-")[2] for n in made()] == ["sli", "budget", "alerts"]


@pytest.mark.seed("S-177")
def test_an_error_ratio_is_recorded_over_every_window() -> None:
    found = rules("sli", with_levels=False)
    assert [r["record"] for r in found] == [f"slo:sli_error:ratio_rate{w}" for w in WINDOWS]
    assert [r["labels"] for r in found] == [
        dict(sorted((ID | {"headway_window": w}).items())) for w in WINDOWS
    ]
    for rule, window in zip(found[:-1], WINDOWS, strict=False):
        ratio = RATIO.fullmatch(rule["expr"])
        assert ratio, rule["expr"]
        labels = '{environment="production", service="shop", slo="availability"}'
        assert ratio["bad"] == f"sum(rate(headway_sli_bad_total{labels}[{window}]))"
        assert ratio["total"] == f"sum(rate(headway_sli_events_total{labels}[{window}]))"


def test_the_period_is_the_mean_of_the_shortest_window() -> None:
    last = rules("sli")[-1]["expr"].split()
    of = f"slo:sli_error:ratio_rate5m{matcher(ID)}[30d])".split()
    assert last == [
        f"sum_over_time({of[0]}", *of[1:], "/", "ignoring", "(headway_window)",
        f"count_over_time({of[0]}", *of[1:],
    ]  # fmt: skip


def test_the_budget_is_recorded_in_seven_rules() -> None:
    found = {r["record"]: r for r in rules("budget")}
    only = matcher(ID)
    join = "/ on (headway_id, headway_slo, headway_service, headway_environment) group_left"
    assert {n: r["expr"] for n, r in found.items()} == {
        "slo:objective:ratio": "vector(0.999)",
        "slo:error_budget:ratio": "vector(1-0.999)",
        "slo:time_period:days": "vector(30)",
        "slo:current_burn_rate:ratio": f"slo:sli_error:ratio_rate5m{only}\n{join}\n"
        f"slo:error_budget:ratio{only}\n",
        "slo:period_burn_rate:ratio": f"slo:sli_error:ratio_rate30d{only}\n{join}\n"
        f"slo:error_budget:ratio{only}\n",
        "slo:period_error_budget_remaining:ratio": f"1 - slo:period_burn_rate:ratio{only}",
        "headway_slo_info": "vector(1)",
    }
    assert all(r["labels"].items() >= ID.items() for r in found.values())
    assert found["headway_slo_info"]["labels"]["headway_objective"] == "99.9"


@pytest.mark.seed("S-177", "S-209")
def test_each_severity_joins_its_quick_and_its_slow_pair() -> None:
    found = rules("alerts", with_levels=False)
    assert [r["labels"] for r in found] == [
        {"headway_id": ERRORS.id, "headway_severity": s} for s in PAIRS
    ]
    for rule, pairs in zip(found, PAIRS.values(), strict=True):
        halves = rule["expr"].split("or\n")
        assert len(halves) == 2
        for half, (factor, short, long) in zip(halves, pairs, strict=True):
            first, second = half.strip().removeprefix("(").removesuffix(")").split("    and\n")
            sides = [SIDE.fullmatch(x.strip()) for x in (first, second)]
            assert all(sides), half
            assert [s["window"] for s in sides if s] == [short, long]
            assert {float(s["factor"]) for s in sides if s} == {factor}
            assert {s["budget"] for s in sides if s} == {"0.001"}
            assert {s["filter"] for s in sides if s} == {matcher(ID)}
        assert "for" not in rule
        assert set(rule["annotations"]) == {"summary", "title"}


@pytest.mark.seed("S-210")
def test_the_levels_are_alerts_of_their_own() -> None:
    found = rules("alerts")[2:]
    assert [(r["alert"], r["labels"]["headway_severity"]) for r in found] == [
        ("SloBurnLevel", "page"),
        ("SloBurnLevel", "ticket"),
    ]
    factors = [{float(f) for f in re.findall(r"\(([\d.]+) \*", r["expr"])} for r in found]
    assert factors == [{5.0}, {2.0}]


def test_conditions_of_a_file_have_their_window_sign_and_duration() -> None:
    own = BurnAlert("own-mine", "ticket", 2.5, 5400.0, 600.0, or_equal=True)
    found = rules("alerts", Subject("shop", "production", Slo("a", conditions=(own,))))[-1]
    assert "ratio_rate90m" in found["expr"]
    assert ">= (2.5 * 0.001)" in found["expr"]
    assert found["for"] == "10m"
    recorded = rules("sli", Subject("shop", "production", Slo("a", conditions=(own,))))
    assert "slo:sli_error:ratio_rate90m" in [r["record"] for r in recorded]


def test_a_source_is_asked_for_its_own_counters() -> None:
    expression = rules("sli", SOURCED)[0]["expr"]
    assert 'sum(rate(orders_total{result="failed"}[5m]))' in expression
    assert "sum(rate(orders_total[5m]))" in expression


def test_two_weeks_use_shorter_windows_with_the_same_factors() -> None:
    subject = Subject("shop", "live", Slo("a", window_seconds=14 * 86400.0))
    found = rules("alerts", subject, with_levels=False)[0]["expr"]
    assert "ratio_rate28m" in found
    assert "(14.4 * 0.001)" in found


@pytest.mark.parametrize("text", ["", "a b", "a{b=~'c'}", 'a{b="c"', "a{b}", 'a{b="c" d=""}', "1a"])
def test_what_names_no_counter_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        selector(text)


def test_labels_go_there_and_back() -> None:
    labels = {"path": 'a"b\\c', "code": "500"}
    assert selector("x" + matcher(labels)).labels == labels
    assert selector("x_total").labels == {}


def test_the_exposition_is_two_counters() -> None:
    assert exposition([Counted("shop", "live", "a", 2.0, 100.0)]) == [
        "# HELP headway_sli_events_total Requests that the SLO counts.",
        "# TYPE headway_sli_events_total counter",
        'headway_sli_events_total{environment="live", service="shop", slo="a"} 100.0',
        "# HELP headway_sli_bad_total Bad ones among them.",
        "# TYPE headway_sli_bad_total counter",
        'headway_sli_bad_total{environment="live", service="shop", slo="a"} 2.0',
    ]
