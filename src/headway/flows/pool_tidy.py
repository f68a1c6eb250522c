"""Drops from the database what no run and no worker needs any longer. Called by flows/pool_relay
about once a minute, through wiring.
"""

from collections.abc import Callable

import sqlalchemy as sa

from headway.flows import pool_result
from headway.flows.pool_carry import Carry
from headway.store import pool_jobs, pool_members, pool_sources
from headway.store.pool_blobs import PoolBlobs
from headway.store.pool_place import now, tx

UNKNOWN_SECONDS = 24 * 3600.0


def tidy(
    engine: sa.Engine, name: str, blobs: PoolBlobs, carry: Carry, over: Callable[[str], bool | None]
) -> None:
    """`over`: whether a run of the home `name` has ended; None if nobody knows of one."""
    with engine.connect() as connection:
        runs, at = pool_jobs.runs(connection, name), now(connection)
    ended = [run for run, last in runs.items() if _ended(at - last, over=over(run))]
    for run in ended:
        carry.over(run)
    with tx(engine) as one:
        pool_jobs.drop(one, ended)
        pool_jobs.forget(one)
        pool_members.forget(one)
        pool_sources.forget(one)
        kept = pool_sources.digests(one.connection)
        for data in pool_jobs.results(one.connection):
            kept.update(pool_result.blobs(data))
    blobs.collect({*kept, *carry.kept()})


def _ended(seconds: float, *, over: bool | None) -> bool:
    """A job that is no part of a run, or of one that was removed, may still be asked for."""
    return over if over is not None else seconds > UNKNOWN_SECONDS
