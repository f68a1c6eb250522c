"""A journey as a test of what was just deployed: the same program that is played in a canary.

Called by flows/smoke.py. It runs as a job of its own, from a clean checkout of the commit.
"""

from headway.flows.trip import Trip
from headway.model.job import JobOrder, StepSpec
from headway.model.service import Journey

SECONDS = 30.0
# A program without the x bit is started by its ending. The name is data, never part of the script.
_LAUNCH = """\
f="./$HEADWAY_JOURNEY"
if [ -x "$f" ]; then exec "$f"; fi
case "$f" in *.py) exec python3 "$f";; esac
exec sh "$f"
"""


def ordered(trip: Trip, journey: Journey, number: int, address: str) -> JobOrder:
    """One program, 30 s at most, told where the service is and how to reach the release."""
    traffic = trip.environment.traffic
    env = {
        "HEADWAY_URL": address,
        "HEADWAY_RELEASE": trip.release.name,
        "HEADWAY_TEST_HEADER": f"{traffic.tester_header}: {trip.release.name}",
        "HEADWAY_JOURNEY": journey.file,
        **({"HEADWAY_HOST": traffic.host} if traffic.host else {}),
    }
    return JobOrder(
        run=f"{trip.delivery}-{trip.environment.name}-journeys",
        id=f"journey-{number}",
        key=f"journey-{number}",
        name=journey.file,
        attempt=1,
        repo=trip.repo,
        sha=trip.release.sha,
        ref="",
        steps=(
            StepSpec("__checkout", uses="actions/checkout@v4"),
            StepSpec("journey", journey.file, run=_LAUNCH),
        ),
        env=(env,),
        timeout_seconds=SECONDS,
    )
