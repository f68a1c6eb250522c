"""Drops from the database what no run and no worker needs any longer. Called by flows/pool_relay
about once a minute, through wiring.
"""

from collections.abc import Callable

import sqlalchemy as sa

from headway.flows import pool_result
from headway.flows.pool_carry import Carry
from headway.store import pool_jobs, pool_members, pool_sources
from headway.store.pool_blobs import PoolBlobs
from headway.store.pool_place import tx


def tidy(
    engine: sa.Engine, name: str, blobs: PoolBlobs, carry: Carry, over: Callable[[str], bool]
) -> None:
    """`over`: whether a run of the home `name` has ended."""
    with engine.connect() as connection:
        runs = pool_jobs.runs(connection, name)
    ended = [run for run in runs if over(run)]
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
