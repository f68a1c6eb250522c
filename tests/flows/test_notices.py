"""From what happens to what people who follow it read: real log, store, outbox and webhooks."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from tests.fakes.world import Behaviour
from tests.flows.conftest import CONFIG, Stage
from tests.support.desk import ALERTS, Desk
from tests.support.follow import BASE, Followers
from tests.support.receivers import http_receiver

from headway.flows import commands, line
from headway.flows.commands import Word as Said
from headway.flows.deliver import deliver
from headway.model.delivery import Order
from headway.model.errors import Invalid
from headway.model.event import Fact
from headway.model.line import Scope
from headway.model.service import ApprovalPolicy
from headway.store import access, records
from headway.store.log import About, append
from headway.store.tables import releases

HOUR = 3600.0
APPROVED = CONFIG.replace(
    "production: {rollout",
    "production: {gates: {approval: {by: [lena, team-ops], count: 1}}, rollout",
)


@pytest.fixture
def desk(stage: Stage) -> Iterator[Followers]:
    with http_receiver() as http:
        yield Followers(Desk(stage, http))


def bad(desk: Followers, release: str) -> None:
    desk.desk.stage.parts.meter.behaviour[release] = Behaviour(errors=0.05, slow=1.5)


def happen(desk: Followers, kind: str, number: int = 0, **data: Any) -> None:
    """An event of shop-1 in production."""
    about = About("del_1", "shop", "production", "shop-1")
    with desk.desk.tx() as tx:
        append(tx, about, Fact(kind, f"rol_{number}", number, data))


@pytest.mark.seed("S-082")
def test_the_owner_hears_of_a_release_without_any_preference(desk: Followers) -> None:
    desk.deliver("a1")
    desk.later()
    desk.later(HOUR)
    (message,) = desk.told("ticket")
    assert message["title"] == "shop/production: shop-1 is released, 4.0 s after its start"
    assert message["link"] == f"{BASE}/releases/shop-1"
    known = message["fields"]
    assert (known["commit"], known["environment"], known["result"]) == (
        "a1", "production", "released",
    )  # fmt: skip
    assert "Commit: a1 change a1" in message["text"]
    assert desk.told() == [message], "and nobody else, and not of staging"


def test_a_rollback_says_what_why_and_what_is_next(desk: Followers) -> None:
    desk.set("ana", "ana")
    desk.follow("ana", "rolled_back", "promoted", services=("shop",))
    desk.deliver("a1")
    bad(desk, "shop-2")
    assert desk.deliver("a2").outcome == "rolled_back"
    desk.later()
    *_, message = desk.told("ana")
    assert message["title"] == ("shop/production: shop-2 was rolled back; shop-1 serves everyone")
    why, users, commit, next = message["text"].splitlines()
    assert why.startswith("Why: ")
    assert " of users had it; decided " in users
    assert commit.startswith("Commit: a2 change a2")
    assert next.startswith("Next: the digest is refused in production from now on; push a fix")
    assert message["link"].startswith(f"{BASE}/rollouts/rol_")
    promoted = [t for t in desk.titles("ana") if "promoted" in t]
    assert promoted == [
        f"shop/production: shop-{n} was promoted from staging, the same digest" for n in (1, 2)
    ]


def test_what_an_alert_tells_a_channel_is_not_told_it_twice(desk: Followers) -> None:
    """The owner's channel has the ticket of the rollback; who follows elsewhere has the notice."""
    desk.set("ana", "ana")
    desk.follow("ana", "rolled_back")
    desk.deliver("a1")
    bad(desk, "shop-2")
    desk.deliver("a2")
    desk.later()
    alerts = [m for m in desk.desk.arrived("ticket") if m["thread"].startswith("alr_")]
    assert len(alerts) == 1
    assert [k.channel for k in desk.kept() if k.notice.topic == "rolled_back"] == ["webhook/ana"]


