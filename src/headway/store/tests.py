"""Results of tests: written once a report, read back as what the judge of tests asks for.

Called by `headway test` and by flows. A report is known by service, run, job and the digest of its
bytes, so that the same file twice is one report. Results are kept for KEEP_SECONDS.
"""

from collections import defaultdict
from collections.abc import Iterable

import sqlalchemy as sa

from headway.model.event import Fact
from headway.store import tests_held
from headway.store.database import Tx
from headway.store.log import About, append
from headway.store.test_tables import abouts, reports, results, shard_plans, tests
from headway.testing.judge import Past, Stage
from headway.testing.origin import Origin
from headway.testing.result import Attempts, Report, TestId, attempts, merged
from headway.testing.tripwire import Episode, infrastructure, standing

__all__ = ["KEEP_SECONDS", "Origin", "episodes", "number_of", "past", "record", "stage", "tried"]

KEEP_SECONDS = 90 * 86400.0
MOST_MESSAGE = 2_000
MOST_IN = 500


def record(tx: Tx, origin: Origin, report: Report, digest: str) -> bool:
    """Keep the report; False if it is kept already. `digest`: of the report's bytes."""
    c = reports.c
    same = (c.service == origin.service) & (c.run == origin.run) & (c.job == origin.job)
    if tx.connection.execute(sa.select(c.id).where(same & (c.digest == digest))).first():
        return False
    found = attempts(report.cases)
    row = tx.connection.execute(
        reports.insert().values(
            service=origin.service, run=origin.run, job=origin.job, sha=origin.sha,
            fingerprint=origin.fingerprint, source=report.source, digest=digest,
            tool=report.tool, at=tx.now, infrastructure=infrastructure(found),
        )
    )  # fmt: skip
    number: int = row.inserted_primary_key[0] if row.inserted_primary_key else 0
    about = {"report": number, "branch": origin.branch, "size": origin.size}
    tx.connection.execute(abouts.insert().values(about))
    _keep(tx, number, _numbers(tx, origin.service, found), found)
    _tell(tx, origin, report, digest, found)
    prune(tx)
    return True


def _keep(tx: Tx, report: int, numbers: dict[TestId, int], found: Iterable[Attempts]) -> None:
    rows = [
        {
            "report": report, "test": numbers[a.id], "failures": a.failures, "passes": a.passes,
            "skips": a.skips, "seconds": a.seconds, "message": _clean(a.message)[:MOST_MESSAGE],
        }
        for a in found
    ]  # fmt: skip
    if rows:
        tx.connection.execute(results.insert(), rows)


def _numbers(tx: Tx, service: str, found: Iterable[Attempts]) -> dict[TestId, int]:
    """The number of each test, new ones added."""
    known = _known(tx.connection, service)
    new = [a for a in found if a.id not in known]
    if not new:
        return known
    rows = [
        {
            "service": service, "suite": a.id.suite, "classname": a.id.classname,
            "name": a.id.name, "file": a.file,
        }
        for a in new
    ]  # fmt: skip
    tx.connection.execute(tests.insert(), rows)
    return _known(tx.connection, service)


def _known(connection: sa.Connection, service: str) -> dict[TestId, int]:
    c = tests.c
    query = sa.select(c.suite, c.classname, c.name, c.id).where(c.service == service)
    return {TestId(r[0], r[1], r[2]): r[3] for r in connection.execute(query)}


def _clean(text: str) -> str:
    """Postgres keeps no NUL in a text."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _tell(tx: Tx, origin: Origin, report: Report, digest: str, found: tuple[Attempts, ...]) -> None:
    data: dict[str, object] = {
        "run": origin.run, "job": origin.job, "sha": origin.sha, "branch": origin.branch,
        "tool": report.tool,
        "digest": digest, "tests": len(found), "failed": sum(a.bad for a in found),
        "flaky": sum(a.flipped for a in found),
        "skipped": sum(not a.failures and not a.passes for a in found),
        "seconds": round(sum(a.seconds for a in found), 3),
    }  # fmt: skip
    short = digest.removeprefix("sha256:")[:16]
    subject = "/".join((origin.service, origin.run, origin.job, short))
    append(tx, About(service=origin.service), Fact("tests.recorded", subject, 1, data))


def stage(connection: sa.Connection, origin: Origin, now: float) -> Stage:
    """Everything reported for the origin's fingerprint, and the past of what failed there."""
    found = tried(connection, origin)
    bad = [a.id for a in found if a.failures]
    return Stage(found, past(connection, origin, bad, now))


