"""A home with webhooks whose clock is the test's: events are written, rounds are done by hand."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from headway.adapters.webhook import parcel
from headway.flows import webhook_rounds, webhooks
from headway.flows.webhook_attempts import Office, attempt, record, take
from headway.flows.webhook_rounds import Sender
from headway.flows.webhooks import Added, Wish
from headway.model.event import Event, Fact
from headway.model.webhook import Answer, Parcel, Subscription
from headway.store import database, log, tables
from headway.store import webhooks as store
from headway.store.database import Tx, lock
from headway.store.log import About, append
from headway.store.views import webhooks as views


@dataclass
class Hooked:
    """`now` is the time of every transaction. `chance` is what jitter gets."""

    home: Path
    url: str = ""
    now: float = field(default_factory=time.time)
    chance: float = 1.0
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.url = self.url or f"sqlite:///{self.home / 'headway.db'}"
        (self.home / "name").write_text("h1")
        database.prepare(self.url)
        self.db = database.connect(self.url)

    @contextmanager
    def tx(self) -> Iterator[Tx]:
        with self.db.begin() as connection:
            lock(connection)
            yield Tx(connection, self.now)

    @contextmanager
    def reading(self) -> Iterator[Any]:
        with self.db.connect() as connection:
            yield connection

    def office(self, send: Callable[[Parcel], Answer] = parcel.send) -> Office:
        return Office(
            self.home, "h1", self.tx, self.reading, send, lambda: self.chance,
            self.complaints.append,
        )  # fmt: skip

    def add(self, url: str, name: str = "chat", **wish: Any) -> Added:
        wished = Wish(name, url, "h1", "ana", allow_private=True)
        with self.tx() as tx:
            return webhooks.add(tx, self.home, replace(wished, **wish))

    def many(self, kinds: dict[str, int]) -> None:
        """So many events of each kind, in turn, written at once."""
        with self.tx() as tx:
            first = log.last_seq(tx.connection) + 1
            rows = [kind for n in range(max(kinds.values())) for kind in kinds if n < kinds[kind]]
            common = {
                "version": 1,
                "at": self.now,
                "subject": "rol_1",
                "delivery": "del_1",
                "service": "shop",
                "environment": "",
                "release": "",
                "data": "{}",
            }
            tx.connection.execute(
                tables.events.insert(),
                [{**common, "seq": seq, "id": f"{seq}", "kind": k}
                 for seq, k in enumerate(rows, first)],
            )  # fmt: skip

    def happen(self, *kinds: str, **about: str) -> None:
        """Events of these kinds, each about a subject of its own."""
        with self.tx() as tx:
            for kind in kinds:
                subject = f"rol_{log.last_seq(tx.connection) + 1}"
                where = About(**{"delivery": "del_1", "service": "shop", **about})
                append(tx, where, Fact(kind, subject, 0, {"digest": "sha256:ab", "because": "x"}))

    def events(self) -> list[Event]:
        with self.reading() as connection:
            return log.after(connection, 0, limit=100_000)

    def one(self, name: str = "chat") -> Subscription:
        with self.reading() as connection:
            return store.find(connection, name)

    def view(self, name: str = "chat") -> views.WebhookView:
        with self.reading() as connection:
            return views.subscription(connection, name)

    def deliveries(self, name: str = "chat", **more: Any) -> list[views.DeliveryView]:
        """Oldest first."""
        with self.reading() as connection:
            id = store.find(connection, name).id
            return [*reversed(views.deliveries(connection, id, **more).items)]

    def send(self, send: Callable[[Parcel], Answer] = parcel.send, name: str = "chat") -> int:
        """All that is due now, one after the other; gives how many attempts."""
        office, count = self.office(send), 0
        while webhook_rounds.fan_out(office):
            pass
        id = self.one(name).id
        while True:
            with self.reading() as connection:
                tries = take(connection, office, id, self.now)
            done = attempt(office, tries, lambda: True)
            if not done:
                return count
            count += len(done)
            with self.tx() as tx:
                record(tx, id, done, office.chance)

    @contextmanager
    def sender(self, send: Callable[[Parcel], Answer] = parcel.send) -> Iterator[Sender]:
        made = Sender(self.office(send))
        try:
            yield made
        finally:
            made.close()


@dataclass
class Receiver:
    """In place of the network: remembers what came, answers as told."""

    answer: Answer = field(default_factory=lambda: Answer(200))
    taken: list[Parcel] = field(default_factory=list)
    refuses: Callable[[dict[str, Any]], Answer | None] = lambda _body: None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, parcel: Parcel) -> Answer:
        with self.lock:
            self.taken.append(parcel)
        return self.refuses(json.loads(parcel.body)) or self.answer

    @property
    def ids(self) -> list[str]:
        return [p.headers["webhook-id"] for p in self.taken]

    @property
    def seqs(self) -> list[int]:
        return [int(json.loads(p.body)["sequence"]) for p in self.taken]
