"""The tests of an environment, against what was just deployed. Called by flows/roll_out.py before
users come, and after a first deploy. A red test is Failed, which rolls back.
"""

from headway.flows import contracts, pipeline
from headway.flows.build import Ran, ran, tail
from headway.flows.journal import Journal
from headway.flows.journey import ordered
from headway.flows.pipeline_watch import Quiet
from headway.flows.trip import Trip
from headway.flows.variables import of_server
from headway.flows.world import World
from headway.model.errors import Failed
from headway.model.event import Fact
from headway.model.job import JobReport
from headway.model.service import Journey, WorkflowTest
from headway.pipeline.run.state import RunSpec
from headway.ports.probe import Answer
from headway.store import decisions
from headway.store.database import Tx
from headway.store.log import append


def smoke(journal: Journal, world: World, trip: Trip, address: str) -> None:
    """Every test of the environment; raises Failed (`tests-failed`) with the first red one."""
    answers = journal.act("http tests", ask, world, trip, address)
    journal.commit("http tests ended", asked, trip, answers)
    _must_pass(trip, [a for a in answers if a.problem])
    contracts.check(journal, world, trip, address)
    for number, test in enumerate(trip.environment.tests.workflows):
        done = journal.act(f"test {number}", run_test, world, trip, test, number, address)
        journal.commit(f"test {number} ended", tested, trip, test.workflow, done)
        if done.phase != "success":
            raise Failed(
                f"test workflow `{test.workflow}` failed against {trip.environment.name}",
                why=_why(done),
                code="tests-failed",
            )
    _walk(journal, world, trip, address)


def _walk(journal: Journal, world: World, trip: Trip, address: str) -> None:
    """Each journey once."""
    tests = trip.environment.tests
    for number, journey in enumerate(tests.journeys):
        report = journal.act(f"walk {journey.file}", walk, world, trip, journey, number, address)
        journal.commit(f"walked {journey.file}", walked, trip, journey.file, report)
        if report.outcome != "success":
            raise Failed(
                f"journey `{journey.file}` failed against {trip.environment.name}",
                why=tail(report),
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


def run_test(world: World, trip: Trip, test: WorkflowTest, number: int, address: str) -> Ran:
    """A test workflow of the same commit, told where to look. Nothing of it is ever reused."""
    text = world.source.read(trip.repo, trip.release.sha, test.workflow).decode("utf-8")
    header = f"{trip.environment.traffic.tester_header}: {trip.release.name}"
    spec = RunSpec(
        id=f"{trip.delivery}-{trip.environment.name}-{number}",
        workflow=test.workflow,
        texts={test.workflow: text},
        repo=trip.repo,
        sha=trip.release.sha,
        ref="",
        event="workflow_dispatch",
        inputs={"url": address},
        env={"HEADWAY_URL": address, "HEADWAY_TEST_HEADER": header},
        fresh=True,
        served=True,
        service=trip.release.service,
    )
    pipeline.create(world.bench, of_server(world, spec, trip.environment.name))
    return ran(pipeline.run(world.bench, spec.id, Quiet()))


def walk(world: World, trip: Trip, journey: Journey, number: int, address: str) -> JobReport:
    """A journey once, as a job of its own."""
    return world.bench.runner.run(ordered(trip, journey, number, address), {}, Quiet())


def tested(tx: Tx, trip: Trip, test: str, done: Ran) -> None:
    """The result of every test job is evidence too."""
    for job in done.jobs:
        walked(tx, trip, test, job.report)


def walked(tx: Tx, trip: Trip, test: str, report: JobReport) -> None:
    """What came of one test job, as evidence about the digest."""
    data: dict[str, object] = {
        "digest": trip.release.digest,
        "outcome": "PASS" if report.outcome == "success" else "FAIL",
        "workflow": test,
        "job": report.key,
        "seconds": round(report.finished_at - report.started_at, 3),
    }
    number = decisions.count(tx.connection, trip.delivery, "tests.finished")
    append(tx, trip.about, Fact("tests.finished", trip.delivery, number, data))


def _why(done: Ran) -> str:
    bad = next((j.report for j in done.jobs if j.report.outcome == done.phase), None)
    return f"job `{bad.key}`: {tail(bad)}" if bad else done.because
