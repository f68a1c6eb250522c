"""From what goes wrong to what a person reads: real log, store, outbox and webhooks."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.world import Behaviour
from tests.flows.conftest import Stage
from tests.support.desk import TOLD, Desk
from tests.support.receivers import http_receiver

from headway.flows import alert_rounds, alerting, telling
from headway.flows.deliver import deliver
from headway.model.alert import Message
from headway.model.deployment import DeployOrder, InstanceState
from headway.model.errors import Invalid, Unreachable
from headway.model.event import Fact
from headway.model.verdict import Verdict
from headway.ports.policy_engine import Promotion
from headway.store import alerts, database, messages, records
from headway.store.log import About, append


@pytest.fixture
def desk(stage: Stage) -> Iterator[Desk]:
    with http_receiver() as http:
        yield Desk(stage, http)


@pytest.mark.seed("S-216")
def test_a_hundred_symptoms_of_one_deploy_are_one_page(desk: Desk) -> None:
    desk.stage.deliver("a1")
    for n in range(100):
        desk.report("slo_burn", release="shop-1", summary=f"burns {n}")
    desk.send()
    (trouble,) = desk.open()
    assert trouble.alert.count == 100
    assert [m["title"] for m in desk.arrived()] == ["PAGE shop/production: burns 0"]


@pytest.mark.seed("S-216")
def test_whatever_a_deploy_does_is_one_page(desk: Desk) -> None:
    """Two SLOs burn while it is rolled out, one more when it is back already, and it fails."""
    desk.stage.deliver("a1")
    desk.stage.deliver("a2")
    desk.later(0)
    with desk.tx() as tx:
        place = records.place(tx.connection, "shop", "production")
        records.put_place(tx, records.changed(place, candidate="shop-3"))
    desk.report("slo_burn", release="shop-3", cause="availability")
    with desk.tx() as tx:
        records.put_place(tx, place)
    desk.report("rollout_failed", release="shop-3")
    desk.report("slo_burn", release="shop-3", cause="latency")
    desk.report("slo_burn", release="shop-3", cause="availability")
    desk.send()
    (trouble,) = desk.open()
    assert trouble.alert.count == 5, "with the composite of a failed rollout and an SLO"
    assert len(desk.arrived("page")) == 1
    desk.report("slo_burn", release="shop-3", cause="availability", over=True)
    lasting = {(m.rule, m.cause) for m in desk.open()[0].members if not m.over}
    assert ("slo_burn", "latency") in lasting
    assert ("slo_burn", "availability") not in lasting


def test_an_slo_that_burns_without_a_deploy_is_a_trouble_of_its_own(desk: Desk) -> None:
    desk.stage.deliver("a1")
    desk.later(0)
    desk.report("slo_burn", release="shop-1", cause="availability")
    desk.report("slo_burn", release="shop-1", cause="latency")
    assert len(desk.open()) == 2


@pytest.mark.seed("S-219", "S-220")
def test_an_alert_carries_all_that_a_person_needs(desk: Desk) -> None:
    desk.stage.deliver("a1")
    desk.stage.parts.meter.behaviour["shop-2"] = Behaviour(errors=0.05, slow=1.5)
    failed = desk.stage.deliver("a2")
    assert failed.outcome == "rolled_back"
    desk.read()
    desk.send()
    (message,) = desk.arrived("ticket")
    fields = message["fields"]
    assert fields["release"] == "shop-2"
    assert fields["commit"] == "a2 change a2"
    assert fields["owner"] == "team-shop"
    assert fields["runbook"] == "https://runbooks.example/shop"
    assert fields["changelog"] == "https://changes.example/shop"
    assert fields["changes"] == "a1..a2: a2 change a2"
    assert fields["trace"] == "headway trace shop-2"
    assert fields["rollout"].startswith("rol_")
    assert fields["step"].startswith("step ")
    assert "shop-2 was rolled back, back on shop-1" in message["text"] + message["title"]
    assert {m.rule for m in desk.open()[0].members} == {"rollout_failed", "quarantined"}


def test_the_next_good_release_ends_what_the_bad_one_began(desk: Desk) -> None:
    desk.stage.deliver("a1")
    desk.stage.parts.meter.behaviour["shop-2"] = Behaviour(errors=0.05, slow=1.5)
    desk.stage.deliver("a2")
    desk.later(0)
    assert desk.rules() == {"rollout_failed", "quarantined"}
    desk.stage.deliver("a3")
    desk.read()
    assert desk.rules() == set()
    desk.later(301)
    assert desk.open() == []
    assert [m["resolved"] for m in desk.arrived("ticket")] == [False, True]


@pytest.mark.seed("S-221")
def test_a_page_goes_to_the_owners_channel_and_is_escalated_once(desk: Desk) -> None:
    desk.stage.deliver("a1")
    desk.report("slo_burn", release="shop-1")
    desk.send()
    assert (len(desk.arrived("page")), len(desk.arrived())) == (1, 1)
    desk.later(890)
    assert desk.arrived("boss") == []
    desk.later(20)
    desk.later(60)
    (escalated,) = desk.arrived("boss")
    assert escalated["title"].startswith("NOT ACKNOWLEDGED: PAGE shop/production")
    with desk.tx() as tx:
        alerting.acknowledge(tx, desk.open()[0].alert.id, "ana", "on it")
    desk.later(24 * 3600)
    assert [m["title"].split(":")[0] for m in desk.arrived("page")] == [
        "PAGE shop/production", "ACKNOWLEDGED",
    ]  # fmt: skip
    facts = desk.stage.events(kind="alert.acknowledged")
    assert [(e.data["by"], e.data["reason"]) for e in facts] == [("ana", "on it")]


def test_an_acknowledged_page_is_not_escalated(desk: Desk) -> None:
    desk.stage.deliver("a1")
    desk.report("slo_burn", release="shop-1")
    with desk.tx() as tx:
        alerting.acknowledge(tx, desk.open()[0].alert.id[:10], "ana", "on it")
        alerting.acknowledge(tx, desk.open()[0].alert.id, "bo", "me too")
    desk.later(24 * 3600)
    assert desk.arrived("boss") == []
    assert len(desk.stage.events(kind="alert.acknowledged")) == 1


@pytest.mark.seed("S-076", "S-217")
def test_a_window_swallows_counts_and_ends_by_itself(desk: Desk) -> None:
    desk.stage.deliver("a1")
    window = desk.suppress(7200)
    for n in range(5):
        desk.report("slo_burn", cause="db", summary=f"burns {n}")
    desk.report("slo_burn", cause="cache")
    desk.report("slo_burn", cause="cache", over=True)
    desk.later(3600)
    assert desk.arrived() == []
    with desk.stage.db.connect() as connection:
        (kept,) = alerts.suppressed(connection, desk.now)
    assert (kept.window.id, kept.alerts, kept.symptoms) == (window.id, 2, 6)
    desk.later(3601)
    assert [m["title"] for m in desk.arrived("page")] == ["PAGE shop/production: burns 4"]
    assert [t.alert.cause for t in desk.open()] == ["db"]
    suppressed = desk.stage.events(kind="alert.suppressed")
    assert [e.data["window"] for e in suppressed] == [window.id] * 2


def test_a_window_covers_only_its_rule_and_environment(desk: Desk) -> None:
    desk.stage.deliver("a1")
    desk.suppress(3600, rule="slo_burn", environment="production")
    desk.report("slo_burn", release="shop-1")
    desk.send()
    assert desk.arrived() == []
    desk.report("slo_burn", release="shop-1", environment="staging")
    desk.report("outage", release="shop-1")
    desk.send()
    assert sorted(m["title"] for m in desk.arrived()) == [
        "PAGE shop/production: outage was seen", "shop/staging: slo_burn was seen",
    ]  # fmt: skip


def test_a_window_ended_by_a_person_tells_what_lasts(desk: Desk) -> None:
    desk.stage.deliver("a1")
    window = desk.suppress(7200)
    desk.report("slo_burn", cause="db")
    with desk.tx() as tx:
        alerting.unsuppress(tx, [window], "ana", "done")
    desk.send()
    assert len(desk.arrived("page")) == 1
    assert desk.stage.kinds(kind="suppression.ended") == ["suppression.ended"]


COMPOSITE = TOLD + "  composite: {down: {all: [slo_burn, metrics_missing]}}\n"


@pytest.mark.seed("S-218")
def test_one_signal_of_a_composite_alone_does_not_page(desk: Desk) -> None:
    desk.stage.config = COMPOSITE
    desk.stage.deliver("a1")
    desk.report("slo_burn", release="shop-1")
    desk.later(120)
    assert desk.arrived("page") == []
    assert len(desk.arrived("ticket")) == 1
    desk.report("metrics_missing", release="shop-1", cause="metrics")
    desk.send()
    (page,) = desk.arrived("page")
    assert page["fields"]["rule"] == "down"
    desk.report("metrics_missing", release="shop-1", cause="metrics", over=True)
    assert "down" not in desk.rules()


def test_signals_that_come_one_after_the_other_are_no_composite(desk: Desk) -> None:
    desk.stage.config = COMPOSITE
    desk.stage.deliver("a1")
    desk.report("slo_burn", release="shop-1")
    desk.report("slo_burn", release="shop-1", over=True)
    desk.report("metrics_missing", release="shop-1", cause="metrics")
    desk.later(7200)
    desk.report("slo_burn", release="shop-1")
    desk.send()
    assert desk.arrived("page") == []


@pytest.mark.seed("S-215")
def test_a_failed_canary_pages_only_with_an_slo_breach(desk: Desk) -> None:
    desk.stage.deliver("a1")
    desk.report("rollout_failed", release="shop-2")
    desk.send()
    assert (len(desk.arrived("page")), len(desk.arrived("ticket"))) == (0, 1)
    desk.report("slo_burn", cause="availability", labels={"severity": "ticket"})
    desk.send()
    assert [m["fields"]["rule"] for m in desk.arrived("page")] == ["canary_failed_with_slo_breach"]


class Breaks:
    def judge(self, promotion: Promotion) -> Verdict:
        raise ValueError("no such rule")


def red_job(desk: Desk) -> str:
    desk.stage.parts.runner.red.add("build")
    desk.stage.deliver("a2")
    return "pipeline_failed"


def red_smoke_test(desk: Desk) -> str:
    desk.stage.parts.probe.red.add("shop-2")
    desk.stage.deliver("a2")
    return "deploy_failed"


def tampered(desk: Desk) -> str:
    order = desk.stage.request("a1")
    for statements in desk.stage.parts.store.statements.values():
        statements.clear()
    desk.stage.parts.store.attach = lambda digest, envelope: "sha256:0"  # type: ignore[method-assign]
    deliver(desk.stage.journal(), desk.world, order)
    return "signature_refused"


def failing_rollback(desk: Desk) -> str:
    desk.stage.parts.meter.behaviour["shop-2"] = Behaviour(errors=0.05, slow=1.5)
    before = desk.stage.parts.router.set

    def only_forward(routing: Any) -> Any:
        if routing.shares == {"shop-1": 1.0} and "shop-2" in desk.stage.parts.meter.totals:
            raise Unreachable("the proxy does not answer")
        return before(routing)

    desk.stage.parts.router.set = only_forward  # type: ignore[method-assign]
    desk.stage.deliver("a2")
    return "rollback_failed"


def silent_meter(desk: Desk) -> str:
    desk.stage.parts.meter.silent = True
    look_at_meters(desk)
    desk.stage.parts.clock.at += 61
    return "metrics_missing"


def look_at_meters(desk: Desk) -> None:
    with desk.stage.db.connect() as connection:
        found = alert_rounds.places_to_ask(connection)
    places = [(p, missing) for p, missing in found if p.environment == "production"]
    alert_rounds.look_at_meters(desk.tx, desk.world, places)


def by_event(kind: str, rule: str, data: dict[str, object]) -> Any:
    """Events whose own flows have tests of their own."""

    def inject(desk: Desk) -> str:
        about = About("", "shop", "production", "shop-1")
        with desk.tx() as tx:
            append(tx, about, Fact(kind, "rol_x", 7, data))
        return rule

    return inject


INJECTIONS = {
    "red job": red_job,
    "red smoke test": red_smoke_test,
    "unsigned artifact": tampered,
    "rollback that fails": failing_rollback,
    "silent meter": silent_meter,
    "drift that cannot be mended": by_event("place.astray", "drift", {"because": "no proxy"}),
    "held": by_event("rollout.held", "rollout_held", {"because": "insufficient data"}),
    "no recovery": by_event(
        "rollout.recovered", "outage", {"outcome": "FAIL", "errors": 9, "requests": 10}
    ),
    "broken policy": by_event(
        "gates.judged", "policy_broke", {"gates": [{"because": "the policy broke: KeyError: x"}]}
    ),
}


@pytest.mark.seed("S-223")
@pytest.mark.parametrize("name", INJECTIONS)
def test_each_fault_is_told_once_when_it_is_injected(desk: Desk, name: str) -> None:
    if name != "unsigned artifact":
        desk.stage.deliver("a1")
    desk.later(0)
    assert desk.open() == []
    rule = INJECTIONS[name](desk)
    desk.later(0)
    assert rule in desk.rules()
    fired = len(desk.stage.events(kind="alert.fired"))
    assert fired == 1
    desk.read()
    assert len(desk.stage.events(kind="alert.fired")) == fired
    urgent = rule in {"rollback_failed", "outage"}
    assert len(desk.arrived("page" if urgent else "ticket")) == 1


@pytest.mark.seed("S-223")
@pytest.mark.parametrize(
    ("kind", "rule"), [("place.mended", "drift"), ("push.refused", "push_refused")]
)
def test_what_is_over_at_once_is_told_and_resolves_itself(desk: Desk, kind: str, rule: str) -> None:
    desk.stage.deliver("a1")
    by_event(kind, rule, {"because": "the proxy sends traffic to []"})(desk)
    desk.later(0)
    (told,) = desk.arrived("ticket")
    assert told["fields"]["rule"] == rule
    desk.later(301)
    assert [m["resolved"] for m in desk.arrived("ticket")] == [False, True]


def test_measured_again_is_over(desk: Desk) -> None:
    desk.stage.deliver("a1")
    silent_meter(desk)
    desk.read()
    assert desk.rules() == {"metrics_missing"}
    desk.stage.parts.meter.silent = False
    look_at_meters(desk)
    assert desk.rules() == set()


def test_an_old_home_is_not_told_of_its_past(desk: Desk) -> None:
    desk.stage.deliver("a1")
    red_job(desk)
    desk.later(2 * 3600)
    assert desk.open() == []
    desk.stage.deliver("a3")
    desk.later(0)
    assert desk.rules() == {"pipeline_failed"}


def test_a_killed_reader_reads_every_event_exactly_once(desk: Desk) -> None:
    desk.stage.deliver("a1")
    desk.later(0)
    red_job(desk)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            read_and_die(desk)
    desk.later(0)
    assert len(desk.stage.events(kind="alert.fired")) == 1
    assert desk.open()[0].alert.count == 1
    seqs = [e.seq for e in desk.stage.events()]
    assert seqs == list(range(1, len(seqs) + 1))


def read_and_die(desk: Desk) -> None:
    with desk.tx() as tx:
        alert_rounds.read_log(tx, desk.world)
        raise KeyboardInterrupt


def test_many_at_once_make_one_alert(desk: Desk) -> None:
    desk.stage.deliver("a1")
    threads = [
        threading.Thread(target=desk.report, args=("slo_burn",), kwargs={"release": "shop-1"})
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    (trouble,) = desk.open()
    assert trouble.alert.count == 8


def test_a_channel_that_is_down_gets_everything_later_in_order(desk: Desk) -> None:
    desk.stage.deliver("a1")
    desk.http.status = 503
    desk.report("slo_burn", release="shop-1")
    assert "status 503" in desk.send()
    desk.report("slo_burn", release="shop-1", over=True)
    desk.later(301)
    desk.http.status = 200
    desk.http.taken.clear()
    for _ in range(10):
        desk.later(900)
    assert [m["resolved"] for m in desk.arrived("page")] == [False, True]


def test_one_dead_channel_does_not_keep_the_others_waiting(desk: Desk) -> None:
    desk.stage.config = TOLD.replace("page: [webhook/page]", "page: [webhook/nobody, webhook/page]")
    desk.stage.deliver("a1")
    desk.report("slo_burn", release="shop-1")
    desk.send()
    assert len(desk.arrived("page")) == 1
    missing = desk.stage.events(kind="channel.missing")
    assert [e.data["channel"] for e in missing] == ["webhook/nobody"]
    desk.later(7200)
    assert len(desk.stage.events(kind="channel.missing")) == 1
    desk.connect("nobody")
    desk.later(900)
    assert len(desk.arrived("nobody")) == 1


def test_hundreds_of_messages_for_a_dead_channel_starve_nobody(desk: Desk) -> None:
    with desk.tx() as tx:
        for n in range(300):
            key = f"alr_{n}/1/fired"
            message = Message(key, f"alr_{n}", "t", "x", "page", resolved=False, at=desk.now)
            messages.post(tx, "webhook/nobody", f"alr_{n}", message)
        messages.post(tx, "webhook/page", "alr_300", replace(message, key="alr_300/1/fired"))
    desk.send()
    assert len(desk.arrived("page")) == 1
    with desk.stage.db.connect() as connection:
        assert sum(p.attempts for p in messages.undelivered(connection)) == 1


def test_postgres_keeps_the_same_promises(postgres_url: str, tmp_path: Path) -> None:
    database.prepare(postgres_url)
    with http_receiver() as http:
        desk = Desk(Stage(tmp_path, database.connect(postgres_url)), http)
        desk.stage.deliver("a1")
        desk.later(0)
        desk.suppress(600, rule="outage")
        desk.report("outage", release="shop-1")
        many = [threading.Thread(target=desk.report, args=("slo_burn",)) for _ in range(8)]
        for thread in many:
            thread.start()
        for thread in many:
            thread.join(60)
        desk.send()
        assert sorted(t.alert.count for t in desk.open()) == [1, 8]
        assert len(desk.arrived("page")) == 1
        desk.later(601)
        assert len(desk.arrived("page")) == 2
        desk.stage.db.dispose()


def test_a_channel_of_another_kind_is_not_used(desk: Desk) -> None:
    desk.connect("page", kind="slack")
    with pytest.raises(Invalid) as caught:
        telling.notifier(desk.world, "webhook/page")
    assert caught.value.code == "other-kind"


@pytest.mark.parametrize(("status", "seconds"), [(404, 0.0), (503, 86400.0 + 3600.0)])
def test_what_is_refused_or_a_day_old_is_given_up_and_shown(
    desk: Desk, status: int, seconds: float
) -> None:
    desk.stage.deliver("a1")
    desk.read()
    desk.http.status = status
    desk.report("rollout_failed", release="shop-1")
    desk.send()
    elapsed = 0.0
    while elapsed < seconds:
        desk.later(3600)
        elapsed += 3600
    with desk.stage.db.connect() as connection:
        found = messages.undelivered(connection)
    assert len(found) == 1, [(p.channel, p.message.title, p.state) for p in found]
    (pending,) = found
    assert pending.state == "dead"
    assert f"status {status}" in pending.error
    assert desk.stage.kinds(kind="alert.undelivered") == ["alert.undelivered"]
    sent = len(desk.http.taken)
    desk.later(3600)
    assert len(desk.http.taken) == sent


def test_killed_between_sending_and_recording_it_is_sent_once_more_with_its_key(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.stage.deliver("a1")
    desk.report("slo_burn", release="shop-1")

    def die(*_args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(telling, "_record", die)
        with pytest.raises(KeyboardInterrupt):
            desk.send()
    assert len(desk.arrived("page")) == 1
    for _ in range(5):
        desk.later(100)
    keys = [t.headers["idempotency-key"] for t in desk.http.taken]
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_tickets_go_to_the_page_channels_only_where_there_are_no_others(desk: Desk) -> None:
    desk.stage.config = TOLD.replace("  ticket: [webhook/ticket]\n", "")
    desk.stage.deliver("a1")
    desk.report("rollout_failed", release="shop-1")
    desk.send()
    assert len(desk.arrived("page")) == 1


def test_a_bad_release_cannot_silence_what_is_told_of_it(desk: Desk) -> None:
    desk.stage.deliver("a1")
    desk.stage.parts.meter.behaviour["shop-2"] = Behaviour(errors=0.05, slow=1.5)
    desk.stage.deliver("a2", TOLD.split("alerts:")[0])
    desk.later(0)
    assert len(desk.arrived("ticket")) == 1


def test_nobody_to_tell_is_no_error(desk: Desk) -> None:
    desk.stage.config = TOLD.split("alerts:")[0]
    desk.stage.deliver("a1")
    desk.report("slo_burn", release="shop-1")
    desk.later(7200)
    assert [t.alert.state for t in desk.open()] == ["firing"]
    assert desk.arrived() == []


def test_resolved_by_hand_it_comes_back_as_a_new_alert_if_it_lasts(desk: Desk) -> None:
    desk.stage.deliver("a1")
    desk.report("slo_burn", release="shop-1")
    first = desk.open()[0].alert.id
    with desk.tx() as tx:
        alerting.resolve(tx, first, "ana", "fixed")
    desk.send()
    over = [m["text"] for m in desk.arrived() if m["title"].startswith("RESOLVED")]
    assert over
    assert all(text.startswith("ana says that it is over: fixed\n") for text in over)
    desk.report("slo_burn", release="shop-1")
    assert desk.open()[0].alert.id != first


def test_alerts_name_a_commit_of_a_delivery_that_came_to_no_release(desk: Desk) -> None:
    desk.stage.deliver("a1")
    red_job(desk)
    desk.later(0)
    (message,) = desk.arrived("ticket")
    assert message["fields"]["commit"] == "a2 change a2"
    desk.stage.parts.runner.red.clear()
    desk.stage.deliver("a3")
    desk.read()
    assert desk.rules() == set()


@pytest.mark.seed("S-283")
def test_a_slow_delivery_names_its_slow_step_until_the_next_quick_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The images of one release take five minutes to arrive in production."""
    target, seconds = desk.stage.parts.target, {"shop-6": 300.0}
    deploy = target.deploy

    def slowly(order: DeployOrder) -> tuple[InstanceState, ...]:
        if order.environment == "production":
            desk.stage.parts.clock.at += seconds.pop(order.release, 0.0)
        return deploy(order)

    monkeypatch.setattr(target, "deploy", slowly)
    for n in range(1, 6):
        desk.stage.deliver(f"a{n}")
    desk.later(0)
    assert desk.rules() == set(), "bake times of an hour are no slow step"
    desk.stage.deliver("a6")
    desk.later(0)
    assert desk.rules() == {"slow_delivery"}
    (told,) = desk.arrived("ticket")
    assert "deploy to production took 5 min, usually 0 s" in told["text"]
    assert told["fields"]["release"] == "shop-6"
    assert told["fields"]["commit"] == "a6 change a6"
    desk.stage.deliver("a7")
    desk.read()
    assert desk.rules() == set()


@pytest.mark.seed("S-289")
def test_a_job_that_flaps_on_one_commit_is_told_until_deliveries_are_steady(desk: Desk) -> None:
    runner = desk.stage.parts.runner
    desk.stage.deliver("a1")
    runner.red = {"build"}
    assert desk.stage.deliver("a2").outcome == "failed"
    desk.later(0)
    assert desk.rules() == {"pipeline_failed"}, "once is no flapping"
    runner.red = set()
    assert desk.stage.deliver("a2").outcome == "delivered"
    desk.read()
    assert desk.rules() == {"pipeline_flaky"}
    (flapping,) = desk.open()
    assert "build: failed and passed on commit a2" in {m.summary for m in flapping.members}
    assert len(desk.arrived("ticket")) == 1, "one alert, however often it turns"
    desk.stage.deliver("a3")
    desk.read()
    assert desk.rules() == set()