def test_what_an_alert_did_not_say_because_it_was_told_before_is_told(desk: Followers) -> None:
    """The SLO burnt first: its page swallowed the failed rollout as one more symptom."""
    desk.deliver("a1")
    bad(desk, "shop-2")
    desk.desk.report("rollout_failed", release="shop-2")
    desk.deliver("a2")
    desk.later()
    assert [k.channel for k in desk.kept() if k.notice.topic == "rolled_back"] == ["webhook/ticket"]


def test_a_red_pipeline_is_an_alert_for_the_owner_and_a_notice_for_who_follows(
    desk: Followers,
) -> None:
    desk.deliver("a1")
    desk.later()
    desk.set("ana", "ana")
    desk.follow("ana", "failed")
    desk.desk.stage.parts.runner.red.add("build")
    assert desk.deliver("a2").outcome == "failed"
    desk.later()
    (message,) = desk.told("ana")
    assert message["title"] == "shop: commit a2 failed: no release was made"
    assert message["fields"]["commit"] == "a2"
    assert "failed" not in {k.notice.topic for k in desk.kept() if k.channel == "webhook/ticket"}


def test_the_owner_of_a_service_that_was_never_released_hears_why(desk: Followers) -> None:
    desk.desk.stage.parts.runner.red.add("build")
    assert desk.deliver("a1").outcome == "failed"
    desk.later()
    alerts = [m for m in desk.desk.arrived("ticket") if m["thread"].startswith("alr_")]
    assert len(alerts) == 1, "the alert of the red pipeline finds the owner's channel"
    assert [x.channel for x in desk.preview("failed")] == ["webhook/ticket"]


def test_of_a_workflow_that_cannot_be_read_the_first_delivery_tells_too(desk: Followers) -> None:
    order = desk.desk.stage.request("a1")
    desk.desk.stage.parts.source.files["a1"].pop(".github/workflows/deliver.yml")
    stage = desk.desk.stage
    deliver(stage.journal(), stage.parts.world(stage.home), order)
    assert stage.delivery(order.delivery).outcome == "failed"
    desk.later()
    assert desk.desk.arrived("ticket"), "somebody hears of it"


def test_a_stopped_line_is_told_to_who_has_not_released_yet(desk: Followers) -> None:
    desk.desk.stage.parts.runner.red.add("build")
    desk.deliver("a1")
    desk.later(HOUR)
    before = len(desk.desk.arrived("ticket"))
    with desk.desk.tx() as tx:
        line.stop(tx, desk.desk.stage.parts.outbox, Scope(), line.Said("ben", "prices are wrong"))
    desk.later()
    assert len(desk.desk.arrived("ticket")) == before + 1


def test_a_release_counts_more_than_what_was_only_read(desk: Followers) -> None:
    """A commit that cannot be built does not change who is told."""
    desk.deliver("a1")
    desk.desk.stage.parts.runner.red.add("build")
    silent = desk.desk.stage.config.replace("webhook/ticket", "webhook/nobody")
    desk.deliver("a2", silent)
    assert [x.channel for x in desk.preview("failed")] == ["webhook/ticket"]


def test_a_suppressed_alert_is_not_told_as_a_notice(desk: Followers) -> None:
    desk.deliver("a1")
    desk.later()
    desk.desk.suppress(HOUR)
    bad(desk, "shop-2")
    desk.deliver("a2")
    desk.later()
    assert [k for k in desk.kept() if k.notice.topic == "rolled_back"] == []


