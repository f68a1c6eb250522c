"""Who hears of a notice: rules, defaults, quiet hours; and everybody hears once."""

from dataclasses import replace
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.model.errors import Invalid
from headway.model.service import AlertPolicy, ApprovalPolicy, Environment, Run, Service
from headway.notice import defaults, pacing, preference
from headway.notice.pacing import AGAIN_SECONDS, MOST, MOST_SECONDS, Told
from headway.notice.plan import Audience, Line, plan
from headway.notice.preference import Party, Rule, hours
from headway.notice.subject import BY_NAME, EVERY, TOPICS, Notice, Urgency

NIGHT = 1_795_140_000.0  # 2026-11-20 02:00 UTC, a Friday
MORNING = 1_795_160_400.0  # 07:40
QUIET = (hours("22:00-07:00"),)


def zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else ZoneInfo(name)


def notice(topic: str = "failed", urgency: Urgency | None = None, **more: str) -> Notice:
    known = {"service": "shop", "environment": "production"} | more
    return Notice(
        "e1", topic, urgency or BY_NAME[topic].urgency, "del_1", known["service"],
        known["environment"], "shop-2", "t", (), "/", NIGHT,
    )  # fmt: skip


def answers(
    rules: list[Rule], what: Notice | None = None, now: float = MORNING, **parties: Party
) -> list[Line]:
    usual = tuple(r for r in rules if r.id == "default")
    own = tuple(r for r in rules if r.id != "default")
    known = {"ana": Party("ana", ("slack/ana",))} | parties
    return list(plan(what or notice(), Audience(known, own, usual, {}), zone, now))


def test_a_rule_tells_by_the_channels_of_its_party() -> None:
    (line,) = answers([Rule("r1", "ana", ("failed",))])
    assert line == Line("ana", "slack/ana", heard=True, at=MORNING, rule="r1",
                        because="its own rule")  # fmt: skip
    assert answers([Rule("r1", "ana", ("held",))]) == []
    (own,) = answers([Rule("r1", "ana", ("failed",), channels=("email/ana",))])
    assert own.channel == "email/ana"


@pytest.mark.parametrize(
    ("rules", "decides"),
    [
        ([Rule("r1", "ana", (EVERY,)), Rule("r2", "ana", ("failed",))], "r2"),
        ([Rule("r2", "ana", (EVERY,), ("shop",)), Rule("r3", "ana", ("failed",))], "r2"),
        ([Rule("r1", "ana", ("failed",), (), ("production",)), Rule("r2", "ana", ("failed",))],
         "r1"),
        ([Rule("r1", "ana", ("failed",)), Rule("default", "ana", ("failed",))], "r1"),
        ([Rule("r1", "ana", ("failed",), ("cart",)), Rule("default", "ana", ("failed",))],
         "default"),
        ([Rule("r1", "ana", ("failed",)), Rule("r2", "ana", ("failed", "held"))], "r2"),
    ],
)  # fmt: skip
def test_the_most_specific_rule_decides(rules: list[Rule], decides: str) -> None:
    assert [x.rule for x in answers(rules)] == [decides]


def test_who_does_not_hear_is_told_why() -> None:
    everything = Rule("default", "ana", (EVERY,))
    assert [
        x.because for x in answers([everything, Rule("r1", "ana", ("failed",), mute=True)])
    ] == ["muted"]
    (less,) = answers([Rule("r1", "ana", (EVERY,), least="page"), everything])
    assert (less.heard, less.because) == (False, "ticket is less urgent than page")
    (nowhere,) = answers([Rule("r1", "bo", ("failed",))])
    assert (nowhere.heard, nowhere.channel) == (False, "")
    assert "headway notify set bo --channel" in nowhere.because
    (mail,) = answers([Rule("r1", "ana", (EVERY,), chat=True)], ana=Party("ana", ("email/ana",)))
    assert "chat only" in mail.because


def test_quiet_hours_keep_what_is_not_urgent() -> None:
    rule, party = Rule("r1", "ana", (EVERY,)), Party("ana", ("slack/ana",), QUIET, "UTC")
    (kept,) = answers([rule], now=NIGHT, ana=party)
    assert (kept.heard, kept.because) == (True, "quiet hours")
    assert kept.at - NIGHT == 5 * 3600
    (urgent,) = answers([rule], notice(urgency="page"), NIGHT, ana=party)
    assert (urgent.heard, urgent.at) == (True, NIGHT)
    assert urgent.because.startswith("urgent")
    (held,) = answers([rule], notice(urgency="page"), NIGHT, ana=replace(party, pages=False))
    assert held.at == kept.at
    (elsewhere,) = answers([rule], now=NIGHT, ana=replace(party, zone="Asia/Tokyo"))
    assert elsewhere.at == NIGHT, "it is 11:00 in Tokyo"


def test_a_channel_that_an_alert_tells_is_not_told_again() -> None:
    two = Party("ana", ("slack/ana", "email/ana"))
    rule = Rule("r1", "ana", (EVERY,))
    alerted = {"slack/ana": "the alert alr_1 tells this channel"}
    found = plan(notice(), Audience({"ana": two}, (rule,), (), alerted), zone, MORNING)
    assert [(x.channel, x.heard) for x in found] == [("slack/ana", False), ("email/ana", True)]
    assert found[0].because == "the alert alr_1 tells this channel"


