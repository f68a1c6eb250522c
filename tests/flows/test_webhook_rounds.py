"""Sending events to subscriptions: order, retries, dead letters, replay, secrets."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from standardwebhooks import Webhook
from tests.support.hooked import Hooked, Receiver
from tests.support.postgres import postgres

from headway.alert import sources
from headway.alert.state import Trouble
from headway.flows import alert_rounds, webhooks
from headway.flows.world import World
from headway.model.errors import Invalid, Refused
from headway.model.webhook import Answer
from headway.store import alerts, webhook_deliveries
from headway.store.views import webhooks as views
from headway.store.webhook_deliveries import ROOM

AWAY, NO = Answer(503), Answer(400)
KINDS = ("release.created", "rollout.started", "rollout.shifted", "release.released")


@pytest.fixture
def home(tmp_path: Path) -> Hooked:
    return Hooked(tmp_path)


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    with postgres() as url:
        yield url


def test_events_are_sent_in_order_once_from_the_subscription_on(home: Hooked) -> None:
    home.happen("delivery.requested")
    home.add("https://x/")
    home.happen(*KINDS)
    receiver = Receiver()
    assert home.send(receiver) == 4
    assert home.send(receiver) == 0
    bodies = [json.loads(p.body) for p in receiver.taken]
    assert [b["type"] for b in bodies] == [f"dev.headway.{k}" for k in KINDS]
    assert len(set(receiver.ids)) == 4
    first = bodies[0]
    assert first["specversion"] == "1.0"
    assert first["source"] == "urn:headway:home:h1"
    assert (first["service"], first["delivery"], first["sequence"]) == ("shop", "del_1", "3")
    assert first["data"] == {"digest": "sha256:ab", "because": "x"}
    assert "environment" not in first
    assert {d.state for d in home.deliveries()} == {"delivered"}
    assert home.view().behind == 0


def test_only_what_is_wanted(home: Hooked) -> None:
    home.add("https://x/", events="release.*", service="shop", environment="production")
    home.happen(*KINDS, environment="production")
    home.happen(*KINDS, environment="staging")
    home.happen(*KINDS, service="other", environment="production")
    receiver = Receiver()
    assert home.send(receiver) == 2
    assert home.view().behind == 0


def test_a_receiver_that_is_away_gets_all_in_order_later(home: Hooked) -> None:
    home.add("https://x/")
    home.happen(*KINDS)
    receiver = Receiver(AWAY)
    waits = []
    for _ in range(4):
        assert home.send(receiver) == 1
        waits.append(home.one().next_at - home.now)
        assert home.send(receiver) == 0
        home.now = home.one().next_at
    assert waits == [5.0, 10.0, 20.0, 40.0]
    assert len(set(receiver.ids)) == 1
    assert home.view().state == "failing"
    assert home.view().because == "the receiver answered 503"
    good = Receiver()
    assert home.send(good) == 4
    assert good.seqs == [2, 3, 4, 5]
    assert good.ids[0] == receiver.ids[0]
    assert home.view().state == "active"
    assert home.view().because == ""


def test_one_bad_delivery_does_not_hold_up_the_others(home: Hooked) -> None:
    home.add("https://x/")
    home.happen(*KINDS)
    receiver = Receiver(refuses=lambda body: NO if body["sequence"] == "2" else None)
    assert home.send(receiver) == 4
    assert receiver.seqs == [2, 3, 4, 5]
    bad = home.deliveries()[0]
    assert (bad.state, bad.status, bad.attempts) == ("waiting", 400, 1)
    home.now += 5.0
    home.happen("rollout.settled")
    assert home.send(receiver) == 2
    assert receiver.seqs[4:] == [6, 2]


def test_one_that_breaks_the_receiver_steps_aside(home: Hooked) -> None:
    home.add("https://x/")
    home.happen(*KINDS)
    receiver = Receiver(refuses=lambda body: AWAY if body["sequence"] == "2" else None)
    for _ in range(5):
        assert home.send(receiver) == 1
        home.now = home.one().next_at
    assert home.send(receiver) == 4
    assert receiver.seqs == [2, 2, 2, 2, 2, 3, 4, 5, 2]


def test_a_receiver_that_refuses_everything_is_asked_less_and_less(home: Hooked) -> None:
    home.add("https://x/")
    home.happen(*["rollout.judged"] * 20)
    receiver = Receiver(NO)
    assert home.send(receiver) == 5
    assert home.one().next_at - home.now == 80.0


def failing(home: Hooked, answer: Answer, hours: float) -> int:
    """So long nothing is taken; gives how many attempts were made."""
    receiver, until = Receiver(answer), home.now + hours * 3600
    while home.now < until:
        home.send(receiver)
        nexts = [d.next_at.timestamp() for d in home.deliveries() if d.next_at]
        home.now = max(home.now + 1.0, home.one().next_at, min(nexts, default=until))
    return len(receiver.taken)


def kinds(home: Hooked) -> list[str]:
    return [e.kind for e in home.events() if e.kind.startswith("webhook.")]


def test_after_a_day_it_is_a_dead_letter_and_can_be_sent_again(home: Hooked) -> None:
    home.add("https://x/")
    home.happen("release.released")
    assert 25 < failing(home, AWAY, 30) < 70
    (dead,) = home.deliveries()
    assert (dead.state, dead.status, dead.next_at) == ("dead", 503, None)
    assert home.view().dead == 1
    with home.reading() as connection:
        assert views.dead(connection).items == (dead,)
    assert kinds(home) == ["webhook.added", "webhook.failing", "webhook.gave_up"]
    with home.tx() as tx:
        assert webhooks.replay_dead(tx, "chat", "ana") == 1
    receiver = Receiver()
    assert home.send(receiver) == 1
    assert receiver.ids == [dead.id]
    assert kinds(home)[3:] == ["webhook.replayed", "webhook.recovered"]


def alerts_of(home: Hooked) -> list[Trouble]:
    """What the rounds of alerts make of the log."""
    with home.tx() as tx:
        alert_rounds.read_log(tx, cast("World", None))
        return alerts.several(tx.connection, everything=True, limit=99)


def test_a_person_is_told_once_and_when_it_is_over(home: Hooked) -> None:
    home.add("https://x/", service="shop")
    home.happen(*KINDS)
    assert alerts_of(home) == []
    failing(home, Answer(error="nobody listens there"), 9)
    (told,) = [e for e in home.events() if e.kind == "webhook.failing"]
    (symptom,) = sources.read(told, []).symptoms
    assert (symptom.rule, symptom.service, symptom.over) == ("webhook_failing", "shop", False)
    assert "nobody listens there" in symptom.summary
    assert [t.alert.rule for t in alerts_of(home)] == ["webhook_failing"]
    home.send(Receiver())
    (over,) = sources.read(home.events()[-1], []).symptoms
    assert (over.over, over.cause) == (True, symptom.cause)
    assert all(m.over for t in alerts_of(home) for m in t.members)


def test_gone_pauses_and_resuming_sends_what_was_left(home: Hooked) -> None:
    home.add("https://x/")
    home.happen(*KINDS)
    assert home.send(Receiver(Answer(410))) == 1
    assert (home.view().state, home.view().because) == ("paused", "the receiver answered 410")
    home.happen("rollout.settled")
    assert home.send(Receiver()) == 0
    last = home.events()[-2]
    assert (last.kind, last.data["by"]) == ("webhook.paused", "headway")
    assert not sources.read(last, []).symptoms[0].over
    with home.tx() as tx, pytest.raises(Refused):
        webhooks.replay_dead(tx, "chat", "ana")
    with home.tx() as tx:
        webhooks.resume(tx, "chat", "ana")
    receiver = Receiver()
    assert home.send(receiver) == 5
    assert receiver.seqs[:4] == [2, 3, 4, 5]


def test_pause_keeps_and_skip_does_not(home: Hooked) -> None:
    home.add("https://x/")
    with home.tx() as tx:
        webhooks.pause(tx, "chat", "ana", "maintenance")
    home.happen(*KINDS)
    assert home.send(Receiver()) == 0
    with home.tx() as tx:
        webhooks.resume(tx, "chat", "ana", skip=True)
    assert home.send(Receiver()) == 0
    assert kinds(home) == ["webhook.added", "webhook.paused", "webhook.resumed"]


def test_replay_by_id_and_by_time_under_the_same_ids(home: Hooked) -> None:
    home.add("https://x/")
    home.happen(*KINDS)
    first = Receiver()
    home.send(first)
    again = Receiver()
    with home.tx() as tx:
        assert webhooks.replay(tx, "chat", [first.ids[1], first.ids[1]], "ana") == 1
    home.send(again)
    assert again.ids == [first.ids[1]]
    home.now += 100
    home.happen("rollout.settled")
    with home.tx() as tx:
        assert webhooks.replay_since(tx, "chat", home.now - 150, "ana") > 5
    again.taken.clear()
    home.send(again)
    assert again.ids[:4] == first.ids
    assert len(again.ids) == 5
    with home.tx() as tx, pytest.raises(Invalid) as caught:
        webhooks.replay(tx, "chat", ["dlv_unknown"], "ana")
    assert caught.value.code == "unknown-delivery"


def test_a_backlog_of_ten_thousand_is_never_held_whole(home: Hooked) -> None:
    home.add("https://x/", events="rollout.*")
    home.many({"rollout.judged": 500, "gates.judged": 9500})
    waiting: list[int] = []
    receiver = Receiver()

    def look(_body: object) -> None:
        if len(receiver.taken) % 50 == 1:
            waiting.append(home.view().waiting)

    receiver.refuses = look
    while home.send(receiver):
        pass
    assert len(receiver.seqs) == 500
    assert receiver.seqs == sorted(set(receiver.seqs))
    assert 0 < max(waiting) <= ROOM
    assert home.view().behind == 0


def test_a_dead_receivers_backlog_is_a_number(home: Hooked) -> None:
    home.add("https://x/")
    home.many({"rollout.judged": 10_000})
    home.send(Receiver(AWAY))
    assert home.view().waiting == ROOM
    assert home.view().behind == 10_000 - ROOM


def test_rotation_signs_with_both_for_a_day(home: Hooked) -> None:
    made = home.add("https://x/")
    with home.tx() as tx:
        new = webhooks.rotate(tx, home.home, "chat", "ana").secret
    home.happen("release.released")
    receiver = Receiver()
    home.send(receiver)
    (sent,) = receiver.taken
    for secret in (made.secret, new):
        assert Webhook(secret).verify(sent.body, sent.headers)
    home.now += 86401
    home.happen("release.released")
    home.send(receiver)
    assert len(sent.headers["webhook-signature"].split()) == 2
    assert len(receiver.taken[1].headers["webhook-signature"].split()) == 1


def test_no_secret_is_in_the_database_or_shown(home: Hooked) -> None:
    made = home.add("https://x/in?token=t0ken")
    secret = made.secret.removeprefix("whsec_")
    file = home.home / "webhooks" / f"{made.subscription.id}.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert secret.encode() not in (home.home / "headway.db").read_bytes()
    assert secret not in repr(made)
    shown = repr(home.events()) + repr(home.view())
    assert secret not in shown
    assert "t0ken" not in shown
    file.unlink()
    home.happen("release.released")
    home.send(Receiver())
    assert "not in this home" in home.view().because
    assert home.deliveries()[0].state == "waiting"


def test_another_home_s_subscriptions_are_not_sent_here(home: Hooked) -> None:
    home.add("https://x/", home="h2")
    home.happen(*KINDS)
    with home.sender(Receiver()) as sender:
        sender.go()
    assert home.deliveries() == []
    with home.tx() as tx, pytest.raises(Refused) as caught:
        webhooks.rotate(tx, home.home, "chat", "ana")
    assert caught.value.code == "webhook-home"


def test_delete_leaves_nothing(home: Hooked) -> None:
    made = home.add("https://x/")
    home.happen(*KINDS)
    home.send(Receiver(AWAY))
    with home.tx() as tx:
        webhooks.delete(tx, home.home, "chat", "ana")
    with home.reading() as connection:
        assert views.subscriptions(connection) == []
        assert views.deliveries(connection, made.subscription.id).items == ()
    assert list((home.home / "webhooks").iterdir()) == []
    assert home.add("https://x/").subscription.id != made.subscription.id


def test_what_is_done_is_forgotten_after_a_while(home: Hooked) -> None:
    home.add("https://x/")
    home.happen(*KINDS)
    home.send(Receiver())
    home.now += webhook_deliveries.KEPT_SECONDS + 1
    home.happen("rollout.settled")
    home.send(Receiver(AWAY))
    with home.tx() as tx:
        webhook_deliveries.prune(tx)
    assert [d.kind for d in home.deliveries()] == ["rollout.settled"]


def test_pages_of_deliveries_hold_each_once(home: Hooked) -> None:
    home.add("https://x/", format="cdevents")
    home.happen(*["artifact.packed"] * 5)
    seen, before = [], ""
    id = home.one().id
    with home.tx() as tx:
        for event in home.events():
            webhook_deliveries.want(tx, id, event, 2)
    with home.reading() as connection:
        while True:
            page = views.deliveries(connection, home.one().id, limit=3, before=before)
            seen += [d.id for d in page.items]
            before = page.next
            if not before:
                break
        with pytest.raises(Invalid):
            views.deliveries(connection, "", before="x")
    assert len(seen) == len(set(seen)) == 12


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"name": "Chat"}, "webhook-name"),
        ({"name": "../x"}, "webhook-name"),
        ({"url": "ftp://x"}, "webhook-url"),
        ({"format": "xml"}, "webhook-format"),
        ({"events": "nothing"}, "webhook-events"),
        ({"name": "taken"}, "webhook-exists"),
        ({"url": "http://127.0.0.1/", "allow_private": False}, "private-address"),
    ],
)
def test_bad_wishes_change_nothing(home: Hooked, wish: dict[str, object], code: str) -> None:
    home.add("https://x/", "taken")
    before = home.events()
    with pytest.raises((Invalid, Refused)) as caught:
        home.add(**{"url": "https://x/", **wish})  # type: ignore[arg-type]
    assert caught.value.code == code
    assert home.events() == before
    assert len(list((home.home / "webhooks").iterdir())) == 1


def test_the_same_on_postgres(tmp_path: Path, postgres_url: str) -> None:
    home = Hooked(tmp_path, postgres_url)
    home.add("https://x/")
    home.happen(*KINDS)
    receiver = Receiver(refuses=lambda body: NO if body["sequence"] == "2" else None)
    assert home.send(receiver) == 4
    with home.tx() as tx:
        webhooks.replay_since(tx, "chat", 0.0, "ana")
    home.now += 5.0
    assert home.send(Receiver()) == 4
    assert {d.state for d in home.deliveries()} == {"delivered"}
    home.db.dispose()
