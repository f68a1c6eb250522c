"""What goes wrong in production, done for real: injected, found by the signal that should find it,
told to people, and over again afterwards with few users hurt.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler
from typing import Any
from xml.etree import ElementTree

import pytest
from tests.support.prometheus import RealPrometheus, Served, say
from tests.support.receivers import HttpReceiver, http_receiver
from tests.support.stage import APP, AT_ONCE, CANARY, Stage, config, eventually

from headway import upkeep
from headway.adapters.envoy.proxy import EnvoyProxy
from headway.alert import routes
from headway.flows import measure, scrape
from headway.model.connection import Connection
from headway.store import alerts, connections

ALERTS = """\
owner: team-shop
alerts: {page: [webhook/ops], ticket: [webhook/ops], runbook: docs/runbook.md}"""
CALM = config(AT_ONCE, more=ALERTS, staging=False)
JUDGED = config(CANARY, more=ALERTS, staging=False)
ROLLING = """\
rollout: {strategy: rolling, max_surge: 1, max_unavailable: 0, stability: 5m}
    analysis: {pace: quick}"""


@dataclass
class Scene:
    """A stage whose alerts come to a webhook."""

    stage: Stage
    http: HttpReceiver

    def deliver(self, yaml: str, **app: Any) -> str:
        """A delivery that must succeed; gives its release."""
        done = self.stage.deliver(self.stage.commit(yaml, **app))
        assert done.outcome == "delivered", done
        return done.release

    def told(self, severity: str, text: str) -> Any:
        """The first message with this urgency and text, waited for."""

        def found() -> list[Any]:
            known = [t.json for t in self.http.taken]
            return [
                m for m in known if m["severity"] == severity and text in m["text"] + m["title"]
            ]

        eventually(lambda: bool(found()), lambda: str([t.json for t in self.http.taken]), 90)
        return found()[0]

    def lasting(self) -> set[str]:
        """The rules of what is wrong now."""
        with self.stage.headway.reading() as connection:
            known = alerts.open_at(connection, "shop")
        return {m.rule for trouble in known for m in trouble.members if not m.over}

    def noted(self, *words: str) -> None:
        """A message says this, or what an alert that was told before has gathered since."""

        def found() -> list[str]:
            with self.stage.headway.reading() as connection:
                known = alerts.open_at(connection, "shop")
            gathered = [m.summary for trouble in known for m in trouble.members]
            return [*gathered, *(t.json["title"] + t.json["text"] for t in self.http.taken)]

        eventually(
            lambda: any(all(w in one for w in words) for one in found()), lambda: str(found()), 90
        )

    def in_charge(self, release: str) -> None:
        """This one serves everybody, alone."""
        assert self.stage.shares() == {release: 1.0}
        assert {i.release for i in self.stage.instances()} == {release}
        assert self.stage.place().stable == release


@contextmanager
def opened() -> Iterator[Scene]:
    with Stage() as stage, http_receiver() as http:
        connections.put(stage.home, Connection("ops", "webhook", f"{http.url}/ops"))
        with stage.engine():
            yield Scene(stage, http)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setattr(upkeep, "ALERT_SECONDS", 0.5)
    monkeypatch.setattr(upkeep, "TELL_SECONDS", 0.5)
    monkeypatch.setattr(upkeep, "TEND_SECONDS", 1.0)
    monkeypatch.setattr(upkeep, "MEASURED_SECONDS", 0.5)
    monkeypatch.setattr(scrape, "SECONDS", 0.5)
    monkeypatch.setattr(measure, "LAG_SECONDS", 1.0)
    with opened() as made:
        yield made


@pytest.mark.seed("S-105", "S-152", "S-268", "S-273", "S-282")
def test_a_canary_that_spikes_is_named_reported_and_gone(scene: Scene) -> None:
    stage = scene.stage
    good = scene.deliver(JUDGED)
    with stage.load() as load:
        done = stage.deliver(stage.commit(JUDGED, errors=0.4))
        load.wait_answered(150)
        tally = load.stop()
    assert done.outcome == "rolled_back", done
    judged = stage.events(kind="rollout.judged", delivery=done.id)[-1].data
    assert (judged["outcome"], str(judged["because"]).split(":")[0]) == ("FAIL", "errors")
    message = scene.told("ticket", "was rolled back")
    assert message["fields"]["release"] == done.release
    assert "errors" in message["text"]
    assert scene.lasting() >= {"rollout_failed"}
    told = stage.cli("rollout", "report", "shop/production", "--format", "json")
    report = json.loads(told.stdout)["report"]
    assert (report["outcome"], report["signals"][0]["name"]) == ("FAIL", "errors")
    file = stage.base / "verdict.svg"
    stage.cli("rollout", "report", "shop/production", "--format", "svg", "--output", str(file))
    lines = [e.get("class") for e in ElementTree.parse(file).getroot().iter() if e.get("x1")]
    assert lines.count("step") == lines.count("ended fail") > 1, "on every chart"
    recovered = stage.happened("rollout.recovered", delivery=done.id).data
    assert (recovered["outcome"], recovered["stable"]) == ("PASS", good)
    back = stage.events(kind="rollout.rolled_back", delivery=done.id)[0].data
    assert 0 < back["milliseconds"] < 10_000  # type: ignore[operator]
    scene.in_charge(good)
    # 40 % of the canary's 30 % at most, for as long as it took to see it
    assert 0 < tally.statuses[500] == tally.failed < 0.12 * tally.answered


MIGRATES = """\
import json, os, sys

