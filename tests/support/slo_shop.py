"""A shop in virtual time: one service in production, its SLOs kept in rounds."""

import itertools
from dataclasses import dataclass, field, replace
from pathlib import Path

from headway import settings
from headway.flows import alerting, commands, enter, goals
from headway.flows.commands import Request
from headway.flows.trip import Trip
from headway.flows.world import World
from headway.model.commit import Commit
from headway.model.delivery import Release
from headway.model.event import Event
from headway.model.verdict import Outcome
from headway.model.window import Counts, Snapshot, VersionCounts
from headway.store import database, log, records, slis
from headway.store.database import Tx
from headway.store.slis import Goal
from tests.fakes.world import FakeParts

CONFIG = """\
service: shop
run: ./shop
slos:
  availability: {target: 99.9%}
environments:
  staging:
  production:
    gates: {error_budget: {left: 20%}}
"""
HOUR, DAY = 3600.0, 86400.0
START = 1_750_000_200.0
AVAILABILITY = Goal("shop", "production", "availability")


@dataclass
class Meter:
    """Ten requests a second, a share of them errors; each release counts by itself."""

    errors: float = 0.0
    rate: float = 10.0
    epoch: str = "proxy-1"
    release: str = "shop-1"
    at: float = START
    silent: bool = False
    totals: dict[str, tuple[float, float]] = field(default_factory=dict)
    routes: dict[str, Counts] = field(default_factory=dict)

    def until(self, now: float) -> None:
        n, bad = self.totals.get(self.release, (0.0, 0.0))
        more = (now - self.at) * self.rate
        self.totals[self.release] = (n + more, bad + more * self.errors)
        self.at = now

    def read(self, service: str, environment: str) -> Snapshot | None:
        versions = {
            r: VersionCounts(Counts(round(n), round(b)), {}) for r, (n, b) in self.totals.items()
        }
        return (
            None if self.silent else Snapshot(self.at, self.epoch, (), versions, dict(self.routes))
        )


class Shop:
    """One service in production with a stable release, and its SLOs kept in rounds."""

    def __init__(self, home: Path, config: str = CONFIG) -> None:
        url = f"sqlite:///{home / 'headway.db'}"
        database.prepare(url)
        self.db = database.connect(url)
        self.parts, self.meter = FakeParts(db=self.db), Meter()
        self.world: World = replace(self.parts.world(home), meter=self.meter)
        self.now = START
        self.numbers = itertools.count(1)
        self.release(config)

    def release(
        self, config: str = CONFIG, subject: str = "Add a cart", *, stable: bool = True
    ) -> Release:
        number = next(self.numbers)
        service = settings.read(config, "headway.yaml")
        with self.db.begin() as connection:
            tx = Tx(connection, self.now)
            commit = Commit(f"sha{number}", "/repo", "refs/heads/main", "ana", subject, "")
            delivery = commands.request(tx, self.parts.outbox, Request("shop", commit, "ana"))  # type: ignore[arg-type]
            records.update_delivery(tx, delivery, subject=subject, state="delivering")
            made = Release(f"shop-{number}", "shop", number, f"sha256:{number}", commit.sha, "ana",
                           delivery, service, "sha256:c", self.now)  # fmt: skip
            records.add_release(tx, made)
            if stable:
                place = records.place(connection, "shop", "production")
                records.put_place(tx, records.changed(place, stable=made.name))
        return made

    def round(self) -> None:
        with self.db.connect() as connection:
            found = goals.watched(connection)
        for one in found:
            with self.db.connect() as connection:
                seen = goals.look(self.world, connection, one)
            with self.db.begin() as connection:
                goals.take(Tx(connection, self.now), self.world, one, seen)
        with self.db.begin() as connection:
            alerting.look(Tx(connection, self.now), self.world)

    def run(self, seconds: float, every: float = 60.0) -> None:
        end = self.now + seconds
        while self.now < end - 1e-6:
            self.now = min(end, self.now + every)
            self.meter.until(self.now)
            self.round()

    def until(self, kind: str, most: float, every: float = 60.0) -> float:
        """Seconds until an event of that kind."""
        began, known = self.now, len(self.events(kind))
        while len(self.events(kind)) == known:
            assert self.now - began < most, f"no {kind} in {most} s"
            self.run(every, every)
        return self.now - began

    def events(self, kind: str) -> list[Event]:
        with self.db.connect() as connection:
            return log.after(connection, 0, limit=100_000, kind=kind)

    def tally(self, since: float = START - DAY, goal: Goal = AVAILABILITY) -> tuple[float, float]:
        with self.db.connect() as connection:
            found = slis.tallied(connection, goal, since, self.now + 1)
        return round(found.bad, 6), round(found.total, 6)

    def gates(self, release: Release) -> "list[tuple[str, Outcome, str]]":
        with self.db.begin() as connection:
            trip = Trip(
                release.delivery, "/repo", release, release.config.environment("production")
            )
            enter.ask_gates(Tx(connection, self.now), self.world, trip, ())
        data = self.events("gates.judged")[-1].data["gates"]
        return [(g["judge"], Outcome(g["outcome"]), g["because"]) for g in data]  # type: ignore[attr-defined]
