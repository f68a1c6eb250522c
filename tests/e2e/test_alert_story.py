"""Alerts on real parts: the server, a webhook, wrong tokens, drift, red jobs, the commands."""

import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from tests.support.receivers import HttpReceiver, http_receiver
from tests.support.stage import AT_ONCE, WORKFLOW, Stage, config, eventually

from headway.adapters.webhook.notifier import signature
from headway.cli.main import main

ALERTS = """\
owner: team-shop
alerts:
  page: [webhook/ops]
  ticket: [webhook/ops, slack/nobody]
  runbook: docs/runbook.md"""
GOOD = config(AT_ONCE, more=ALERTS, staging=False)
SECRET = "hunter2"


@dataclass
class Scene:
    stage: Stage
    http: HttpReceiver

    def run(self, *arguments: str, input: str = "", code: int = 0) -> str:
        called = ["--home", str(self.stage.home), *arguments]
        result = CliRunner().invoke(main, called, input=input)
        assert result.exit_code == code, result.output
        return result.output

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json"))

    def told(self, rule: str) -> Any:
        """The first message about the rule, waited for."""

        def found() -> list[Any]:
            return [t.json for t in self.http.taken if rule in t.json["text"]]

        eventually(lambda: bool(found()), lambda: f"{rule}: {self.run('alert', 'list')}", 90)
        return found()[0]

    def alert(self, rule: str) -> Any:
        return next(i for i in self.json("alert", "list")["items"] if i["rule"] == rule)


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with Stage() as stage, http_receiver() as http:
        scene = Scene(stage, http)
        given = f"{http.url}/hook/{SECRET}\nsecret={SECRET}\n"
        scene.run("connection", "add", "ops", "--kind", "webhook", "--url-stdin", input=given)
        with stage.server():
            assert stage.deliver(stage.commit(GOOD)).outcome == "delivered"
            yield scene


def test_a_connection_keeps_its_secret(scene: Scene) -> None:
    assert SECRET not in scene.run("connection", "list") + str(scene.json("connection", "list"))
    file = scene.stage.home / "connections" / "ops.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    refused = scene.run(
        "connection", "add", "x", "--kind", "webhook", "--option", f"password={SECRET}", code=2
    )
    assert SECRET not in refused
    scene.run("connection", "add", "x", "--kind", "carrier-pigeon", "--url-stdin", code=2)
    assert "was taken" in scene.run("connection", "test", "ops")
    assert "Test message from Headway" in [t.json["title"] for t in scene.http.taken]
    scene.run("connection", "remove", "y", code=2)


@pytest.mark.seed("S-223")
def test_a_wrong_token_is_told_and_signed(scene: Scene) -> None:
    address = json.loads((scene.stage.home / "server.json").read_text())["address"]
    url = f"{address}/shop.git/info/refs?service=git-receive-pack"
    for _ in range(5):
        assert httpx.get(url, auth=("x", "wrong")).status_code == 401
    assert httpx.get(url).status_code == 401
    events = scene.stage.events(kind="push.refused")
    assert 1 <= len(events) <= 2, "at most one a minute"
    assert events[0].service in {"", "shop"}


@pytest.mark.seed("S-223", "S-220", "S-289", "S-397")
def test_drift_is_mended_and_told_with_its_context(scene: Scene) -> None:
    place = scene.stage.place()
    target = scene.stage.world.targets["local"]
    target.remove("shop", "production", place.stable, place.generation)
    message = scene.told("drift")
    assert message["fields"]["release"] == place.stable
    assert message["fields"]["owner"] == "team-shop"
    assert message["fields"]["runbook"] == "docs/runbook.md"
    assert message["fields"]["trace"] == f"headway trace {place.stable}"
    taken = next(t for t in scene.http.taken if "drift" in t.json["text"])
    stamp = taken.headers["headway-timestamp"]
    assert taken.headers["headway-signature"] == signature(SECRET, stamp, taken.body)
    assert taken.path == f"/hook/{SECRET}"


@pytest.mark.seed("S-223", "S-224", "S-288")
def test_a_red_job_is_a_ticket_that_a_person_takes(scene: Scene) -> None:
    red = WORKFLOW.replace("mkdir dist && cp app.py dist/", "exit 3")
    scene.stage.deliver(scene.stage.commit(GOOD, workflow=red))
    scene.told("pipeline_failed")
    known = scene.alert("pipeline_failed")
    assert (known["state"], known["severity"]) == ("firing", "ticket")
    assert "exit 3" in scene.run("alert", "show", known["id"])
    scene.run("alert", "ack", known["id"], code=2)
    scene.run("alert", "ack", known["id"], "--reason", "on it")
    assert scene.alert("pipeline_failed")["state"] == "acknowledged"
    scene.run("alert", "ack", "alr_no", "--reason", "x", code=2)
    volume = scene.json("alert", "volume", "--since", "1d")
    (week,) = [w for w in volume["weeks"] if w["service"] == "shop"][:1]
    assert week["deployments"] >= 1
    assert week["per_deployment"] == round(week["alerts"] / week["deployments"], 2)
    assert "pipeline_failed" in {r["rule"] for r in volume["review"]}
    scene.run("alert", "resolve", known["id"], "--reason", "flaky disk")
    assert scene.stage.events(kind="alert.resolved")[-1].data["reason"] == "flaky disk"


@pytest.mark.seed("S-076", "S-217", "S-397")
def test_maintenance_is_quiet_and_says_what_it_swallowed(scene: Scene) -> None:
    scene.run("alert", "suppress", "shop", "--for", "1h", "--reason", "maintenance")
    red = WORKFLOW.replace("mkdir dist && cp app.py dist/", "exit 4")
    scene.stage.deliver(scene.stage.commit(GOOD, workflow=red))
    alert = scene.stage.happened("alert.suppressed").subject

    def told() -> bool:
        return any(t.json["thread"] == alert for t in scene.http.taken)

    (window,) = scene.json("alert", "list")["suppressions"]
    assert window["window"]["reason"] == "maintenance"
    assert (window["alerts"], window["symptoms"]) == (1, 1)
    assert "1 alerts, 1 symptoms" in scene.run("alert", "list")
    assert not told()
    scene.run("alert", "unsuppress", "shop", "--reason", "done")
    eventually(told, lambda: scene.run("alert", "list"))
    scene.run("alert", "unsuppress", "shop", "--reason", "done", code=2)


def test_doctor_names_a_channel_without_a_connection_and_delivering_goes_on(scene: Scene) -> None:
    (check,) = [c for c in scene.json("doctor")["checks"] if c["name"] == "alert channels"]
    assert check["outcome"] == "warning"
    assert "slack/nobody" in check["found"]
    assert check["fix"].startswith("headway connection add nobody --kind slack")
    scene.stage.happened("channel.missing")
    assert len(scene.stage.events(kind="channel.missing")) == 1
    assert "slack/nobody" in scene.run("alert", "list", "--undelivered")
    assert scene.stage.deliver(scene.stage.commit(GOOD)).outcome == "delivered"


def test_nothing_that_is_kept_or_logged_holds_the_secret(scene: Scene) -> None:
    kept = str(scene.stage.events()) + scene.run("alert", "list", "--all", "--json")
    kept += scene.run("alert", "list", "--undelivered", "--json")
    kept += (scene.stage.home / "log" / "headway.log").read_text()
    assert SECRET not in kept
    assert scene.http.url not in kept
