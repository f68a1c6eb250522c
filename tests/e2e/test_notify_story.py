"""Notifications on real parts: a canary rolled back in quiet hours, told by chat and mail later."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.support.receivers import HttpReceiver, MailReceiver, http_receiver, mail_receiver
from tests.support.stage import CANARY, Stage, config, eventually

from headway.cli.main import main
from headway.store.place import announce, public_url

OWNED = """\
owner: team-shop
alerts: {ticket: [webhook/alerts]}"""
GOOD = config(CANARY, more=OWNED, staging=False)


@dataclass
class Story:
    stage: Stage
    http: HttpReceiver
    mail: MailReceiver

    def run(self, *arguments: str, input: str = "", code: int = 0) -> str:
        called = ["--home", str(self.stage.home), *arguments]
        result = CliRunner().invoke(main, called, input=input)
        assert result.exit_code == code, result.output
        return result.output

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json"))

    def connect(self, name: str, kind: str) -> None:
        url = f"{self.http.url}/{name}"
        options: tuple[str, ...] = ()
        if kind == "email":
            url = f"smtp://127.0.0.1:{self.mail.port}"
            options = ("from=hw@example.com", "to=ana@example.com", "starttls=off")
        given = [part for o in options for part in ("--option", o)]
        self.run("connection", "add", name, "--kind", kind, *given, "--url-stdin", input=f"{url}\n")

    def arrived(self, name: str) -> list[Any]:
        return [t.json for t in self.http.taken if t.path == f"/{name}"]

    def told(self, name: str, word: str) -> Any:
        """The first message in a channel with the word in its title, waited for."""

        def found() -> list[Any]:
            return [m for m in self.arrived(name) if word in (m.get("title") or m["text"])]

        eventually(lambda: bool(found()), lambda: f"{word}: {self.run('notify', 'told')}", 60)
        return found()[0]


@pytest.fixture
def story() -> Iterator[Story]:
    with Stage() as stage, http_receiver() as http, mail_receiver() as mail:
        yield Story(stage, http, mail)


def quiet_now() -> str:
    """Quiet hours that cover now and do not end while a test runs, in UTC."""
    hour = datetime.now(UTC) - timedelta(hours=1)
    return f"{hour:%H}:00-{hour + timedelta(hours=6):%H}:00"


@pytest.mark.soak
@pytest.mark.seed("S-082", "S-304")
def test_a_canary_rolled_back_in_quiet_hours_is_told_afterwards(story: Story) -> None:
    stage = story.stage
    for name, kind in (("alerts", "webhook"), ("ana", "webhook"), ("mail", "email"),
                       ("chat", "slack")):  # fmt: skip
        story.connect(name, kind)
    quiet = ("--quiet-hours", quiet_now(), "--zone", "UTC")
    story.run("notify", "set", "ana", "--channel", "webhook/ana", "--channel", "email/mail", *quiet)
    story.run("notify", "set", "ana", "--event", "rolled_back", "--event", "promoted")
    story.run("notify", "set", "bo", "--channel", "slack/chat")
    story.run("notify", "set", "bo", "--event", "every", "--service", "shop")
    with stage.server():
        assert stage.deliver(stage.commit(GOOD)).outcome == "delivered"
        released = story.told("alerts", "shop-1 is released")
        assert released["fields"]["result"] == "released"
        assert released["fields"]["commit"] == stage.git("rev-parse", "HEAD")
        answers = preview(story)
        assert answers["ana", "webhook/ana"]["because"] == "quiet hours"
        assert answers["bo", "slack/chat"]["heard"]

        with stage.load():
            failed = stage.deliver(stage.commit(GOOD, errors=0.5))
        assert failed.outcome == "rolled_back"

        told = story.told("chat", "shop-2 was rolled back; shop-1 serves everyone")
        address = json.loads((stage.home / "server.json").read_text())["address"]
        assert f"<{address}/rollouts/rol_" in told["text"]
        assert re.search(r"Why: errors: \d+ % of \d+ requests against 0 %", told["text"])
        alert = [m["title"] for m in story.arrived("alerts") if "rolled back" in m["title"]]
        assert len(alert) == 1, "the owner's channel has the alert, and no notice beside it"
        assert story.arrived("ana") == []
        assert story.mail.mails == []
        (waits, _) = [t for t in story.json("notify", "told")["items"] if "ana" in t["who"]]
        assert (waits["state"], waits["why"], waits["topic"]) == ("waiting", "quiet", "rolled_back")

        story.run("notify", "set", "ana", "--channel", "webhook/ana", "--channel", "email/mail")
        late = story.told("ana", "shop-2 was rolled back")
        assert late["text"].startswith("It happened at ")
        eventually(lambda: len(story.mail.mails) == 1, lambda: story.run("notify", "list"))
    (letter,) = story.mail.mails
    assert "shop-2 was rolled back; shop-1 serves everyone" in letter["Subject"]
    assert late["link"] in str(letter.get_body(("plain",)))
    assert [m["title"] for m in story.arrived("ana")] == [late["title"]]


def preview(story: Story) -> dict[tuple[str, str], Any]:
    items = story.json(
        "notify", "preview", "--event", "rolled_back", "--service", "shop", "--env", "production"
    )["items"]
    return {(i["who"], i["channel"]): i for i in items}


def test_preferences_by_hand(story: Story) -> None:
    story.connect("ana", "webhook")
    assert "No preference" in story.run("notify", "list")
    story.run("notify", "test", "ana", code=2)
    quiet = ("--quiet-hours", "Mon-Fri 20:00-08:00", "--zone", "Europe/Berlin", "--hold-pages")
    story.run("notify", "set", "ana", "--channel", "webhook/ana", *quiet)
    made = story.json("notify", "set", "ana", "--event", "failed", "--env", "production")
    listed = story.run("notify", "list")
    assert "Mon,Tue,Wed,Thu,Fri 20:00-08:00" in listed
    assert made["id"] in listed
    assert "the message was taken" in story.run("notify", "test", "ana")
    assert story.arrived("ana")[0]["title"] == "Test message from Headway"
    story.http.status = 503
    assert "answers with status 503" in story.run("notify", "test", "ana", code=6)
    friday_night = "2026-11-20T23:00+0100"
    where = ("--service", "shop", "--env", "production", "--at", friday_night)
    told = story.run("notify", "preview", "--event", "failed", *where)
    assert "quiet hours" in told
    assert "webhook/ana" in told
    (line,) = story.json("notify", "preview", "--event", "failed", *where)["items"]
    assert line["at"] == datetime(2026, 11, 21, 7, tzinfo=UTC).timestamp()
    assert "Nobody would hear" in story.run("notify", "preview", "--event", "held", *where)
    assert "rolled_back" in story.run("notify", "topics")
    assert story.run("notify", "told").strip() == "Nothing was told yet."
    assert made["id"] in story.run("notify", "delete", "ana", "--rule", made["id"])
    story.run("notify", "delete", "ana")
    story.run("notify", "delete", "ana", code=2)
    facts = story.stage.events(kind="notify.set") + story.stage.events(kind="notify.deleted")
    assert [e.data["who"] for e in facts] == ["ana"] * 4


WRONG = {
    "by which channel is ana reached": ("ana",),
    "there is no connection `nobody`": ("ana", "--channel", "slack/nobody"),
    "no channel for notices": ("ana", "--channel", "alertmanager/ana"),
    "is of kind webhook, not slack": ("ana", "--channel", "slack/ana"),
    "are no quiet hours": ("ana", "--channel", "webhook/ana", "--quiet-hours", "22-7"),
    "there is no time zone": ("ana", "--channel", "webhook/ana", "--zone", "Mars"),
    "of which event": ("ana", "--service", "shop"),
    "not of an event": ("ana", "--event", "failed", "--quiet-hours", "22:00-07:00"),
    "is no name of a team or person": ("an a", "--event", "failed"),
    "is not one of": ("ana", "--event", "fail"),
}


def test_a_wrong_preference_is_one_clear_error(story: Story) -> None:
    story.connect("ana", "webhook")
    for says, arguments in WRONG.items():
        assert says in story.run("notify", "set", *arguments, code=2)
    assert "No preference" in story.run("notify", "list")


def test_a_public_address_is_an_address(tmp_path: Path) -> None:
    arguments = ["--home", str(tmp_path), "server", "--port", "0", "--public-url"]
    for bad in ("javascript:alert(1)", "headway.example.com", "https://h/?q=1", "https://h/ x"):
        result = CliRunner().invoke(main, [*arguments, bad])
        assert (result.exit_code, "no public address" in result.output) == (2, True), bad
    assert public_url(tmp_path, {}) == ""
    assert public_url(tmp_path, {"HEADWAY_PUBLIC_URL": "https://a.example/"}) == "https://a.example"
    announce(tmp_path, "https://b.example/headway")
    assert public_url(tmp_path, {"HEADWAY_PUBLIC_URL": "https://a.example"}) == (
        "https://b.example/headway"
    )
