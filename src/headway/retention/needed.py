"""Which artifacts must stay. Called by round.py, inside the transaction that lets the others go."""

import sqlalchemy as sa

from headway.store.tables import deliveries, events, places, releases


def needed(connection: sa.Connection, since: float, newest: int) -> frozenset[str]:
    """Digests of: what is in charge or tried anywhere, the last two that were released in each
    place, everything of open deliveries, the `newest` releases of every service, and whatever an
    event since the Unix time `since` speaks of, which is where evidence is.
    """
    names = _in_places(connection) | _newest(connection, newest) | _spoken_of(connection, since)
    r, d = releases, deliveries
    found = {
        row.digest
        for row in connection.execute(sa.select(r.c.name, r.c.digest, r.c.created_at))
        if row.name in names or row.created_at >= since
    }
    open_ones = sa.select(d.c.digest, d.c.release, d.c.id).where(d.c.state != "done")
    for row in connection.execute(open_ones):
        own = sa.select(r.c.digest).where(sa.or_(r.c.name == row.release, r.c.delivery == row.id))
        found |= {row.digest, *connection.execute(own).scalars()}
    return frozenset(found - {""})


def _in_places(connection: sa.Connection) -> set[str]:
    p, e = places, events
    names = set()
    for row in connection.execute(sa.select(p)):
        names |= {row.stable, row.candidate}
        here = (e.c.service == row.service, e.c.environment == row.environment)
        asked = sa.select(e.c.release).where(*here, e.c.kind == "release.released")
        released = connection.execute(asked.order_by(e.c.seq.desc())).scalars()
        names |= set(list(dict.fromkeys(released))[:2])
    return names


def _newest(connection: sa.Connection, count: int) -> set[str]:
    r = releases
    rank = sa.func.row_number().over(partition_by=r.c.service, order_by=r.c.number.desc())
    ranked = sa.select(r.c.name, rank.label("rank")).subquery()
    return set(connection.execute(sa.select(ranked.c.name).where(ranked.c.rank <= count)).scalars())


def _spoken_of(connection: sa.Connection, since: float) -> set[str]:
    asked = sa.select(events.c.release).where(events.c.at >= since).distinct()
    return set(connection.execute(asked).scalars())
