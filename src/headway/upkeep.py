"""What the process with the engine does beside the flows: measure, alert, tell, tend, forget.

Each is a round (flows/rounds) that reads, then writes in short transactions. Built by wiring.
"""

import os
import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from headway.adapters.statsd import emitter
from headway.adapters.webhook import parcel
from headway.flows import (
    alert_rounds,
    baseline,
    emit,
    goals,
    line,
    notify_clock,
    notify_rounds,
    telling,
    webhook_rounds,
)
from headway.flows import scrape as scraping
from headway.flows.rounds import Rounds
from headway.flows.scrape import Scrape
from headway.flows.tend import astray, held_places, look, order_tending, settled_places
from headway.flows.webhook_attempts import Office
from headway.flows.webhook_rounds import Sender
from headway.flows.world import Transactions, World
from headway.model.errors import HeadwayError, Unreachable
from headway.retention import round as retention
from headway.retention import settings as retention_settings
from headway.retention.round import Ask
from headway.store import (
    connections,
    messages,
    notices,
    records,
    slis,
    webhook_deliveries,
    webhook_secrets,
)
from headway.store.place import public_url
from headway.store.samples import Samples

TEND_SECONDS = 5.0
GOALS_SECONDS = 10.0
PRUNE_SECONDS = 3600.0
ALERT_SECONDS = 2.0
TELL_SECONDS = 1.0
MEASURED_SECONDS = 15.0
LINE_SECONDS = 1.0
LAST_WORDS_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Ground:
    """What rounds stand on. `name`: of the home; `tx` opens a transaction, `reading` a connection
    that only reads; `complain` gets what went wrong beside the flows.
    """

    home: Path
    name: str
    world: World
    tx: Transactions
    reading: Callable[[], AbstractContextManager[sa.Connection]]
    complain: Callable[[str], None]


def office(ground: Ground) -> Office:
    """Where this home's webhooks are sent from."""
    return Office(
        home=ground.home,
        name=ground.name,
        tx=ground.tx,
        reading=ground.reading,
        send=parcel.send,
        chance=random.SystemRandom().random,
        complain=ground.complain,
    )


