"""A home with a past, made by the real flows in virtual time: two releases of `shop` of which one
went through a judged canary, one that waits for an approval, and a copy of it all named `other`.
"""

import contextlib
from pathlib import Path

import sqlalchemy as sa

from headway.flows.deliver import deliver
from headway.flows.journal import Engine
from headway.model.event import Fact
from headway.store import database
from headway.store.database import Tx
from headway.store.log import About, append
from headway.store.tables import deliveries, releases, rollouts
from tests.fakes.memory_journal import MemoryJournal
from tests.flows.conftest import CONFIG, Stage

ASKS = CONFIG.replace("production: {", "production: {gates: {approval: {count: 2}}, ")
FIRST, SECOND, THIRD = ("1" * 40, "2" * 40, "3" * 40)


class _Enough(Exception):
    """The delivery waits; nobody is there to wake it."""


class _Waits(MemoryJournal):
    def wait(self, seconds: float) -> None:
        if seconds >= 60:
            raise _Enough
        super().wait(seconds)


def make(home: Path) -> Stage:
    """Fill the home's database."""
    home.mkdir(mode=0o700)
    url = f"sqlite:///{home / 'headway.db'}"
    database.prepare(url)
    stage = Stage(home, database.connect(url))
    for sha in (FIRST, SECOND):
        assert stage.deliver(sha).outcome == "delivered"
    order = stage.request(THIRD, ASKS)
    known = stage.journal()
    journal = _Waits(stage.db, known.recorded, stage.parts.clock, -1)
    with contextlib.suppress(_Enough):
        deliver(journal, stage.parts.world(home), order)
    with stage.db.begin() as connection:
        _copy(connection, stage.parts.clock.now())
    stage.db.dispose()
    engine = Engine(url, "api")  # for its tables alone
    engine.launch({})
    engine.close()
    return stage


def _copy(connection: sa.Connection, now: float) -> None:
    """The first release once more, as another service's."""
    delivery = connection.execute(sa.select(deliveries).where(deliveries.c.sha == FIRST)).one()
    release = connection.execute(sa.select(releases).where(releases.c.sha == FIRST)).one()
    rollout = connection.execute(
        sa.select(rollouts).where(rollouts.c.release == release.name)
    ).first()
    assert rollout is not None
    new = {
        "sha": "f" * 40,
        "service": "other",
        "release": "other-1",
        "digest": "sha256:" + "f" * 64,
    }
    id = "del_" + "0" * 26
    connection.execute(deliveries.insert().values({**delivery._mapping, **new, "id": id}))
    named = {**new, "name": "other-1", "delivery": id}
    named.pop("release")
    connection.execute(releases.insert().values({**release._mapping, **named}))
    own = {**new, "id": "rol_" + "0" * 26, "delivery": id}
    own.pop("sha")
    connection.execute(rollouts.insert().values({**rollout._mapping, **own}))
    said: dict[str, object] = {"sha": "f" * 40, "ref": "refs/heads/main", "by": "ana"}
    fact = Fact("delivery.requested", id, 0, said)
    append(Tx(connection, now), About(id, "other"), fact)
