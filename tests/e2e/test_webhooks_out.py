"""Webhooks over the wire: threads, receivers that hang, kill -9, the command line."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from standardwebhooks import Webhook
from tests.support.hooked import Hooked
from tests.support.receivers import HttpReceiver, Taken, http_receiver
from tests.support.served import Served

from headway.cli.main import main
from headway.flows import webhooks
from headway.flows.webhook_attempts import AT_ONCE
from headway.flows.webhook_rounds import Sender
from headway.model.event import Fact
from headway.model.webhook import Answer, Parcel
from headway.store import webhook_deliveries
from headway.store.log import About, append
from headway.wiring import Headway, locate

ROOT = Path(__file__).parents[2]


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with http_receiver() as made:
        yield made


@pytest.fixture
def home(tmp_path: Path) -> Hooked:
    return Hooked(tmp_path)


def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_receiver_s_library_verifies_what_comes_in_order(
    home: Hooked, receiver: HttpReceiver
) -> None:
    made = home.add(f"{receiver.url}/in", format="cdevents")
    data: dict[str, object] = {"digest": "sha256:ab", "sha": "c0", "statement": "sha256:cd"}
    with home.tx() as tx:
        for n, kind in enumerate(("artifact.packed", "rollout.rolled_back")):
            append(tx, About("del_1", "shop", "production"), Fact(kind, "rol_1", n, data))
    with home.sender() as sender:
        sender.last_words(60)
    known = Webhook(made.secret)
    clouds = [known.verify(t.body, t.headers) for t in receiver.taken]
    assert [c["type"] for c in clouds] == [
        "dev.cdevents.artifact.packaged.0.3.0",
        "dev.cdevents.artifact.signed.0.3.0",
        "dev.cdevents.service.rolledback.0.3.0",
    ]
    assert receiver.taken[0].headers["content-type"] == "application/cloudevents+json"
    assert clouds[0]["data"]["context"]["source"] == "urn:headway:home:h1"
    assert home.complaints == []


def test_receivers_that_hang_hold_up_nobody_else(home: Hooked) -> None:
    hang, asked = threading.Event(), []
    good: list[Parcel] = []

    def send(parcel: Parcel) -> Answer:
        if "good" in parcel.url:
            good.append(parcel)
            return Answer(200)
        asked.append(parcel.url)
        hang.wait(60)
        return Answer(error="no answer within 10 s")

    for n in range(7):
        home.add(f"https://slow{n}/", f"slow{n}")
    home.add("https://good/", "good")
    home.happen(*["rollout.judged"] * 30)
    with home.sender(send) as sender:
        sender.go()
        eventually(lambda: len(good) == 30)
        eventually(lambda: len(asked) == 7)
        sender.go()
        home.happen("release.released")
        sender.go()
        eventually(lambda: len(good) == 31)
        assert sorted(set(asked)) == sorted(asked)
        hang.set()
        eventually(lambda: home.view("slow0").state == "failing")
    assert home.view("good").state == "active"


def test_pausing_takes_effect_while_a_backlog_is_sent(home: Hooked) -> None:
    home.add("https://x/")
    home.happen(*["rollout.judged"] * 60)
    sent: list[str] = []

    def send(parcel: Parcel) -> Answer:
        sent.append(parcel.headers["webhook-id"])
        if len(sent) == 1:
            with home.tx() as tx:
                webhooks.pause(tx, "chat", "ana", "stop")
        return Answer(200)

    with home.sender(send) as sender:
        sender.last_words(60)
    assert 1 <= len(sent) <= AT_ONCE
    assert home.view().state == "paused"
    assert [d.state for d in home.deliveries(limit=99)].count("delivered") == len(sent)


CHILD = """
import sys, time
from pathlib import Path
from tests.support.hooked import Hooked

home = Hooked(Path(sys.argv[1]))
with home.sender() as sender:
    while True:
        home.now = time.time()
        sender.go()
        time.sleep(0.05)