PRICES = os.environ.get("PRICES", {path!r})
if {version} == 2:
    with open(PRICES, "w") as file:
        json.dump({{"cents": 100}}, file)
with open(PRICES) as file:
    json.load(file)[{key!r}]
"""


def migrating(scene: Scene, version: int, **app: Any) -> dict[str, str]:
    """The first version reads `euros`; the second renames it, which the first cannot read."""
    path = str(scene.stage.base / "prices.json")
    head = MIGRATES.format(path=path, version=version, key={1: "euros", 2: "cents"}[version])
    constants = (f"v{version}", app.get("errors", 0.0), 0.0, True, 0, False)
    return {"app.py": head + APP.format(constants=constants)}


@pytest.mark.seed("S-109", "S-274", "S-287", "S-289")
def test_a_way_back_that_a_migration_cut_off_pages_with_what_is_left(scene: Scene) -> None:
    stage = scene.stage
    prices = stage.base / "prices.json"
    prices.write_text('{"euros": 1}')
    good = scene.deliver(CALM, files=migrating(scene, 1))
    yaml = config(ROLLING, more=ALERTS, staging=False)
    with stage.load() as load:
        done = stage.deliver(stage.commit(yaml, files=migrating(scene, 2, errors=0.4)))
        assert done.outcome == "failed", done
        page = scene.told("page", "the way back failed")
        assert f"{good} keeps dying in production" in page["text"], page
        assert "KeyError: 'euros'" in page["text"], page
        assert f"{done.release} still gets 100 % of users" in page["text"], page
        assert "rollout.rolled_back" not in stage.kinds(delivery=done.id)
        assert stage.shares() == {done.release: 1.0}, "the only one that can serve still does"
        assert stage.happened("place.astray").data["because"]
        # what a person does: the prices are again as the last good release reads them
        prices.write_text('{"euros": 1, "cents": 100}')
        stage.happened("place.mended")
        eventually(lambda: stage.shares() == {good: 1.0}, lambda: str(stage.shares()))
        before = load.tally().failed
        load.wait_answered(150)
        tally = load.stop()
    assert tally.failed == before, tally
    assert tally.failed == tally.statuses[500], "nobody met a closed door"
    eventually(lambda: "drift" not in scene.lasting(), lambda: str(scene.lasting()))
    scene.in_charge(good)
    assert stage.run("deliver", str(stage.repo), "--json").exit_code == 3, "quarantined"


@pytest.mark.seed("S-280", "S-289")
def test_a_place_that_nobody_measures_is_told(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = replace(routes.BY_RULE["metrics_missing"], confirm_seconds=1.0)
    monkeypatch.setitem(routes.BY_RULE, "metrics_missing", missing)
    stage = scene.stage
    good = scene.deliver(CALM)
    door = EnvoyProxy(stage.home, "production").admin.socket_path
    aside = door.with_name(door.name + "-")
    with stage.load() as load:
        door.rename(aside)
        try:
            message = scene.told("ticket", "serves unmeasured")
        finally:
            aside.rename(door)
        load.wait_answered(150)
        tally = load.stop()
    assert f"{good} serves unmeasured: the proxy gives no counts" in message["text"]
    assert tally.failed == 0, tally
    eventually(lambda: not scene.lasting(), lambda: str(scene.lasting()))
    scene.in_charge(good)


LEAKS = """\
HOARD = []


def leak():
    while True:
        time.sleep(0.1)
        try:
            HOARD.append(b"x" * {each})
        except MemoryError:  # where the limit is one of the process, not of a cgroup
            os._exit(137)


