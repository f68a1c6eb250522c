"""The tests of an environment, against what was just deployed. Called by flows/roll_out.py before
users come, and after a first deploy. A red test is Failed, which rolls back.
"""

from dataclasses import replace

from headway import pipeline
from headway.flows.journal import Journal
from headway.flows.journey import planned
from headway.flows.trip import Trip
from headway.flows.world import World
from headway.model.errors import Failed
from headway.model.event import Fact
from headway.model.pipeline import JobOrder, JobResult, PlannedJob
from headway.model.service import WorkflowTest
from headway.ports.probe import Answer
from headway.store import decisions
from headway.store.database import Tx
from headway.store.log import append


def smoke(journal: Journal, world: World, trip: Trip, address: str) -> None:
    """Every test of the environment; raises Failed (`tests-failed`) with the first red one."""
    answers = journal.act("http tests", ask, world, trip, address)
    journal.commit("http tests ended", asked, trip, answers)
    _must_pass(trip, [a for a in answers if a.problem])
    for number, test in enumerate(trip.environment.tests.workflows):
        for job in journal.act(f"plan test {number}", plan_test, world, trip, test, address):
            result = journal.act(f"test job {job.id}", run_test, world, trip, job, number)
            journal.commit(f"test job {job.id} ended", tested, trip, test.workflow, result)
            if result.outcome != "success":
                raise Failed(
                    f"test workflow `{test.workflow}` failed against {trip.environment.name}",
                    why=f"job `{result.job}`: {_tail(result)}",
                    code="tests-failed",
                )
    _walk(journal, world, trip, address)


def _walk(journal: Journal, world: World, trip: Trip, address: str) -> None:
    """Each journey once."""
    tests = trip.environment.tests
    for number, journey in enumerate(tests.journeys):
        job = planned(trip, journey, number, address)
        run = len(tests.workflows) + number
        result = journal.act(f"walk {journey.file}", run_test, world, trip, job, run)
        journal.commit(f"walked {journey.file}", tested, trip, journey.file, result)
        if result.outcome != "success":
            raise Failed(
                f"journey `{journey.file}` failed against {trip.environment.name}",
                why=_tail(result),
                code="tests-failed",
            )


def ask(world: World, trip: Trip, address: str) -> tuple[Answer, ...]:
    """The HTTP tests, all of them, sent to this release by the tester header."""
    traffic = trip.environment.traffic
    headers = {traffic.tester_header: trip.release.name}
    if traffic.host:
        headers["host"] = traffic.host
    return tuple(world.probe.ask(address, t, headers) for t in trip.environment.tests.http)


def asked(tx: Tx, trip: Trip, answers: tuple[Answer, ...]) -> None:
    """The answers are evidence about the digest."""
    data: dict[str, object] = {
        "digest": trip.release.digest,
        "outcome": "FAIL" if any(a.problem for a in answers) else "PASS",
        "tests": [
            {"test": a.test, "problem": a.problem, "seconds": round(a.seconds, 4)} for a in answers
        ],
    }
    number = decisions.count(tx.connection, trip.delivery, "tests.finished")
    append(tx, trip.about, Fact("tests.finished", trip.delivery, number, data))


def _must_pass(trip: Trip, red: list[Answer]) -> None:
    if red:
        raise Failed(
            f"{len(red)} test(s) failed against {trip.release.name} in {trip.environment.name}",
            why=f"{red[0].test}: {red[0].problem}",
            code="tests-failed",
        )


def plan_test(world: World, trip: Trip, test: WorkflowTest, address: str) -> tuple[PlannedJob, ...]:
    """The jobs of a test workflow of the same commit, told where to look."""
    text = world.source.read(trip.repo, trip.release.sha, test.workflow).decode("utf-8")
    header = f"{trip.environment.traffic.tester_header}: {trip.release.name}"
    jobs = pipeline.plan(pipeline.read(text, test.workflow), inputs={"url": address})
    env = {"HEADWAY_URL": address, "HEADWAY_TEST_HEADER": header}
    return tuple(replace(j, env=env | j.env) for j in jobs)


def run_test(world: World, trip: Trip, job: PlannedJob, number: int) -> JobResult:
    """One job of a test workflow."""
    run = f"{trip.delivery}-{trip.environment.name}-{number}"
    return world.runner.run(JobOrder(run, 1, job, trip.repo, trip.release.sha))


def tested(tx: Tx, trip: Trip, test: str, result: JobResult) -> None:
    """A test job's result is evidence too."""
    data: dict[str, object] = {
        "digest": trip.release.digest,
        "outcome": "PASS" if result.outcome == "success" else "FAIL",
        "workflow": test,
        "job": result.job,
        "seconds": round(result.finished_at - result.started_at, 3),
    }
    number = decisions.count(tx.connection, trip.delivery, "tests.finished")
    append(tx, trip.about, Fact("tests.finished", trip.delivery, number, data))


def _tail(result: JobResult) -> str:
    return next((s.tail for s in result.steps if s.outcome == "failure"), "")
