"""Notifications in memory: what the rounds of alerts, notices and messages do, in turn."""

from dataclasses import dataclass
from typing import Any

from headway.flows import notify, notify_rounds
from headway.flows.notify import Asked, Word
from headway.notice import preference
from headway.notice.plan import Line
from headway.notice.preference import Party, Rule
from headway.store import notices
from headway.store.notices import Kept
from tests.support.desk import Desk

BASE = "https://headway.example.com"
ANA = Word("ana")


@dataclass
class Followers:
    desk: Desk

    def deliver(self, sha: str, config: str | None = None) -> Any:
        return self.desk.stage.deliver(sha, config)

    @property
    def now(self) -> float:
        return self.desk.now

    def read(self) -> None:
        self.desk.read()
        with self.desk.stage.db.connect() as connection:
            more = notify_rounds.something_to_do(connection, self.now)
        while more:
            with self.desk.tx() as tx:
                more = notify_rounds.read_log(tx, BASE) == notify_rounds.AT_ONCE

    def later(self, seconds: float = 0.0) -> None:
        self.desk.stage.parts.clock.at += seconds
        self.read()
        self.desk.send()

    def set(
        self, who: str, *channels: str, quiet: str = "", zone: str = "UTC", **more: Any
    ) -> None:
        """How somebody is reached, by webhooks of these names."""
        for name in channels:
            self.desk.connect(name)
        hours = (preference.hours(quiet),) if quiet else ()
        named = tuple(f"webhook/{c}" for c in channels)
        with self.desk.tx() as tx:
            party = Party(who, named, hours, zone, **more)
            notify.set_party(tx, self.desk.stage.home, party, ANA)

    def follow(self, who: str, *events: str, **more: Any) -> Rule:
        with self.desk.tx() as tx:
            rule = Rule("", who, events, **more)
            return notify.set_rule(tx, self.desk.stage.home, rule, ANA)

    def delete(self, who: str, rule: str = "") -> tuple[str, ...]:
        with self.desk.tx() as tx:
            return notify.delete(tx, who, rule, ANA)

    def preview(self, topic: str, environment: str = "production") -> list[Line]:
        with self.desk.stage.db.connect() as connection:
            asked = Asked(topic, "shop", environment)
            return list(notify.preview(connection, asked, self.now))

    def kept(self) -> list[Kept]:
        with self.desk.stage.db.connect() as connection:
            return notices.latest(connection, 1000)

    def told(self, channel: str = "") -> list[Any]:
        """Messages that arrived, without those of alerts."""
        return [m for m in self.desk.arrived(channel) if not m["thread"].startswith("alr_")]

    def titles(self, channel: str = "") -> list[str]:
        return [m["title"] for m in self.told(channel)]