def test_approvers_are_asked_once_and_their_answer_can_be_followed(desk: Followers) -> None:
    desk.set("lena", "lena")
    desk.set("team-ops", "ops")
    desk.set("ana", "ana")
    desk.follow("ana", "decided")
    stage = desk.desk.stage
    order = stage.request("a1", APPROVED + ALERTS)

    def approve() -> None:
        desk.later()
        with desk.desk.tx() as tx:
            said = Said("approve", "lena", "reads well", "production")
            commands.decide_approval(tx, stage.parts.outbox, "shop-1", said)  # type: ignore[arg-type]

    run(stage, order, approve)
    desk.later()
    (asked,) = desk.told("lena")
    assert asked["title"] == "shop/production: shop-1 waits for 1 approval"
    assert 'headway approve shop-1 --env production --reason "…"' in asked["text"]
    assert "0 of 1 (lena, team-ops) so far" in asked["text"]
    assert asked["link"] == f"{BASE}/approvals"
    assert len(desk.told("ops")) == 1
    assert desk.titles("ana") == ["shop/production: lena approved shop-1"]
    assert "By: lena" in desk.told("ana")[0]["text"]


def run(stage: Stage, order: Order, once: Any) -> None:
    """The delivery in full; `once` is done when it first waits for a message."""
    journal = stage.journal()
    waits, done = journal.wait, []

    def wait(seconds: float) -> None:
        if not done and stage.delivery(order.delivery).state == "waiting":
            done.append(True)
            once()
        waits(seconds)

    journal.wait = wait  # type: ignore[method-assign]
    deliver(journal, stage.parts.world(stage.home), order)
    assert done


def test_quiet_hours_end_with_one_digest_in_which_nothing_is_missing(desk: Followers) -> None:
    desk.deliver("a1")
    desk.later()
    now = desk.now
    desk.set("ana", "ana", quiet=around(now, 8))
    desk.follow("ana", "every")
    bad(desk, "shop-2")
    desk.deliver("a2")
    desk.deliver("a3")
    desk.later()
    waiting = [k for k in desk.kept() if not k.message and k.channel == "webhook/ana"]
    assert {k.why for k in waiting} == {"quiet"}
    assert desk.told("ana") == []
    desk.later(9 * HOUR)
    (digest,) = desk.told("ana")
    assert digest["title"].startswith("While it was quiet: ")
    lines = digest["text"].splitlines()
    for text in ("shop-2 was rolled back", "shop-3 is released", "shop-3 was promoted"):
        assert len([line for line in lines if text in line]) >= 1, text
    assert digest["fields"]["notices"] == str(len(waiting))
    desk.later(48 * HOUR)
    assert len(desk.told("ana")) == 1


def test_what_waits_follows_quiet_hours_that_are_changed(desk: Followers) -> None:
    desk.later()
    desk.set("ana", "ana", quiet=around(desk.now, 4))
    desk.follow("ana", "held")
    happen(desk, "rollout.held", because="x", step=1)
    desk.later()
    desk.set("ana", "ana", quiet=around(desk.now, 12))
    desk.later(5 * HOUR)
    assert desk.told("ana") == []
    desk.set("ana", "ana")
    desk.later()
    assert len(desk.told("ana")) == 1


