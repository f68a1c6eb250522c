"""Page or ticket: the tables of the three documents, and the page that shows ours."""

from pathlib import Path

import pytest

from headway.alert import routes
from headway.alert.reference import render
from headway.model.alert import Symptom
from headway.model.service import AlertPolicy, Composite

DOCS = Path(__file__).parents[3] / "docs/reference/alerts.md"


def of(rule: str, **labels: str) -> Symptom:
    return Symptom(rule, "shop", "production", rule, 0.0, labels=labels)


def severity(rule: str, tier: str = "production", **labels: str) -> str | None:
    return routes.severity(of(rule, **labels), AlertPolicy(), tier)  # type: ignore[arg-type]


@pytest.mark.seed("S-213")
def test_user_facing_breaches_and_fast_burns_page_and_pipelines_do_not() -> None:
    assert severity("slo_breach") == severity("slo_burn", severity="page") == "page"
    assert severity("slo_burn", severity="ticket") == "ticket"
    assert severity("pipeline_failed") == "ticket"


@pytest.mark.seed("S-214")
def test_only_production_pages_and_stale_dashboards_are_tickets() -> None:
    for rule in ("slo_breach", "slo_burn", "outage", "rollback_failed"):
        assert severity(rule) == "page"
        assert severity(rule, tier="staging") == severity(rule, tier="development") == "ticket"
    assert severity("stale_dashboard") == severity("pipeline_failed") == "ticket"


@pytest.mark.seed("S-215")
def test_failed_rollbacks_and_outages_page_and_regressions_without_a_breach_do_not() -> None:
    assert severity("canary_failed_with_slo_breach") == "page"
    assert severity("rollback_failed") == severity("outage") == "page"
    assert severity("rollout_failed") == severity("pipeline_flaky") == "ticket"


def test_what_nobody_knows_is_a_ticket_and_an_unknown_tier_is_production() -> None:
    assert severity("of_a_plugin") == "ticket"
    assert routes.severity(of("outage"), AlertPolicy(), None) == "page"


@pytest.mark.seed("S-218")
def test_a_part_of_a_composite_never_pages_alone() -> None:
    policy = AlertPolicy(composites=(Composite("down", ("slo_burn", "of_a_plugin")),))
    assert routes.severity(of("slo_burn"), policy, "production") == "ticket"
    assert routes.severity(of("slo_burn_of_mine"), policy, "production") is None
    assert routes.severity(of("of_a_plugin"), policy, "production") is None
    assert routes.severity(of("down"), policy, "production") == "page"
    assert routes.severity(of("outage"), policy, "production") == "page"


def test_the_other_channels_stand_in_only_for_none() -> None:
    both = AlertPolicy(page=("slack/p",), ticket=("slack/t",))
    assert routes.channels(both, "page") == ("slack/p",)
    assert routes.channels(both, "ticket") == ("slack/t",)
    assert routes.channels(AlertPolicy(page=("slack/p",)), "ticket") == ("slack/p",)
    assert routes.channels(AlertPolicy(ticket=("slack/t",)), "page") == ("slack/t",)
    assert routes.channels(AlertPolicy(), "page") == ()


def test_the_page_of_routes_is_the_table() -> None:
    hint = "run: python -m headway.alert.reference > docs/reference/alerts.md"
    assert DOCS.read_text() == render(), hint