def tried(connection: sa.Connection, origin: Origin) -> tuple[Attempts, ...]:
    """All tries of each test on the fingerprint, oldest report first. A report in which nearly
    everything failed counts only for tests that no other one tells of.
    """
    query = (
        sa.select(tests, results, reports.c.infrastructure)
        .select_from(results.join(tests, tests.c.id == results.c.test).join(reports, _of_report))
        .where(reports.c.service == origin.service, reports.c.fingerprint == origin.fingerprint)
        .order_by(reports.c.infrastructure, reports.c.id, results.c.test)
    )
    by_test: dict[TestId, list[Attempts]] = defaultdict(list)
    sound = set()
    for row in connection.execute(query):
        made = _attempts(row)
        if not row._mapping["infrastructure"]:
            sound.add(made.id)
        elif made.id in sound:
            continue
        by_test[made.id].append(made)
    return tuple(merged(several) for several in by_test.values())


_of_report = reports.c.id == results.c.report


def _attempts(row: "sa.Row[tuple[object, ...]]") -> Attempts:
    m = row._mapping
    return Attempts(
        TestId(m["suite"], m["classname"], m["name"]),
        m["failures"], m["passes"], m["skips"], m["seconds"], m["message"], m["file"],
    )  # fmt: skip


def past(
    connection: sa.Connection,
    origin: Origin,
    wanted: Iterable[TestId],
    now: float,
    *,
    run: str = "",
) -> dict[TestId, Past]:
    """What is known of the tests beside what the origin's own fingerprint said; with a `run` beside
    what that run's tries said, on whatever fingerprint.
    """
    asked = list(wanted)
    known = _known(connection, origin.service) if asked else {}
    numbers = {known[test]: test for test in asked if test in known}
    told = episodes(connection, numbers, now - KEEP_SECONDS, run)
    held = tests_held.of(connection, numbers)
    own = "" if run else origin.fingerprint
    found = {}
    for number, test in numbers.items():
        before = [e for e in told.get(number, ()) if e.fingerprint != own]
        one = held.get(number)
        since = tuple(e.failures > 0 for e in before if one and e.at >= one.at)
        found[test] = Past(standing(before), one, since)
    return found


def episodes(
    connection: sa.Connection, numbers: Iterable[int], since: float, but: str = ""
) -> dict[int, list[Episode]]:
    """What each test did on each fingerprint, oldest first. Runs in which nearly everything failed
    are left out: they say nothing about a test. `but`: so is this run, with all its tries.
    """
    wanted = sorted(numbers)
    own = (reports.c.run == but) | reports.c.run.startswith(f"{but}/", autoescape=True)
    found: dict[int, list[Episode]] = defaultdict(list)
    for first in range(0, len(wanted), MOST_IN):
        some = wanted[first : first + MOST_IN]
        query = (
            sa.select(
                results.c.test,
                reports.c.fingerprint,
                sa.func.min(reports.c.at),
                sa.func.sum(results.c.failures),
                sa.func.sum(results.c.passes),
            )
            .select_from(results.join(reports, _of_report))
            .where(results.c.test.in_(some), reports.c.at >= since)
            .where(sa.not_(reports.c.infrastructure), sa.not_(own) if but else sa.true())
            .group_by(results.c.test, reports.c.fingerprint)
            .order_by(sa.func.min(reports.c.at), sa.func.min(reports.c.id))
        )
        for test, fingerprint, at, failures, passes in connection.execute(query):
            if failures or passes:
                found[test].append(Episode(fingerprint, at, failures, passes))
    return found


def number_of(connection: sa.Connection, service: str, test: TestId) -> int | None:
    """The test's number; None if it was never seen."""
    return _known(connection, service).get(test)


def prune(tx: Tx) -> None:
    """Forget what is older than KEEP_SECONDS. Tests in quarantine stay known."""
    before = tx.now - KEEP_SECONDS
    old = sa.select(reports.c.id).where(reports.c.at < before)
    if not tx.connection.execute(old.limit(1)).first():
        return
    tx.connection.execute(results.delete().where(results.c.report.in_(old)))
    tx.connection.execute(abouts.delete().where(abouts.c.report.in_(old)))
    tx.connection.execute(reports.delete().where(reports.c.at < before))
    tx.connection.execute(shard_plans.delete().where(shard_plans.c.at < before))
    seen = sa.select(results.c.test)
    gone = tests.c.id.not_in(seen) & tests.c.id.not_in(tests_held.every_test())
    tx.connection.execute(tests.delete().where(gone))
