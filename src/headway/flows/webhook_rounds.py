"""Sends events to subscriptions: from the log by a cursor, in order, at least once.

A round of the process with the engine, never on a delivery's path. What is wanted becomes rows
(store/webhook_deliveries) together with the cursor; the rows of one subscription are sent one
after the other by one thread, of PLACES at most, so that a receiver that hangs holds up nobody but
itself.
What was sent is written down a moment later; if the process dies before, it is sent once more under
the same id.
"""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import sqlalchemy as sa

from headway.flows.webhook_attempts import Office, attempt, content, may_send, record, take
from headway.model.errors import HeadwayError
from headway.model.event import Event
from headway.model.webhook import Subscription
from headway.store import log, webhook_deliveries, webhooks
from headway.store.database import Tx
from headway.subscription.wanted import wants

SECONDS = 1.0
PLACES = 8
TURN_SECONDS = 5.0
UNWRITTEN_SECONDS = 0.5
READ_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class _Batch:
    """What one subscription wants of the next events, with how many CloudEvents each is."""

    subscription: Subscription
    wanted: list[tuple[Event, int]]
    cursor: int


def fan_out(office: Office) -> bool:
    """Turn events into rows, as far as there is room; gives whether there is more to look at."""
    with office.reading() as connection:
        last = log.last_seq(connection)
        known = webhooks.every(connection, office.name)
        behind = [s for s in known if s.state == "active" and s.cursor < last]
        found = [b for s in behind if (b := _batch(office, connection, s, last))]
    if found:
        with office.tx() as tx:
            for batch in found:
                _keep(tx, batch)
    return any(batch.cursor < last for batch in found)


def _batch(
    office: Office, connection: sa.Connection, one: Subscription, last: int
) -> _Batch | None:
    room = webhook_deliveries.room(connection, one.id)
    if not room:
        return None
    where = {k: v for k in ("service", "environment") if (v := getattr(one, k))}
    several = log.after(connection, one.cursor, limit=READ_AT_ONCE, **where)
    several = [e for e in several if e.seq <= last]
    cursor = last if len(several) < READ_AT_ONCE else several[-1].seq
    wanted: list[tuple[Event, int]] = []
    for event in several:
        if not wants(one, event):
            continue
        if room <= 0:
            cursor = event.seq - 1
            break
        parts = len(content(one, event, office.source))
        wanted.append((event, parts))
        room -= parts
    return _Batch(one, wanted, cursor)


def _keep(tx: Tx, batch: _Batch) -> None:
    if webhooks.pass_to(tx, batch.subscription, batch.cursor):
        for event, parts in batch.wanted:
            webhook_deliveries.want(tx, batch.subscription.id, event, parts)


class Sender:
    """The threads that send. `go` is the round; `close` before the process leaves."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._pool = ThreadPoolExecutor(PLACES, thread_name_prefix="webhook")
        self._busy: dict[str, Future[None]] = {}
        self._stopped = threading.Event()

    def go(self) -> None:
        """Look for what is new, and let everybody who may be sent something have a turn."""
        while fan_out(self._office):
            if self._stopped.is_set():
                return
        self._turns()

    def _turns(self) -> None:
        self._busy = {id: future for id, future in self._busy.items() if not future.done()}
        now = time.time()
        with self._office.reading() as connection:
            known = webhooks.every(connection, self._office.name)
            if not known:
                return
            due = webhook_deliveries.with_due(connection, now)
        for one in known:
            if one.id in due and may_send(one, now) and one.id not in self._busy:
                self._busy[one.id] = self._pool.submit(self._turn, one.id)

    def last_words(self, seconds: float) -> None:
        """Send what is there before the process ends, for so long; the rest waits."""
        deadline = time.monotonic() + seconds
        while not self._stopped.is_set():
            self.go()
            left = deadline - time.monotonic()
            if not self._busy or left <= 0:
                return
            wait(self._busy.values(), timeout=left)

    def close(self) -> None:
        """Begin nothing more; what is being sent ends by itself."""
        self._stopped.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _turn(self, id: str) -> None:
        """Send to one subscription until nothing is due, it fails, or others want the thread."""
        until = time.monotonic() + TURN_SECONDS
        try:
            while self._some(id) and not self._stopped.is_set() and time.monotonic() < until:
                pass
        except (HeadwayError, OSError, sa.exc.DBAPIError) as error:
            self._office.complain(f"webhooks: {error}")
        except Exception as bug:  # noqa: BLE001 a thread that dies in silence sends nothing
            self._office.complain(f"webhooks: a bug in Headway: {type(bug).__name__}: {bug}")

    def _some(self, id: str) -> bool:
        """Send a few and write down what came of them; False: nothing was due."""
        with self._office.reading() as connection:
            tries = take(connection, self._office, id, time.time())
        until = time.monotonic() + UNWRITTEN_SECONDS
        done = attempt(
            self._office,
            tries,
            lambda: time.monotonic() < until and not self._stopped.is_set(),
        )
        if done:
            with self._office.tx() as tx:
                record(tx, id, done, self._office.chance)
        return bool(done)
