"""The alerts of a delivery in memory: real store, real outbox, real webhooks to a real receiver."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from headway.adapters.webhook.notifier import WebhookNotifier
from headway.alert.state import Quiet, Trouble
from headway.flows import alert_rounds, alerting, telling
from headway.flows.world import World
from headway.model.alert import Symptom
from headway.model.connection import Connection
from headway.store import alerts, connections, messages
from headway.store.database import Tx, lock
from tests.flows.conftest import CONFIG, Stage
from tests.support.receivers import HttpReceiver

ALERTS = """\
owner: team-shop
alerts:
  page: [webhook/page]
  ticket: [webhook/ticket]
  escalate: {after: 15m, to: [webhook/boss]}
  runbook: https://runbooks.example/shop
  changelog: https://changes.example/shop
"""
TOLD = CONFIG + ALERTS
CHANNELS = ("page", "ticket", "boss")


@dataclass
class Desk:
    stage: Stage
    http: HttpReceiver

    def __post_init__(self) -> None:
        self.stage.config = TOLD
        for name in CHANNELS:
            self.connect(name)

    def connect(self, name: str, kind: str = "webhook") -> None:
        known = Connection(name, kind, f"{self.http.url}/{name}")
        connections.put(self.stage.home, known)
        self.stage.parts.notifiers[name] = WebhookNotifier(self.stage.home, known)

    @property
    def world(self) -> World:
        return self.stage.parts.world(self.stage.home)

    @property
    def now(self) -> float:
        return self.stage.parts.clock.at

    @contextmanager
    def tx(self) -> Iterator[Tx]:
        with self.stage.db.begin() as connection:
            lock(connection)
            yield Tx(connection, self.now)

    def report(self, rule: str, *, over: bool = False, **more: Any) -> None:
        environment = more.pop("environment", "production")
        summary = more.pop("summary", f"{rule} was seen")
        symptom = Symptom(rule, "shop", environment, summary, self.now, over=over, **more)
        with self.tx() as tx:
            alerting.report(tx, self.world, symptom)

    def read(self) -> None:
        """What the round of alerts does."""
        with self.stage.db.connect() as connection:
            more = alert_rounds.something_to_do(connection, self.now)
        while more:
            with self.tx() as tx:
                more = alert_rounds.read_log(tx, self.world) == alert_rounds.AT_ONCE

    def send(self) -> str:
        """What the round of messages does, until nothing is due."""
        said = ""
        while True:
            with self.stage.db.connect() as connection:
                due = messages.due(connection, self.now)
            if not due:
                return said
            said = telling.send(self.tx, self.world, due) or said

    def later(self, seconds: float) -> None:
        self.stage.parts.clock.at += seconds
        self.read()
        self.send()

    def suppress(self, seconds: float, rule: str = "", environment: str = "") -> Quiet:
        now = self.now
        window = Quiet(f"sup_{now}", "shop", environment, rule, now, now + seconds, "work", "ana")
        with self.tx() as tx:
            alerting.suppress(tx, window)
        return window

    def open(self) -> list[Trouble]:
        with self.stage.db.connect() as connection:
            return alerts.open_at(connection, "shop")

    def rules(self) -> set[str]:
        return {m.rule for t in self.open() for m in t.members if not m.over}

    def arrived(self, channel: str = "") -> list[Any]:
        return [t.json for t in self.http.taken if channel in {"", t.path.strip("/")}]
