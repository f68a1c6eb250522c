"""A past for a home: the rows of one real delivery again and again, under other ids and at other
times. 20 events to a delivery, so that 50,000 deliveries are 1,000,000 events. For bench/pages.py.

Rows go in by thousands, a transaction for each batch. The events come from the database itself: its
own deliveries times the template's events. Whoever reads the log by a cursor stands at its end, as
if it had read on all the time.
"""

import hashlib
import json
import time
from typing import Any

import sqlalchemy as sa

from headway.store.rollouts import ulid
from headway.store.tables import cursors, deliveries, events, places, releases, rollouts, windows

EVENTS = 20
SERVICES = 50
BATCH = 2_000
APART = 600.0
"""Seconds from one delivery to the next."""

Rows = dict[sa.Table, list[dict[str, Any]]]


class Template:
    """The rows of one real delivery."""

    def __init__(self, connection: sa.Connection, delivery: str) -> None:
        def rows(table: sa.Table, column: str, value: str) -> list[dict[str, Any]]:
            query = sa.select(table).where(table.c[column] == value)
            return [dict(r._mapping) for r in connection.execute(query)]

        (self.delivery,) = rows(deliveries, "id", delivery)
        (self.release,) = rows(releases, "name", self.delivery["release"])
        self.rollouts = rows(rollouts, "delivery", delivery)
        self.windows = {r["id"]: rows(windows, "rollout", r["id"]) for r in self.rollouts}
        self.events = (rows(events, "delivery", delivery) * EVENTS)[:EVENTS]

    def copy(self, number: int, at: float) -> Rows:
        """The same under other names, without its events."""
        service, id = f"svc{number % SERVICES:02}", f"del_{ulid(at)}"
        name = f"{service}-{number}"
        new = {"service": service, "release": name, "digest": f"sha256:{_hash(number)}"}
        given = {"id": id, "sha": _hash(number)[:40], "requested_at": at, "finished_at": at + 60}
        made: Rows = {deliveries: [self.delivery | new | given], rollouts: [], windows: []}
        made[releases] = [
            self.release | {"name": name, "number": number, "service": service, "delivery": id,
                            "digest": new["digest"], "sha": given["sha"], "created_at": at}
        ]  # fmt: skip
        for row in self.rollouts:
            rollout = f"rol_{ulid(at)}"
            own = {"id": rollout, "delivery": id, "started_at": at, "finished_at": at + 60}
            made[rollouts].append(row | new | own)
            made[windows] += [w | {"rollout": rollout} for w in self.windows[row["id"]][-1:]]
        return made


def _hash(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def grow(engine: sa.Engine, template: Template, count: int, most: int) -> None:
    """Until there are `count` copies, the oldest first; when there are `most`, the last of them was
    an hour ago. Each service's newest release is in charge of the template's environments.
    """
    known = deliveries.c.service.startswith("svc")
    with engine.connect() as connection:
        query = sa.select(sa.func.count()).select_from(deliveries).where(known)
        have = connection.execute(query).scalar_one()
    begin = time.time() - 3600 - most * APART
    for first in range(have, count, BATCH):
        rows: Rows = {}
        numbers = range(first, min(first + BATCH, count))
        for number in numbers:
            for table, more in template.copy(number, begin + number * APART).items():
                rows.setdefault(table, []).extend(more)
        with engine.begin() as connection:
            for table, values in rows.items():
                if values:
                    connection.execute(table.insert(), values)
            _tell(connection, template, numbers)
    with engine.begin() as connection:
        _be_here(connection, template, range(max(0, count - SERVICES), count))
        last = sa.select(sa.func.max(events.c.seq)).scalar_subquery()
        connection.execute(cursors.update().values(seq=last))
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.exec_driver_sql("ANALYZE" if engine.dialect.name == "postgresql" else
                                   "PRAGMA wal_checkpoint(TRUNCATE)")  # fmt: skip


def _tell(connection: sa.Connection, template: Template, numbers: range) -> None:
    """The events of these copies, in their order."""
    last = connection.execute(sa.select(sa.func.max(events.c.seq))).scalar() or 0
    d, r, e = deliveries.c, releases.c, events.c
    for n, like in enumerate(template.events):
        seq = sa.cast(last + 1 + n + (r.number - numbers[0]) * EVENTS, sa.BigInteger)
        said = {
            e.seq: seq, e.id: d.id + f"/{n}", e.version: sa.literal(like["version"]),
            e.at: d.requested_at + n, e.kind: sa.literal(like["kind"]), e.subject: d.id,
            e.delivery: d.id, e.service: d.service, e.environment: sa.literal(like["environment"]),
            e.release: d.release, e.data: sa.literal(like["data"]),
        }  # fmt: skip
        mine = r.service.startswith("svc"), r.number.between(numbers[0], numbers[-1])
        query = sa.select(*said.values()).join(releases, r.name == d.release).where(*mine)
        connection.execute(events.insert().from_select(list(said), query))


def _be_here(connection: sa.Connection, template: Template, numbers: range) -> None:
    """The places of the services, held as during a rollout, so that nobody mends what never ran."""
    known = places.c.service.startswith("svc")
    connection.execute(places.delete().where(known))
    names = dict.fromkeys(r["environment"] for r in template.rollouts)
    empty: dict[str, Any] = dict.fromkeys(("candidate", "rollout", "address"), "")
    connection.execute(
        places.insert(),
        [
            empty | {"service": f"svc{n % SERVICES:02}", "environment": name, "generation": 1,
                     "stable": f"svc{n % SERVICES:02}-{n}", "holder": "bench", "since": 1.0}
            for n in numbers for name in names
        ],
    )  # fmt: skip


def lengthen(engine: sa.Engine, rollout: str, count: int) -> None:
    """Give a rollout `count` windows: its own again and again, one after the other."""
    with engine.begin() as connection:
        query = sa.select(windows).where(windows.c.rollout == rollout).order_by(windows.c.index)
        own = [dict(r._mapping) for r in connection.execute(query)]
        connection.execute(windows.delete().where(windows.c.rollout == rollout))
        made, at = [], 0.0
        for index in range(count):
            window = json.loads(own[index % len(own)]["window"])
            seconds = window["end"] - window["start"]
            window |= {"index": index, "start": at, "end": at + seconds}
            at += seconds
            row = own[index % len(own)] | {"index": index, "window": json.dumps(window)}
            made.append(row)
        connection.execute(windows.insert(), made)