threading.Thread(target=leak, daemon=True).start()
"""


def leaking(version: str, each: int) -> dict[str, str]:
    """Ten times a second that many bytes are kept for ever."""
    code = APP.format(constants=(version, 0.0, 0.0, True, 0, False))
    return {"app.py": code.replace("\nif CRASHES", LEAKS.format(each=each) + "\nif CRASHES")}


PATIENT = CANARY.replace("steps: [30%", "steps: [{share: 30%, bake: 90s}")


@pytest.mark.soak
@pytest.mark.seed("S-269")
def test_a_leak_is_named_before_it_hurts_anybody(scene: Scene) -> None:
    """No limit ends it, no user feels it: only its memory grows, 10 MiB a second."""
    stage = scene.stage
    good = scene.deliver(CALM, files=leaking("v1", 1))
    yaml = config(PATIENT, more=ALERTS, staging=False)
    with stage.load(rate=100) as load:
        done = stage.deliver(stage.commit(yaml, files=leaking("v2", 1 << 20)), within=180)
        tally = load.stop()
    assert done.outcome == "rolled_back", done
    assert done.because.startswith("memory: "), done
    assert tally.failed == 0, tally
    scene.noted("was rolled back", "memory: ")
    report = stage.cli("rollout", "report", "shop/production").stdout
    assert "✗ FAIL: memory: " in report, report
    scene.in_charge(good)


@pytest.mark.seed("S-066", "S-269", "S-278")
def test_a_limit_that_is_too_low_ends_the_canary_and_not_the_service(scene: Scene) -> None:
    """The new limit is of the candidate alone; it dies of it, is started again, and goes."""
    stage = scene.stage
    good = scene.deliver(CALM, files=leaking("v1", 1))
    (before,) = stage.instances()
    yaml = config(PATIENT, more=ALERTS, staging=False)
    yaml = yaml.replace("  instances: 1\n", "  instances: 1\n  resources: {memory: 64MiB}\n")
    with stage.load() as load:
        id = stage.request(stage.commit(yaml, files=leaking("v2", 4 << 20)))
        ends: set[int | None] = set()

        def died() -> bool:
            ends.update(i.exit_status for i in stage.instances() if i.release != good)
            return bool(ends - {None})

        eventually(died, lambda: str(stage.kinds(delivery=id)))
        done = stage.ended(id)
        tally = load.stop()
    assert ends - {None} <= {137, -9}, "by itself at its limit, or by the kernel"
    assert done.outcome == "rolled_back", done
    assert done.because.startswith("errors: ") or "keeps dying" in done.because, done
    assert scene.told("ticket", "was rolled back")["fields"]["release"] == done.release
    assert tally.failed == tally.statuses[503] + tally.resets, tally
    assert tally.failed < 0.3 * tally.answered, tally
    scene.in_charge(good)
    (after,) = stage.instances()
    assert (after.pid, after.restarts) == (before.pid, before.restarts)


CALLS = """\
            for _ in range({calls}):
                with socket.create_connection(("127.0.0.1", {port})) as api:
                    api.sendall(b"GET /call/{release} HTTP/1.0\\r\\n\\r\\n")
                    if b" 429" in api.recv(65536)[:16]:
                        status = "429 Too Many Requests"
"""
A_SECOND = 60


class Provider(Served):
    """Somebody else's API: so many calls a second for each caller; it counts what it refuses."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.now: Counter[tuple[str, int]] = Counter()
        self.lock = threading.Lock()
        super().__init__(self._answer)

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/metrics":
            say(self._page().encode(), content_type="text/plain")(handler)
            return
        who = handler.path.rpartition("/")[2]
        with self.lock:
            self.now[who, int(time.monotonic())] += 1
            over = self.now[who, int(time.monotonic())] > A_SECOND
            self.calls[who] += 1
            self.refused[who] += over
        say(b"", 429 if over else 200)(handler)

    def _page(self) -> str:
        with self.lock:
            known = [("api_calls_total", self.calls), ("api_refused_total", self.refused)]
            lines = [f'{n}{{release="{r}"}} {c[r]}' for n, c in known for r in self.calls]
        return "\n".join(lines) + "\n"

    def caller(self, release: str, calls: int) -> dict[str, str]:
        """An application that needs so many calls for each answer."""
        code = APP.format(constants=(release, 0.0, 0.0, True, 0, False))
        port = int(self.url.rpartition(":")[2])
        made = CALLS.format(calls=calls, port=port, release=release)
        return {
            "app.py": code.replace(
                "            if number * ERRORS", made + "            if number * ERRORS"
            )
        }


@pytest.mark.soak
@pytest.mark.seed("S-289")
def test_a_rate_limit_outside_is_no_5xx_and_is_found_by_its_own_signal(scene: Scene) -> None:
    """The candidate asks somebody else's API five times as often, and users get 429."""
    stage = scene.stage
    ratio = "{bad: api_refused_total, total: api_calls_total}"
    signals = f"signals: {{limited: {{ratio: {ratio}, source: prom, margin: 100%}}}}"
    canary = PATIENT.replace(
        "latency: {relative: 300%}", "latency: {relative: 3000%}\n      " + signals
    )
    yaml = config(canary, more=ALERTS, staging=False)
    with Provider() as provider, RealPrometheus(provider.url.removeprefix("http://")) as real:
        connections.put(stage.home, Connection("prom", "prometheus", real.url))
        good = scene.deliver(CALM, files=provider.caller("shop-1", 1))
        with stage.load(rate=60) as load:
            done = stage.deliver(stage.commit(yaml, files=provider.caller("shop-2", 5)))
            load.wait_answered(60)
            tally = load.stop()
    assert done.outcome == "rolled_back", done
    assert done.because.startswith("limited: "), done
    assert "limited: " in scene.told("ticket", "was rolled back")["text"]
    assert 0 < tally.statuses[429] == tally.failed < 0.35 * tally.answered, tally
    assert provider.refused["shop-1"] == 0 < provider.refused["shop-2"]
    scene.in_charge(good)
