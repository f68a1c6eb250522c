"""The shards of a run, made by whichever machine asks first. Called by `headway test shard`.

Results arrive while a run goes on, so that two machines which looked for themselves could see other
times, and a test could be in no shard or in two.
"""

import msgspec
import sqlalchemy as sa

from headway import typed
from headway.model.errors import Drifted
from headway.store.database import Tx
from headway.store.test_tables import shard_plans

Shards = tuple[tuple[str, ...], ...]


def agreed(tx: Tx, service: str, run: str, wanted: Shards) -> Shards:
    """The run's shards: `wanted`, unless they are made already. Raises Drifted (`other-tests`) if
    they were made for other tests.
    """
    c = shard_plans.c
    mine = (c.service == service) & (c.run == run) & (c.total == len(wanted))
    kept = tx.connection.execute(sa.select(c.shards).where(mine)).scalar()
    if kept is None:
        text = msgspec.json.encode(wanted).decode()
        row = {"service": service, "run": run, "total": len(wanted), "shards": text, "at": tx.now}
        tx.connection.execute(shard_plans.insert().values(row))
        return wanted
    made = typed.loads(kept, Shards)
    if {t for s in made for t in s} != {t for s in wanted for t in s}:
        raise Drifted(
            f"the shards of run {run} were made for other tests",
            why="every machine of a run must ask for the same tests",
            next="give each machine the same list, or another --run",
            code="other-tests",
        )
    return made
