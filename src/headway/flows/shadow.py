"""What runs beside a rollout: the comparison of answers while requests are mirrored, and journeys.

Called by flows/roll_out.py, roll_back.py and decide.py. Both run in processes of their own, so that
no rollout waits for them; they are told what to do in acts, and read in the `observe` act. Whatever
is wrong with them is no data, which is WAIT.
"""

from dataclasses import dataclass

from headway.analysis.shadow import EQUAL, journey
from headway.flows.trip import Begun, Trip
from headway.flows.world import World
from headway.metrics.window import Reading
from headway.model.errors import Failed, Unreachable
from headway.model.service import Environment
from headway.ports.journey_player import JourneyOrder, Played
from headway.ports.shadow_differ import Differences

CONCURRENT = frozenset({"canary", "shadow"})


@dataclass(frozen=True, slots=True)
class BesideSeen:
    """What ran beside the rollout until now; None: no data."""

    differences: Differences | None = None
    played: Played | None = None


def compare_no_more(world: World, trip: Trip, generation: int) -> None:
    """No request is mirrored any longer."""
    world.differ.stop(trip.release.service, trip.environment.name, generation)


def journeys(environment: Environment, begun: Begun) -> tuple[str, ...]:
    """The journeys that are played during this rollout: where both versions stay to the end."""
    beside = begun.stable and begun.plan.strategy in CONCURRENT
    return tuple(j.file for j in environment.tests.journeys) if beside else ()


def play(world: World, trip: Trip, begun: Begun, address: str, generation: int) -> None:
    """Play the journeys from now on, against both versions; twice as often as windows close."""
    traffic = trip.environment.traffic
    world.player.play(
        JourneyOrder(
            service=trip.release.service,
            environment=trip.environment.name,
            generation=generation,
            repo=trip.repo,
            sha=trip.release.sha,
            files=journeys(trip.environment, begun),
            releases=(trip.release.name, begun.stable),
            url=address,
            header=traffic.tester_header,
            host=traffic.host or "",
            every_seconds=begun.plan.pace.window / 2,
        )
    )


def quiet(world: World, trip: Trip, generation: int) -> None:
    """Nothing runs beside the rollout any longer."""
    service, environment = trip.release.service, trip.environment.name
    world.differ.stop(service, environment, generation)
    world.player.stop(service, environment, generation)


def look(world: World, trip: Trip, begun: Begun) -> BesideSeen:
    """The counts now."""
    service, environment = trip.release.service, trip.environment.name
    differences = played = None
    try:
        if any(step.mirror for step in begun.plan.steps):
            differences = world.differ.read(service, environment)
        if journeys(trip.environment, begun):
            played = world.player.read(service, environment)
    except (Failed, Unreachable):
        return BesideSeen(differences, played)
    pair = (trip.release.name, begun.stable)
    if differences and (differences.candidate_release, differences.stable_release) != pair:
        differences = None
    return BesideSeen(differences, played)


def readings(trip: Trip, begun: Begun, seen: BesideSeen) -> dict[str, Reading]:
    """The counts as cumulative readings of signals; see analysis/shadow.py for their names."""
    found = {}
    if (told := seen.differences) is not None:
        found[EQUAL] = _reading((told.candidate, told.compared), (told.control, told.compared))
    for file, counts in seen.played.counts.items() if seen.played else ():
        candidate, stable = (counts.get(r) for r in (trip.release.name, begun.stable))
        if candidate is not None and stable is not None:
            found[journey(file).name] = _reading(candidate, stable)
    return found


def _reading(candidate: tuple[int, int], stable: tuple[int, int]) -> Reading:
    """Both are (bad, total); a signal of which more is better is (good, total)."""
    (bad_c, of_c), (bad_b, of_b) = candidate, stable
    return Reading("ratio", (float(of_c - bad_c), float(of_c)), (float(of_b - bad_b), float(of_b)))
