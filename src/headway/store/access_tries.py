"""How often somebody failed to log in: what slows guessing down. Called by flows/login.

Three counters, each of which forgets. The narrow one (this name from this address) soon makes one
wait long; the wide ones (this address, this name) only later. A browser that has logged in to the
account before has a counter of its own and is asked no other, so that strangers who guess do not
lock the person out, not even where a proxy hides all addresses (OWASP: device cookies).
"""

import hashlib

import sqlalchemy as sa

from headway.record import dataclass
from headway.store.access_tables import tries
from headway.store.database import Tx

FORGET_SECONDS = 3600.0
REMEMBER_SECONDS = 30 * 86400.0


@dataclass(frozen=True, slots=True)
class Counter:
    """`free` failures cost nothing; each further one doubles the wait, from `first` to `most`
    seconds.
    """

    free: int
    first: float
    most: float

    def wait(self, failures: int) -> float:
        """Seconds from the last failure until the next try is heard."""
        over = failures - self.free
        return 0.0 if over < 0 else min(self.most, self.first * 2.0 ** min(over, 20))


PAIR, ADDRESS, NAME = Counter(5, 15.0, 900.0), Counter(30, 5.0, 300.0), Counter(50, 2.0, 30.0)


@dataclass(frozen=True, slots=True)
class Trier:
    """Who tries: for which name, from which address, in which browser (empty: a new one)."""

    name: str
    address: str
    device: str

    @property
    def strange(self) -> list[tuple[Counter, str]]:
        """The counters of somebody who was not here before."""
        return [
            (PAIR, _key("pair", self.name, self.address)),
            (ADDRESS, _key("address", self.address)),
            (NAME, _key("name", self.name)),
        ]

    @property
    def own(self) -> str:
        """The counter of the browser with this account."""
        return _key("device", self.name, self.device)


def left(connection: sa.Connection, trier: Trier, now: float) -> float:
    """Seconds until a try is heard; 0: now."""
    counters = _counters(connection, trier)
    rows = connection.execute(sa.select(tries).where(tries.c.key.in_([k for _, k in counters])))
    found = {row.key: row for row in rows}
    return max(
        (
            counter.wait(found[key].failures) - (now - found[key].at)
            for counter, key in counters
            if key in found and now - found[key].at < FORGET_SECONDS
        ),
        default=0.0,
    )


def failed(tx: Tx, trier: Trier) -> None:
    """One more."""
    tx.connection.execute(tries.delete().where(tries.c.at < tx.now - REMEMBER_SECONDS))
    for _, key in _counters(tx.connection, trier):
        row = tx.connection.execute(sa.select(tries).where(tries.c.key == key)).first()
        if row is None:
            tx.connection.execute(tries.insert().values(key=key, failures=1, at=tx.now))
            continue
        before = row.failures if tx.now - row.at < FORGET_SECONDS else 0
        changed = tries.update().where(tries.c.key == key)
        tx.connection.execute(changed.values(failures=before + 1, at=tx.now))


def passed(tx: Tx, trier: Trier) -> None:
    """It was right: the pair's failures are forgotten, and the browser is remembered."""
    pair = trier.strange[0][1]
    tx.connection.execute(tries.delete().where(tries.c.key.in_([pair, trier.own])))
    tx.connection.execute(tries.insert().values(key=trier.own, failures=0, at=tx.now))


def _counters(connection: sa.Connection, trier: Trier) -> list[tuple[Counter, str]]:
    known = sa.select(tries.c.key).where(tries.c.key == trier.own)
    if trier.device and connection.execute(known).first():
        return [(PAIR, trier.own)]
    return trier.strange


def _key(*parts: str) -> str:
    """Hashed, because what people type as a name may be a password."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