def around(now: float, hours: int) -> str:
    """Quiet hours that cover now and end after so many full hours at most, in UTC."""
    hour = int(now // HOUR) % 24
    return f"{hour:02d}:00-{(hour + hours) % 24:02d}:00"


def test_what_is_urgent_breaks_through_quiet_hours_unless_said_otherwise(desk: Followers) -> None:
    desk.deliver("a1")
    desk.later()
    desk.set("ana", "ana", quiet=around(desk.now, 4))
    desk.set("bo", "bo", quiet=around(desk.now, 4), pages=False)
    for who in ("ana", "bo"):
        desk.follow(who, "outage")
    happen(desk, "rollout.recovered", outcome="FAIL", errors=7, requests=9, stable="shop-1")
    desk.later()
    title = "shop/production: users still get errors on shop-1 after the rollback: 7 of 9 requests"
    assert (desk.titles("ana"), desk.titles("bo")) == ([title], [])
    desk.later(5 * HOUR)
    assert desk.titles("bo") == [title]
    assert "It happened at" in desk.told("bo")[0]["text"]
    assert "quiet hours" in desk.told("bo")[0]["text"]


def test_what_flaps_is_told_once_and_then_with_a_count(desk: Followers) -> None:
    desk.set("ana", "ana")
    desk.follow("ana", "held", "resumed")
    desk.later()
    for n in range(6):
        happen(desk, "rollout.held", n, because="insufficient data", step=1)
        desk.later(60)
        happen(desk, "rollout.resume", n, by="bo", reason="look")
        desk.later(60)
    assert len(desk.titles("ana")) == 2
    desk.later(HOUR)
    *_, held = [m for m in desk.told("ana") if "held" in m["title"] + m["text"]]
    assert held["fields"]["notices"] == "10"
    assert "(5 times)" in held["text"]
    assert sorted(k.notice.topic for k in desk.kept()) == ["held"] * 6 + ["resumed"] * 6
    assert all(k.message for k in desk.kept())


def test_a_burst_is_ten_messages_and_one_with_the_rest(desk: Followers) -> None:
    desk.set("ana", "ana")
    desk.follow("ana", "failed")
    desk.later()
    with desk.desk.tx() as tx:
        for n in range(24):
            about = About(f"del_{n}", "shop", "production", f"shop-{n}")
            data: dict[str, object] = {"outcome": "failed", "because": "no reason"}
            append(tx, about, Fact("delivery.finished", f"del_{n}", 0, data))
    desk.later()
    assert len(desk.told("ana")) == 10
    desk.later(HOUR)
    *_, rest = desk.told("ana")
    assert len(desk.told("ana")) == 11
    assert rest["title"] == "And 14 more: 14 failed"
    assert len(rest["text"].splitlines()) == 14


def test_a_channel_that_fails_is_named_and_its_messages_are_not_lost(desk: Followers) -> None:
    from headway.store.views import notices as views  # noqa: PLC0415

    desk.set("ana", "ana")
    desk.follow("ana", "held")
    desk.desk.http.status = 503
    happen(desk, "rollout.held", because="x", step=1)
    desk.later()
    with desk.desk.stage.db.connect() as connection:
        seen = views.read(connection)
    assert [(f.channel, f.waiting, f.given_up) for f in seen.failing] == [("webhook/ana", 1, 0)]
    assert [(t.state, t.topic) for t in seen.told] == [("sending", "held")]
    desk.desk.http.status = 200
    desk.later(HOUR)
    with desk.desk.stage.db.connect() as connection:
        seen = views.read(connection)
    assert seen.failing == ()
    assert [(t.state, t.who) for t in seen.told] == [("sent", ("ana",))]


def test_a_preview_is_what_happens(desk: Followers) -> None:
    desk.deliver("a1")
    desk.later()
    desk.set("ana", "ana", quiet=around(desk.now, 4))
    desk.set("bo", "bo")
    desk.follow("ana", "held")
    desk.follow("bo", "every", mute=True)
    said = {(x.who, x.channel, x.heard, x.at > desk.now) for x in desk.preview("held")}
    assert said == {
        ("ana", "webhook/ana", True, True),
        ("bo", "", False, False),
        ("team-shop", "webhook/ticket", True, False),
    }
    happen(desk, "rollout.held", because="x", step=1)
    desk.read()
    kept = {(k.who, k.channel, not k.message) for k in desk.kept() if k.notice.topic == "held"}
    assert ((("ana",), "webhook/ana", True)) in kept


def test_preferences_are_checked_audited_and_replaced(desk: Followers) -> None:
    desk.set("ana", "ana")
    first = desk.follow("ana", "held", "failed")
    second = desk.follow("ana", "failed", "held", mute=True)
    assert first.id != second.id
    facts = desk.desk.stage.events(kind="notify.set")
    assert [e.data["by"] for e in facts] == ["ana"] * 3
    assert facts[-1].data["mute"] is True
    with pytest.raises(Invalid) as unknown:
        desk.follow("ana", "held", channels=("slack/nobody",))
    assert unknown.value.code == "unknown-connection"
    with pytest.raises(Invalid) as other:
        desk.follow("ana", "held", channels=("email/ana",))
    assert other.value.code == "other-kind"
    with pytest.raises(Invalid) as zone:
        desk.set("ana", "ana", zone="Mars/Olympus")
    assert zone.value.code == "unknown-zone"
    assert len(desk.desk.stage.events(kind="notify.set")) == 3
    desk.delete("ana")
    (gone,) = desk.desk.stage.events(kind="notify.deleted")
    assert gone.data["rules"] == [second.id]
    with pytest.raises(Invalid):
        desk.delete("ana")


def test_a_team_without_a_channel_is_reached_by_its_members(desk: Followers) -> None:
    with desk.desk.tx() as tx:
        access.add_team(tx, "team-ops")
        for name in ("lena", "bo", "mute"):
            access.join(tx, "team-ops", name)
    desk.set("lena", "lena")
    desk.set("bo", "bo", quiet=around(desk.now, 4))
    desk.follow("team-ops", "held")
    desk.follow("bo", "held", mute=True, services=("shop",))
    lines = {(x.who, x.channel, x.heard) for x in desk.preview("held")}
    assert lines == {("lena", "webhook/lena", True), ("bo", "", False)}
    desk.follow("team-ops", "failed")
    assert {(x.who, x.at > desk.now) for x in desk.preview("failed")} == {
        ("lena", False), ("bo", True),
    }  # fmt: skip


def test_an_approval_that_no_approver_can_hear_of_is_told_to_the_owner(desk: Followers) -> None:
    desk.deliver("a1", CONFIG + ALERTS)
    desk.desk.stage.config = APPROVED + ALERTS
    with desk.desk.stage.db.begin() as connection:
        connection.execute(sa.update(releases).values(config=approved(connection)))
    lines = [(x.who, x.channel) for x in desk.preview("approval")]
    assert lines == [("lena", ""), ("team-ops", ""), ("team-shop", "webhook/ticket")]
    desk.set("lena", "lena")
    lines = [(x.who, x.channel) for x in desk.preview("approval")]
    assert lines == [("lena", "webhook/lena"), ("team-ops", "")]


def approved(connection: sa.Connection) -> str:
    """The configuration of the release, as if lena and team-ops had to approve it."""
    config = records.release(connection, "shop-1").config
    gate = ApprovalPolicy(by=("lena", "team-ops"))
    there = tuple(replace(e, approval=gate) for e in config.environments)
    return records.dumps(replace(config, environments=there))


def test_a_stopped_line_is_told_once_to_owners_and_to_who_follows_it(desk: Followers) -> None:
    desk.deliver("a1")
    desk.later()
    desk.set("ana", "ana")
    desk.follow("ana", "line", services=("shop",), environments=("production",))
    desk.follow("ana", "line", services=("cart",), mute=True)
    outbox: Any = desk.desk.stage.parts.outbox
    with desk.desk.tx() as tx:
        line.stop(tx, outbox, Scope(), line.Said("bo", "fire in hall 3"))
    desk.later()
    title = "the line is stopped for everything"
    assert desk.titles("ana") == [title]
    assert title not in desk.titles("ticket"), "the owner's channel has the alert"
    assert "fire in hall 3" in desk.desk.arrived("ticket")[-1]["title"]
    text = desk.told("ana")[0]["text"]
    assert "Why: fire in hall 3" in text
    assert "By: bo" in text
    with desk.desk.tx() as tx:
        line.start(tx, outbox, Scope(), line.Said("bo", "it is out"))
    desk.later()
    assert desk.titles("ana")[-1] == "the line is started again for everything"
    assert [k.channel for k in desk.kept() if k.notice.topic == "line"] == ["webhook/ana"] * 2