class Upkeep:
    """The rounds beside the engine of one process."""

    def __init__(self, ground: Ground, samples: Samples) -> None:
        self.home, self.world, self.samples = ground.home, ground.world, samples
        self.tx, self.reading, self.complain = ground.tx, ground.reading, ground.complain
        self.webhooks = Sender(office(ground))

    def rounds(self) -> list[Rounds]:
        """All of them, not started."""
        scrape = Scrape(self.world, self.samples)
        fresh = baseline.Freshness(self.world)
        return [
            Rounds("tend", TEND_SECONDS, self._tend, self.complain),
            Rounds("line", LINE_SECONDS, self._start_line, self.complain),
            Rounds("statsd", emit.SECONDS, self._emit, self.complain),
            Rounds("scrape", scraping.SECONDS, partial(self._scrape, scrape), self.complain),
            Rounds("alerts", ALERT_SECONDS, self._alert, self.complain),
            Rounds("notices", ALERT_SECONDS, self._notify, self.complain),
            Rounds("ahead", notify_clock.SECONDS, self._look_ahead, self.complain),
            Rounds("baselines", baseline.SECONDS, partial(self._freshen, fresh), self.complain),
            Rounds("messages", TELL_SECONDS, self._tell, self.complain),
            Rounds("webhooks", webhook_rounds.SECONDS, self.webhooks.go, self.complain),
            Rounds("meters", MEASURED_SECONDS, self._measured, self.complain),
            Rounds("goals", GOALS_SECONDS, self._keep_goals, self.complain),
            Rounds("old counts", PRUNE_SECONDS, self._prune, self.complain),
            Rounds("retention", PRUNE_SECONDS, self._retain, self.complain),
        ]

    def _start_line(self) -> None:
        """Stops that end by themselves."""
        with self.reading() as connection:
            due = line.is_due(connection, time.time())
        if due:
            with self.tx() as tx:
                line.lapse_and_wake(tx, self.world.outbox)

    def _emit(self) -> None:
        """Tell every statsd connection how deployments ended."""
        known = [c for c in connections.every(self.home) if c.kind == "statsd"]
        with self.reading() as connection:
            ended = emit.new_ends(connection, self.samples)
        for one in ended:
            for to in known:
                emitter.send(to, emitter.lines(one))

    def _scrape(self, scrape: Scrape) -> None:
        """One round of measuring."""
        with self.reading() as connection:
            found = scraping.known_places(connection)
        scrape.go(found)

    def _freshen(self, fresh: baseline.Freshness) -> None:
        """What stable releases do while nothing is rolled out."""
        with self.reading() as connection:
            found = scraping.known_places(connection)
        fresh.go(self.tx, found)

    def _alert(self) -> None:
        """What the log and the clock have for people, as alerts."""
        with self.reading() as connection:
            more = alert_rounds.something_to_do(connection, time.time())
        while more:
            with self.tx() as tx:
                more = alert_rounds.read_log(tx, self.world) == alert_rounds.AT_ONCE

    def _notify(self) -> None:
        """What the log and the clock have for people who follow it."""
        with self.reading() as connection:
            more = notify_rounds.something_to_do(connection, time.time())
        base = public_url(self.home, os.environ) if more else ""
        while more:
            with self.tx() as tx:
                more = notify_rounds.read_log(tx, base) == notify_rounds.AT_ONCE

    def _look_ahead(self) -> None:
        """What ends soon, and which budgets are low."""
        with self.reading() as connection:
            news = notify_clock.news(connection, time.time())
        if news:
            with self.tx() as tx:
                notify_clock.tell(tx, news)

    def _tell(self) -> None:
        """Send what is due. Raises Unreachable, which is a complaint, if a channel fails."""
        with self.reading() as connection:
            due = messages.due(connection, time.time())
        complaints = telling.send(self.tx, self.world, due) if due else ""
        if complaints:
            raise Unreachable("a message was not taken", why=complaints)

    def _measured(self) -> None:
        """Whether every place is measured."""
        with self.reading() as connection:
            places = alert_rounds.places_to_ask(connection)
        alert_rounds.look_at_meters(self.tx, self.world, places)

    def last_words(self) -> None:
        """A process that runs one delivery ends with it: what is to be told is told before."""
        try:
            self._alert()
            self._notify()
            self._tell()
        except (HeadwayError, OSError, sa.exc.DBAPIError) as error:
            self.complain(f"messages: {error}")
        try:
            self.webhooks.last_words(LAST_WORDS_SECONDS)
        except (HeadwayError, OSError, sa.exc.DBAPIError) as error:
            self.complain(f"webhooks: {error}")
        self.webhooks.close()

    def _keep_goals(self) -> None:
        """One look at every place whose SLOs are kept; one that fails does not keep the others."""
        with self.reading() as connection:
            found = goals.watched(connection)
        failed: list[HeadwayError] = []
        for one in found:
            try:
                with self.reading() as connection:
                    seen = goals.look(self.world, connection, one)
                with self.tx() as tx:
                    goals.take(tx, self.world, one, seen)
            except HeadwayError as error:
                failed.append(error)
        if failed:
            raise failed[0]

    def _prune(self) -> None:
        with self.tx() as tx:
            slis.prune(tx)
            notices.prune(tx)
            webhook_deliveries.prune(tx)
        webhook_secrets.tidy(self.home, time.time())

    def _retain(self) -> None:
        """Take away what is older than HOME/retention.yaml says."""
        kept = retention_settings.read(self.home)
        retention.prune(Ask(self.home, self.tx, kept, "retention", time.time()), dry_run=False)

    def _tend(self) -> None:
        """One look at every place."""
        with self.reading() as connection:
            held, settled = held_places(connection), settled_places(connection)
            found = [(p, records.release(connection, p.stable)) for p in settled]
        for place, release in found:
            known = release.config.environment(place.environment)
            because = astray(self.world, place, known.target, known.run.instances)
            if because:
                with self.tx() as tx:
                    order_tending(tx, self.world, place, because)
        for place in held:
            look(self.world, place)