PRODUCTION = Environment("production", "production", Run("x"), approval=ApprovalPolicy(by=("bo",)))
STAGING = Environment("staging", "staging", Run("x"))
ALERTS = AlertPolicy(page=("email/oncall",), ticket=("slack/shop", "alertmanager/am"))
SHOP = Service("shop", (STAGING, PRODUCTION), owner="team-shop", alerts=ALERTS)


def by_default(topic: str, environment: str = "production", service: Service = SHOP) -> list[Line]:
    found = defaults.rules(service, environment)
    parties = {r.who: defaults.party(service, r.who) for r in found}
    known = {who: p for who, p in parties.items() if p} | {"bo": Party("bo", ("email/bo",))}
    what = notice(topic, environment=environment)
    return list(plan(what, Audience(known, (), found, {}), zone, MORNING))


def test_without_any_preference_approvers_are_asked_and_owners_told() -> None:
    assert [(x.who, x.channel) for x in by_default("approval")] == [("bo", "email/bo")]
    for topic in ("rolled_back", "failed", "held", "outage", "budget", "expiring"):
        assert [(x.who, x.channel) for x in by_default(topic)] == [("team-shop", "slack/shop")]
    assert [x.channel for x in by_default("released")] == ["slack/shop"]
    assert by_default("released", "staging") == []
    assert by_default("promoted") == []
    mailed = replace(SHOP, alerts=AlertPolicy(page=("email/oncall",)))
    assert [x.heard for x in by_default("released", service=mailed)] == [False]
    assert [x.channel for x in by_default("failed", service=mailed)] == ["email/oncall"]
    (anybody,) = by_default("approval", "staging")
    assert anybody.who == "team-shop"
    (unowned,) = by_default("failed", service=Service("shop", (PRODUCTION,)))
    assert (unowned.who, unowned.heard) == ("owner", False)


def test_every_topic_has_a_default_that_is_kept() -> None:
    for topic in TOPICS:
        heard = {x.who for x in by_default(topic.name)}
        expected = {"approvers": {"bo"}, "nobody": set()}.get(topic.default, {"team-shop"})
        assert heard == expected, topic.name


@given(
    st.lists(
        st.builds(
            Rule,
            st.sampled_from(["r1", "r2", "r3"]),
            st.sampled_from(["ana", "bo"]),
            st.lists(st.sampled_from([EVERY, "failed", "held"]), min_size=1).map(tuple),
            st.sampled_from([(), ("shop",), ("cart",)]),
            st.sampled_from([(), ("production",), ("staging",)]),
            st.sampled_from(["info", "ticket", "page"]),
            st.sampled_from([(), ("slack/x",)]),
            st.booleans(),
        ),
        max_size=6,
    ),
    st.sampled_from(["failed", "held", "released"]),
)
def test_everybody_concerned_gets_one_answer_a_channel(rules: list[Rule], topic: str) -> None:
    """Whatever the rules are: never two answers for one channel of one who, and an answer for each
    who has a rule that covers it.
    """
    found = answers(rules, notice(topic), bo=Party("bo", ("slack/bo", "email/bo")))
    assert len({(x.who, x.channel) for x in found}) == len(found)
    covered = {
        r.who
        for r in rules
        if {topic, EVERY} & {*r.events}
        and r.services in {(), ("shop",)}
        and r.environments in {(), ("production",)}
    }
    assert {x.who for x in found} == covered
    assert all(x.because for x in found)


def test_what_comes_back_soon_or_too_often_waits() -> None:
    now, what = MORNING, notice()
    assert pacing.due(what, now, Told(), now) == (now, "")
    assert pacing.due(what, now + 9, Told(), now) == (now + 9, "quiet")
    assert pacing.due(what, now, Told(now - 60), now) == (now - 60 + AGAIN_SECONDS, "again")
    assert pacing.due(what, now, Told(now - AGAIN_SECONDS), now) == (now, "")
    burst = tuple(now - 100 + n for n in range(MOST))
    assert pacing.due(what, now, Told(0.0, burst), now) == (now - 100 + MOST_SECONDS, "many")
    assert pacing.due(notice(urgency="page"), now, Told(0.0, burst), now) == (now, "")
    assert pacing.due(what, now, Told(0.0, burst[:-1]), now) == (now, "")


@pytest.mark.parametrize(
    ("given_", "code"),
    [
        (lambda: preference.who("two words"), "who"),
        (lambda: preference.who(""), "who"),
        (lambda: preference.events(("rolledback",)), "unknown-topic"),
        (lambda: preference.channels(("alertmanager/am",)), "channel"),
        (lambda: preference.channels(("slack",)), "channel"),
        (lambda: preference.channels(("slack/../x",)), "channel"),
    ],
)
def test_what_cannot_be_a_preference_is_one_clear_error(given_: object, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        given_()  # type: ignore[operator]
    assert refused.value.code == code
