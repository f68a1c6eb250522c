"""Tests as people look at them: how often each failed and flipped, how long it takes, its last
word. Called by cli/test.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from headway.store import tests_held
from headway.store.test_tables import abouts, reports, results, tests
from headway.store.tests import KEEP_SECONDS, episodes
from headway.testing.pyramid import size
from headway.testing.quarantine import Quarantine
from headway.testing.result import TestId
from headway.testing.tripwire import Standing, needed, own_bound, standing

RECENT_SECONDS = 30 * 86400.0


@dataclass(frozen=True, slots=True)
class Known:
    """A test. `seconds`: mean of its green runs in the last 30 days, None without one; `slowest`:
    of all runs. `at`: its last run, Unix seconds; `outcome`: what came of that. `size`: its layer
    of the pyramid.
    """

    service: str
    test: TestId
    file: str
    runs: int
    failed: int
    flips: int
    seconds: float | None
    slowest: float
    at: float
    outcome: str
    number: int
    size: str


@dataclass(frozen=True, slots=True)
class Flaky:
    """A test that failed and passed on the same thing. `bound`: 95 % upper bound of its rate;
    `needed`: so many failures in a row block.
    """

    known: Known
    standing: Standing
    bound: float
    needed: int
    held: Quarantine | None


@dataclass(frozen=True, slots=True)
class Told:
    """What one report said about a test."""

    at: float
    run: str
    job: str
    sha: str
    branch: str
    outcome: str
    failures: int
    passes: int
    seconds: float
    message: str


def known(connection: sa.Connection, service: str, now: float) -> list[Known]:
    """Every test that ran in the time kept, by name."""
    last = _last(connection, service)
    found = []
    for row in connection.execute(_counted(service, now)).mappings():
        at, outcome, said = last.get(row["id"], (0.0, "skipped", ""))
        test = TestId(row["suite"], row["classname"], row["name"])
        found.append(
            Known(
                row["service"], test, row["file"], row["runs"], row["failed"], row["flips"],
                row["seconds"], row["slowest"], at, outcome, row["id"],
                said or size(test, row["file"]),
            )
        )  # fmt: skip
    return sorted(found, key=lambda k: (k.service, k.test))


def _counted(service: str, now: float) -> "sa.Select[Any]":
    r = results.c
    ran, green = (r.failures + r.passes) > 0, (r.passes > 0) & (r.failures == 0)
    recent = sa.and_(green, reports.c.at >= now - RECENT_SECONDS)
    per_run = _per_fingerprint(now).subquery()
    counts = (
        sa.select(
            per_run.c.test,
            sa.func.count().label("runs"),
            sa.func.sum(sa.case((per_run.c.failures > 0, 1), else_=0)).label("failed"),
            sa.func.sum(
                sa.case(((per_run.c.failures > 0) & (per_run.c.passes > 0), 1), else_=0)
            ).label("flips"),
        )
        .group_by(per_run.c.test)
        .subquery()
    )
    times = (
        sa.select(
            r.test,
            sa.func.avg(sa.case((recent, r.seconds))).label("seconds"),
            sa.func.max(sa.case((ran, r.seconds), else_=0.0)).label("slowest"),
        )
        .select_from(results.join(reports, reports.c.id == r.report))
        .where(reports.c.at >= now - KEEP_SECONDS)
        .group_by(r.test)
        .subquery()
    )
    joined = tests.join(times, times.c.test == tests.c.id).outerjoin(
        counts, counts.c.test == tests.c.id
    )
    columns = [sa.func.coalesce(counts.c[n], 0).label(n) for n in ("runs", "failed", "flips")]
    query = sa.select(tests, *columns, times.c.seconds, times.c.slowest).select_from(joined)
    return query.where(tests.c.service == service) if service else query


def _per_fingerprint(now: float) -> "sa.Select[Any]":
    r = results.c
    return (
        sa.select(
            r.test,
            sa.func.sum(r.failures).label("failures"),
            sa.func.sum(r.passes).label("passes"),
        )
        .select_from(results.join(reports, reports.c.id == r.report))
        .where(reports.c.at >= now - KEEP_SECONDS, sa.not_(reports.c.infrastructure))
        .where((r.failures + r.passes) > 0)
        .group_by(r.test, reports.c.service, reports.c.fingerprint)
    )


def _last(connection: sa.Connection, service: str) -> dict[int, tuple[float, str, str]]:
    """When each test was last reported, what came of it, and its layer if that was said."""
    newest = (
        sa.select(results.c.test, sa.func.max(results.c.report).label("report"))
        .group_by(results.c.test)
        .subquery()
    )
    same = (newest.c.test == results.c.test) & (newest.c.report == results.c.report)
    said = sa.func.coalesce(abouts.c.size, "").label("size")
    query = sa.select(results, reports.c.at, said).select_from(
        results.join(newest, same)
        .join(reports, reports.c.id == results.c.report)
        .outerjoin(abouts, abouts.c.report == results.c.report)
    )
    if service:
        query = query.where(reports.c.service == service)
    rows = connection.execute(query).mappings()
    return {r["test"]: (r["at"], outcome(r["failures"], r["passes"]), r["size"]) for r in rows}


def outcome(failures: int, passes: int) -> str:
    """One word for tries."""
    if failures and passes:
        return "flaky"
    return "failed" if failures else "passed" if passes else "skipped"


def flaky(connection: sa.Connection, service: str, now: float) -> list[Flaky]:
    """Tests that flipped or are in quarantine, the worst first."""
    every = tests_held.every(connection, service)
    held = {(h.service, h.quarantine.test): h.quarantine for h in every}
    some = [k for k in known(connection, service, now) if k.flips or (k.service, k.test) in held]
    told = episodes(connection, [k.number for k in some], now - KEEP_SECONDS)
    found = []
    for one in some:
        past = standing(told.get(one.number, ()))
        quarantine = held.get((one.service, one.test))
        found.append(Flaky(one, past, own_bound(past), needed(past), quarantine))
    return sorted(found, key=lambda f: (-f.standing.rate, f.known.test))


def history(connection: sa.Connection, number: int, limit: int) -> list[Told]:
    """What each report said about the test, newest first."""
    query = (
        sa.select(
            *(results, reports.c.at, reports.c.run, reports.c.job, reports.c.sha),
            sa.func.coalesce(abouts.c.branch, "").label("branch"),
        )
        .select_from(
            results.join(reports, reports.c.id == results.c.report).outerjoin(
                abouts, abouts.c.report == results.c.report
            )
        )
        .where(results.c.test == number)
        .order_by(reports.c.id.desc())
        .limit(limit)
    )
    return [
        Told(
            r["at"], r["run"], r["job"], r["sha"], r["branch"],
            outcome(r["failures"], r["passes"]), r["failures"], r["passes"], r["seconds"],
            r["message"],
        )
        for r in connection.execute(query).mappings()
    ]  # fmt: skip


def timings(found: Iterable[Known]) -> list[tuple[TestId, str, float]]:
    """(test, file, seconds) of those whose time is known."""
    by_test: dict[TestId, list[Known]] = defaultdict(list)
    for one in found:
        by_test[one.test].append(one)
    return [
        (test, several[0].file, several[0].seconds)
        for test, several in by_test.items()
        if several[0].seconds is not None
    ]
