"""A server's bench with pools: jobs may be done by workers. Called by wiring."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from headway.flows import pipeline
from headway.flows.pipeline_bench import Bench
from headway.flows.pool_away import Far
from headway.flows.pool_carry import Carry
from headway.flows.pool_files import Parse
from headway.flows.pool_relay import Relay
from headway.flows.pool_runner import PLACES, PoolRunner
from headway.flows.pool_source import Sources
from headway.flows.pool_tidy import tidy
from headway.model.errors import Invalid
from headway.ports.blob_store import BlobStore
from headway.ports.source_packs import SourcePacks
from headway.store import pool_place
from headway.store.pool_blobs import PoolBlobs


@dataclass(frozen=True, slots=True)
class Ways:
    """What adapters know and flows may not: `parse` reads a stored line, `lay_out` an upload."""

    packs: SourcePacks
    parse: Parse
    lay_out: Callable[[BlobStore, str, Path], object]


def pooled(near: Bench, url: str, name: str, ways: Ways) -> Bench:
    """The same, and jobs of pools go to workers. `url`: of the database; `name`: of this home, the
    same for ever.
    """
    runner = PoolRunner(near.runner, partial(_far, near, url, name, ways), near.jobs)
    return replace(near, runner=runner, jobs=max(near.jobs, PLACES))


def _far(near: Bench, url: str, name: str, ways: Ways) -> Far:
    engine = pool_place.connect(url)
    blobs = PoolBlobs(engine)
    carry = Carry(near.home, near.blobs, blobs, ways.lay_out)
    over = partial(_over, near.home)
    return Far(
        engine=engine,
        home=near.home,
        name=name,
        relay=Relay(engine, partial(tidy, engine, name, blobs, carry, over)),
        sources=Sources(engine, blobs, ways.packs),
        carry=carry,
        parse=ways.parse,
        clock=near.clock,
    )


def _over(home: Path, run: str) -> bool | None:
    """Whether the run has ended; None if there is no such run."""
    try:
        return pipeline.show(home, run).phase != "running"
    except Invalid:
        return None
