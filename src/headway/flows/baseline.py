"""The baseline snapshot: what the stable release does is kept, so that a candidate that has nobody
beside it is still compared with something.

Kept fresh in three ways: after every judged window with stable traffic, when a release is released
(then what users saw of it is the new snapshot), and by a round each minute where no rollout runs.
Called by flows/decide, flows/roll_out and wiring.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

import msgspec

from headway.analysis import snapshot, windows
from headway.analysis.judge import Finding, State
from headway.analysis.memory import Memory, remember
from headway.analysis.snapshot import Kept, Standing
from headway.flows.trip import Begun, Trip
from headway.flows.world import World
from headway.model.delivery import Place
from headway.model.event import Fact
from headway.model.pace import STANDARD, Pace
from headway.model.window import Snapshot, Window
from headway.store import baselines, decisions, records
from headway.store.database import Tx
from headway.store.log import append

SECONDS = 60.0
REMEMBERED = 600  # windows; what is older has faded
ALONE = frozenset({"absolute", "snapshot"})
Transaction = Callable[[], AbstractContextManager[Tx]]


def known(tx: Tx, trip: Trip, window: Window) -> Standing:
    """What may stand in for a stable version in this window."""
    kept = baselines.load(tx.connection, trip.release.service, trip.environment.name)
    if kept is not None and kept.release == trip.release.name:
        return Standing()  # nobody is compared with himself
    policy = trip.environment.analysis.baseline
    return snapshot.standing(kept, tx.now, window.bounds_ms, policy)


def judged(  # noqa: PLR0913
    tx: Tx,
    trip: Trip,
    begun: Begun,
    window: Window,
    standing: Standing,
    answer: tuple[State, Finding],
) -> Finding:
    """Keep what the window told of the stable release; the finding, saying what it was compared
    with. A candidate that is compared with a snapshot, or could not be, is a fact of its rollout.
    """
    state, finding = answer
    if window.stable is not None and window.stable.total.requests and begun.stable:
        _keep(tx, trip.release.service, trip.environment.name, begun.stable, state.memory)
    if finding.baseline not in ALONE or not standing.words or _knows(state, finding):
        return finding
    if not decisions.count(tx.connection, begun.rollout, "rollout.baseline"):
        append(tx, trip.about, Fact("rollout.baseline", begun.rollout, 0, _told(standing)))
    because = f"{finding.verdict.because}; {standing.words}"
    return replace(finding, verdict=replace(finding.verdict, because=because))


def _knows(state: State, finding: Finding) -> bool:
    """Whether this rollout saw the stable version itself, which counts for more."""
    return finding.baseline == "absolute" and state.memory.requests > 0


def _told(standing: Standing) -> dict[str, object]:
    """With the memory itself, so that the verdicts can be replayed."""
    return {
        "release": standing.release,
        "age_seconds": round(standing.age_seconds, 3),
        "used": standing.memory is not None,
        "stale": standing.stale,
        "because": standing.words,
        "memory": msgspec.to_builtins(standing.memory),
    }


def _keep(tx: Tx, service: str, environment: str, release: str, memory: Memory) -> None:
    if memory.requests > 0:
        baselines.keep(tx, service, environment, Kept(release, tx.now, memory))


def released(tx: Tx, trip: Trip, begun: Begun) -> None:
    """The candidate is the stable release now: what users saw of it is what the next one is
    compared with. Nothing is kept of a release that nobody used.
    """
    memory = Memory()
    for window in baselines.newest_windows(tx.connection, begun.rollout, REMEMBERED):
        memory = _added(memory, window, begun.plan.pace)
    _keep(tx, trip.release.service, trip.environment.name, trip.release.name, memory)


def _added(memory: Memory, window: Window, pace: Pace) -> Memory:
    """With what users saw of the candidate in the window; copies of requests are not users."""
    if window.candidate is None or not window.candidate.total.requests or not window.share:
        return memory
    seconds = max(0.0, window.end - window.start)
    return remember(memory, window.candidate.total, window.bounds_ms, seconds, pace)


class Freshness:
    """Looks at every place that is at rest, and adds what its release did since the last look. One
    for a server; what it read last is forgotten with it.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._last: dict[tuple[str, str, str], Snapshot] = {}

    def go(self, transaction: Transaction, found: Sequence[Place]) -> None:
        """One round. A place whose proxy does not answer is left as it is, and ages."""
        for place in found:
            if place.stable and not place.rollout:
                self._look(transaction, place)

    def _look(self, transaction: Transaction, place: Place) -> None:
        seen = self._world.meter.read(place.service, place.environment)
        key = (place.service, place.environment, place.stable)
        before = self._last.get(key)
        if seen is None:
            return
        self._last[key] = seen
        if before is None:
            return
        window = windows.between(
            before,
            seen,
            candidate=place.stable,
            stable=None,
            index=0,
            started_at=before.at,
            step=0,
            share=1.0,
        )
        if window.candidate is not None and window.candidate.total.requests:
            with transaction() as tx:
                _refreshed(tx, place, window)


def _refreshed(tx: Tx, place: Place, window: Window) -> None:
    """Nothing, if a rollout began in the meantime: it keeps its own."""
    if records.place(tx.connection, place.service, place.environment) != place:
        return
    kept = baselines.load(tx.connection, place.service, place.environment)
    memory = kept.memory if kept is not None and kept.release == place.stable else Memory()
    memory = _added(memory, window, STANDARD)
    _keep(tx, place.service, place.environment, place.stable, memory)
