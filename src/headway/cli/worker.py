"""`headway worker`: a process that takes jobs of a pool, on this or any other machine."""

import logging
import signal
import sys
import threading
from types import FrameType
from typing import TYPE_CHECKING

import click

from headway.cli.context import Context, pass_context
from headway.cli.duration import Duration
from headway.cli.options import verb

if TYPE_CHECKING:
    from headway.flows.pool_worker import Setup, Worker

LEASE_SECONDS = 30.0
GRACE_SECONDS = 30.0


@verb(
    "headway worker --pool gpu",
    "HEADWAY_DATABASE=postgresql+psycopg://headway@db.example/headway headway worker --jobs 4",
)
@click.option("--pool", default="default", show_default=True, help="Whose jobs it takes.")
@click.option(
    "--jobs",
    "places",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="How many at once.",
)
@click.option(
    "--lease",
    type=Duration(),
    default=LEASE_SECONDS,
    help="After so long without a sign of it, others get its jobs; 30s.",
)
@click.option(
    "--grace",
    type=Duration(),
    default=GRACE_SECONDS,
    help="How long jobs may go on after SIGTERM, before they are given back; 30s.",
)
@pass_context
def worker(context: Context, pool: str, places: int, lease: float, grace: float) -> None:
    """Take jobs of a pool and run them on this machine.

    It needs the database of the server (HEADWAY_DATABASE), and not its disk. SIGTERM and Ctrl-C:
    it takes no more jobs, and gives back those that have not ended after --grace; a second one
    gives them back at once.
    """
    from headway.flows import pool_identity  # noqa: PLC0415  `--help` needs none of it
    from headway.flows.pool_worker import Setup, host  # noqa: PLC0415

    folder = context.home_folder / "worker" / pool_identity.checked(pool)
    _log()
    with pool_identity.held(folder) as identity:
        made = _worker(context, Setup(pool, identity, host(), places, lease))
        _heed(made, grace, context)
        context.note(f"worker {identity.id} of pool {pool}, {places} at once, home {folder}")
        made.run()
        context.note(f"worker {identity.id} has left")


def _worker(context: Context, setup: "Setup") -> "Worker":
    from headway import workbench  # noqa: PLC0415
    from headway.adapters.linux.trees import remove  # noqa: PLC0415
    from headway.flows.pool_source import Sources  # noqa: PLC0415
    from headway.flows.pool_worker import Worker  # noqa: PLC0415
    from headway.store import database, installation, pool_place  # noqa: PLC0415
    from headway.store.pool_blobs import PoolBlobs  # noqa: PLC0415

    home = context.home_folder / "worker" / setup.pool
    database.prepare(context.place.database)
    engine = pool_place.connect(context.place.database)
    with database.reading(engine) as connection:
        installation.may_act(connection)
    blobs = PoolBlobs(engine)
    actions = workbench.load("headway.action_sources", "git")(home)
    source = workbench.load("headway.source_hosts", "git")()
    runner = workbench.load("headway.job_runners", "linux")(home, source, actions, blobs)
    packs = workbench.load("headway.source_packs", "git")()
    made = Worker(setup, engine, home, runner, Sources(engine, blobs, packs))
    made.remove, made.told = remove, context.note
    runner.warm()
    return made


def _heed(made: "Worker", grace: float, context: Context) -> None:
    """Signals: the first lets jobs end for a while, the second does not."""
    asked = threading.Event()

    def hear(_number: int, _frame: FrameType | None) -> None:
        if asked.is_set():
            made.give_back()
            return
        asked.set()
        made.leave()
        context.note(f"leaving; jobs that have not ended in {grace:g} s are given back")
        timer = threading.Timer(grace, made.give_back)
        timer.daemon = True
        timer.start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, hear)


def _log() -> None:
    """What the worker complains of goes to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logging.getLogger("headway").addHandler(handler)
