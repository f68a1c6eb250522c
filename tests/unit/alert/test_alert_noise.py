"""Alerts per deployment, and what to look at first."""

import pytest

from headway.alert.noise import Deployment, Fired, review, volume, week

MONDAY = 1_763_337_600.0  # 2025-11-17 00:00 UTC
WEEK = 7 * 86400.0


def fired(rule: str, began: float, resolved: float = 0.0, **more: object) -> Fired:
    known = {"severity": "ticket", "symptoms": 1, "acknowledged": False} | more
    return Fired("shop", "production", rule, began=began, resolved=resolved, **known)  # type: ignore[arg-type]


def rollout(started: float) -> Deployment:
    return Deployment("shop", "production", started, started + 600)


def test_weeks_are_iso_weeks() -> None:
    assert (week(MONDAY), week(MONDAY - 1)) == ("2025-W47", "2025-W46")
    assert week(1_735_603_200.0) == "2025-W01"  # 2024-12-31


@pytest.mark.seed("S-224", "S-288")
def test_alerts_are_counted_per_deployment_service_and_week() -> None:
    alerts = [
        fired("slo_burn", MONDAY, severity="page"),
        fired("drift", MONDAY + 5),
        fired("drift", MONDAY + WEEK),
    ]
    rows = volume(alerts, [rollout(MONDAY + n) for n in range(4)])
    assert [(r.week, r.deployments, r.alerts, r.pages, r.per_deployment) for r in rows] == [
        ("2025-W48", 0, 1, 0, None),
        ("2025-W47", 4, 2, 1, 0.5),
    ]


@pytest.mark.seed("S-224", "S-397")
def test_the_noisiest_rule_comes_first_with_what_to_do() -> None:
    during = [fired("slo_burn", MONDAY + n * 3600 + 60) for n in range(4)]
    short = [fired("drift", MONDAY + 2 * WEEK + n, MONDAY + 2 * WEEK + n + 60) for n in range(3)]
    deaf = [fired("rollout_held", MONDAY + 3 * WEEK + n) for n in range(2)]
    rows = review([*deaf, *short, *during], [rollout(MONDAY + n * 3600) for n in range(4)])
    assert [(r.rule, r.alerts, r.during, r.short) for r in rows] == [
        ("slo_burn", 4, 4, 0), ("drift", 3, 0, 3), ("rollout_held", 2, 0, 0),
    ]  # fmt: skip
    assert "headway alert suppress shop --rule slo_burn" in rows[0].advice
    assert "end by themselves" in rows[1].advice
    assert "ever acknowledges" in rows[2].advice


def test_an_alert_long_after_a_deployment_does_not_belong_to_it() -> None:
    late = [fired("slo_burn", MONDAY + 600 + 1801 + n) for n in range(2)]
    (row,) = review(late, [rollout(MONDAY)])
    assert row.during == 0