"""


def test_killed_between_sending_and_writing_it_down_it_is_sent_again_with_its_id(
    home: Hooked, receiver: HttpReceiver
) -> None:
    home.add(receiver.url)
    home.happen("release.created", "release.released")
    receiver.hanging = True
    child = [sys.executable, "-c", CHILD, str(home.home)]
    first = subprocess.Popen(child, cwd=ROOT)
    try:
        eventually(lambda: receiver.taken)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait(30)
    assert [d.state for d in home.deliveries()] == ["waiting", "waiting"]
    receiver.hanging = False
    receiver.hang.set()
    second = subprocess.Popen(child, cwd=ROOT)
    try:
        eventually(lambda: [d.state for d in home.deliveries()] == ["delivered"] * 2)
    finally:
        second.kill()
        second.wait(30)

    def id(one: Taken) -> str:
        return one.headers["webhook-id"]

    assert [id(t) for t in receiver.taken] == [id(receiver.taken[n]) for n in (0, 0, 2)]
    assert receiver.taken[0].body == receiver.taken[1].body


def run(home: Path, *args: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["--home", str(home), *args])
    assert done.exit_code == code, done.output
    return done.output


def test_the_command_line_from_add_to_delete(tmp_path: Path, receiver: HttpReceiver) -> None:
    home = tmp_path / "h"
    add = ("webhook", "add", "chat", "--url", f"{receiver.url}/in?key=k3y", "--events", "release.*")
    assert "private-address" in run(home, *add, code=3)
    made = json.loads(run(home, *add, "--allow-private", "--json"))
    secret = made["secret"]
    assert Webhook(secret)
    assert run(home, "webhook", "test", "chat").startswith("chat took the ping with status 200")
    (pinged,) = receiver.taken
    assert Webhook(secret).verify(pinged.body, pinged.headers)["type"] == "dev.headway.webhook.ping"
    headway = Headway(locate(home, {}))
    with headway.tx() as tx:
        for n in range(2):
            append(tx, About(service="shop"), Fact("release.released", f"rol_{n}", 0, {}))
    for status in (500, 200):
        receiver.status = status
        sender = Sender(headway.office)
        sender.last_words(30)
        sender.close()
        shown = json.loads(run(home, "webhook", "show", "chat", "--json"))
        assert shown["deliveries"][-1]["status"] == status
        assert "k3y" not in json.dumps(shown)
        run(home, "webhook", "resume", "chat")
        with headway.tx() as tx:
            webhook_deliveries.update(tx, shown["deliveries"][-1]["id"], next_at=0.0)
    assert "delivered" in run(home, "webhook", "show", "chat")
    delivered = json.loads(run(home, "webhook", "show", "chat", "--json"))["deliveries"]
    assert "1 deliveries are sent again" in run(
        home, "webhook", "replay", "chat", delivered[0]["id"]
    )
    assert "webhook-replay" in run(home, "webhook", "replay", "chat", code=2)
    run(home, "webhook", "replay", "chat", "--dead")
    run(home, "webhook", "replay", "chat", "--since", "1h")
    new = run(home, "webhook", "rotate", "chat").splitlines()[0]
    assert Webhook(new)
    assert new != secret
    assert "chat is paused" in run(home, "webhook", "pause", "chat", "--reason", "x")
    assert "paused" in run(home, "webhook", "list")
    assert "chat is active" in run(home, "webhook", "resume", "chat", "--skip")
    assert "No delivery" in run(home, "webhook", "dead", "chat")
    receiver.status = 410
    assert "410" in run(home, "webhook", "test", "chat", code=1)
    assert "unknown-webhook" in run(home, "webhook", "show", "other", code=2)
    run(home, "webhook", "delete", "chat", code=2)
    run(home, "webhook", "delete", "chat", "-y")
    assert "No webhook yet" in run(home, "webhook", "list")
    assert not list((home / "webhooks").iterdir())


def test_a_running_server_sends_what_happens(receiver: HttpReceiver) -> None:
    with Served() as served:
        served.up()
        url = ("--url", receiver.url, "--allow-private", "--events", "release.*", "--json")
        made = json.loads(run(served.home, "webhook", "add", "chat", *url))
        with served.headway.tx() as tx:
            append(tx, About(service="shop"), Fact("release.released", "rol_1", 0, {"a": 1}))
        served.eventually(lambda: receiver.taken)
        verified = Webhook(made["secret"]).verify(receiver.taken[0].body, receiver.taken[0].headers)
        assert (verified["type"], verified["data"]) == ("dev.headway.release.released", {"a": 1})
        served.eventually(lambda: "delivered" in run(served.home, "webhook", "show", "chat"))
