"""How often somebody failed to log in: what slows guessing down. Called by flows/login.

Three counters, each of which forgets. The narrow one (this name from this address) soon makes one
wait long; the wide ones (this address, this name) only later. Who logged in from the same address
before is not kept waiting by the counter of the name, so that strangers who guess do not lock the
person out.
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


def left(connection: sa.Connection, name: str, address: str, now: float) -> float:
    """Seconds until a try for the name from the address is heard; 0: now."""
    rows = connection.execute(sa.select(tries).where(tries.c.key.in_(_keys(name, address))))
    found = {row.key: row for row in rows}
    pair, far, own, good = _keys(name, address)
    known = good in found and now - found[good].at < REMEMBER_SECONDS
    waits = [(PAIR, pair), (ADDRESS, far)] + ([] if known else [(NAME, own)])
    return max(
        (
            counter.wait(found[key].failures) - (now - found[key].at)
            for counter, key in waits
            if key in found and now - found[key].at < FORGET_SECONDS
        ),
        default=0.0,
    )


def failed(tx: Tx, name: str, address: str) -> None:
    """One more."""
    tx.connection.execute(tries.delete().where(tries.c.at < tx.now - REMEMBER_SECONDS))
    for key in _keys(name, address)[:3]:
        row = tx.connection.execute(sa.select(tries).where(tries.c.key == key)).first()
        if row is None:
            tx.connection.execute(tries.insert().values(key=key, failures=1, at=tx.now))
            continue
        before = row.failures if tx.now - row.at < FORGET_SECONDS else 0
        changed = tries.update().where(tries.c.key == key)
        tx.connection.execute(changed.values(failures=before + 1, at=tx.now))


def passed(tx: Tx, name: str, address: str) -> None:
    """It was right: the pair's failures are forgotten, and that it was here is remembered."""
    pair, _, _, good = _keys(name, address)
    tx.connection.execute(tries.delete().where(tries.c.key.in_([pair, good])))
    tx.connection.execute(tries.insert().values(key=good, failures=0, at=tx.now))


def _keys(name: str, address: str) -> tuple[str, str, str, str]:
    """Of the pair, the address, the name, and of a pair that was good; hashed, because what people
    type as a name may be a password.
    """
    parts = (("pair", name, address), ("address", address), ("name", name), ("good", name, address))
    pair, far, own, good = (hashlib.sha256("\0".join(p).encode()).hexdigest() for p in parts)
    return pair, far, own, good
