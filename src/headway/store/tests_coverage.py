"""How much of each commit's code its tests ran, in all and on critical paths, and which release
that commit became. Called by store/tests_files.py and cli/test.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from headway.store.database import Tx
from headway.store.tables import releases
from headway.store.test_tables import coverages
from headway.store.tests import Origin
from headway.testing.coverage import Coverage, CoverageGate, Least, select, share


@dataclass(frozen=True, slots=True)
class Covered:
    """Of a commit: `path` is a glob, empty for all files; shares are 0 to 1, None for no data.
    `least`: what was asked of the lines. `release`: empty if the commit became none.
    """

    service: str
    sha: str
    job: str
    run: str
    release: str
    path: str
    lines: int
    lines_run: int
    line_share: float | None
    branch_share: float | None
    least: float | None
    at: float


def keep(tx: Tx, origin: Origin, coverage: Coverage, gate: CoverageGate | None) -> None:
    """Write the counts for all files and for each critical path; the same fingerprint's former
    ones go.
    """
    asked = gate or CoverageGate()
    goals: dict[str, Least] = {"": asked.least} | {g.glob: g for g in asked.critical}
    c = coverages.c
    mine = (c.service == origin.service) & (c.fingerprint == origin.fingerprint)
    tx.connection.execute(coverages.delete().where(mine))
    tx.connection.execute(coverages.insert(), list(_rows(tx, origin, coverage, goals.values())))


def _rows(
    tx: Tx, origin: Origin, coverage: Coverage, goals: Iterable[Least]
) -> Iterable[dict[str, object]]:
    for goal in goals:
        files = select(coverage, goal.glob)
        yield {
            "service": origin.service, "fingerprint": origin.fingerprint, "glob": goal.glob,
            "sha": origin.sha, "job": origin.job, "run": origin.run, "least": goal.lines,
            "lines": sum(f.lines for f in files), "lines_run": sum(f.lines_run for f in files),
            "branches": sum(f.branches for f in files),
            "branches_run": sum(f.branches_run for f in files), "at": tx.now,
        }  # fmt: skip


def listed(connection: sa.Connection, service: str, what: str, limit: int) -> list[Covered]:
    """The newest first. `what`: only of this commit (or its beginning) or release; '' for all."""
    c, r = coverages.c, releases.c
    same = (r.service == c.service) & (r.sha == c.sha) & (c.sha != "")
    query = sa.select(coverages, sa.func.coalesce(r.name, "").label("release"))
    query = query.select_from(coverages.outerjoin(releases, same))
    if service:
        query = query.where(c.service == service)
    if what:
        query = query.where((r.name == what) | c.sha.startswith(what, autoescape=True))
    rows = connection.execute(query.order_by(c.at.desc(), c.fingerprint, c.glob).limit(limit))
    return [_covered(row) for row in rows.mappings()]


def _covered(row: "sa.RowMapping") -> Covered:
    return Covered(
        row["service"], row["sha"], row["job"], row["run"], row["release"], row["glob"],
        row["lines"], row["lines_run"], share(row["lines_run"], row["lines"]),
        share(row["branches_run"], row["branches"]), row["least"], row["at"],
    )  # fmt: skip


def prune(tx: Tx, before: float) -> None:
    """Forget what is older, unless the commit became a release."""
    released = sa.select(releases.c.sha)
    old = (coverages.c.at < before) & coverages.c.sha.not_in(released)
    tx.connection.execute(coverages.delete().where(old))
