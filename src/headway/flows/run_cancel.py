"""Somebody wants a run to end: on record before it is asked for. Called by the page, API and CLI.

Runs of the server only have a place in the event log; that of a run on one's own terminal
(`headway run`) is its own log, which names who ended it as well.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from headway.flows import pipeline
from headway.flows.run_list import service_of
from headway.model.event import Fact
from headway.pipeline.run.state import RunSpec
from headway.record import dataclass
from headway.store import log
from headway.store.database import Tx
from headway.store.log import About

KIND = "run.cancel_requested"


@dataclass(frozen=True, slots=True)
class Wish:
    """Who, and why. `forced`: also what `always()` keeps."""

    by: str
    because: str
    forced: bool = False


def cancel(
    tx: Callable[[], AbstractContextManager[Tx]], home: Path, spec: RunSpec, wish: Wish
) -> None:
    """Ask the run to end. Raises as flows/pipeline.cancel."""
    if spec.served:
        with tx() as open_:
            record(open_, spec, wish)
    pipeline.cancel(home, spec.id, wish.by, wish.because, forced=wish.forced)


def record(tx: Tx, spec: RunSpec, wish: Wish) -> None:
    """Put the wish into the event log. It can come again: with `forced`, or from somebody else."""
    before = log.after(tx.connection, 0, kind=KIND, subject=spec.id)
    data: dict[str, object] = {"by": wish.by, "reason": wish.because, "forced": wish.forced}
    log.append(tx, About(service=service_of(spec)), Fact(KIND, spec.id, len(before), data))
