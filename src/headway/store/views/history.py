"""Past canaries of a service, from what was recorded: how long proof took, what was caught when.

Called by `headway rollout suggest`; the judgement is headway.analysis.history's.
"""

import sqlalchemy as sa

from headway.analysis.history import Past, Visit
from headway.analysis.judge import Finding
from headway.model.rollout import Rollout
from headway.model.verdict import Outcome
from headway.model.window import VersionCounts, Window
from headway.store import log, rollouts
from headway.store.records import loads
from headway.store.tables import rollouts as table

MOST = 50
Judged = list[tuple[Window, Finding]]


def pasts(connection: sa.Connection, service: str, environment: str) -> list[Past]:
    """The newest finished canaries there that had a stable release beside them, newest first."""
    query = (
        sa.select(table.c.id, table.c.release, table.c.outcome, table.c.state)
        .where(
            table.c.service == service,
            table.c.environment == environment,
            table.c.stable != "",
            table.c.outcome != "",
        )
        .order_by(table.c.id.desc())
        .limit(MOST)
    )
    return [
        _past(connection, row.id, row.release, row.outcome)
        for row in list(connection.execute(query))
        if loads(row.state, Rollout).plan.strategy == "canary"
    ]


def _past(connection: sa.Connection, id: str, release: str, outcome: str) -> Past:
    recorded = rollouts.all_windows(connection, id)
    judged = [(loads(w, Window), loads(f, Finding)) for w, f in recorded]
    held = {
        e.data["step"]
        for e in log.any_of(connection, subject=[id], delivery=[])
        if e.kind == "rollout.held" and "insufficient data" in str(e.data["because"])
    }
    steps = sorted({window.step for window, _ in judged})
    visits = [_visit([j for j in judged if j[0].step == step], held=step in held) for step in steps]
    return Past(release, outcome, _rate(judged), tuple(v for v in visits if v.share > 0))


def _visit(judged: Judged, *, held: bool) -> Visit:
    began = judged[0][0].start
    proven = _first(judged, Outcome.PASS)
    caught = _first(judged, Outcome.FAIL)
    until = judged if proven is None else judged[: proven + 1]
    return Visit(
        share=judged[0][0].share,
        seconds=judged[-1][0].end - began,
        proven=None if proven is None else judged[proven][0].end - began,
        caught=None if caught is None else judged[caught][0].end - began,
        requests=sum(_requests(window.candidate) for window, _ in until),
        held=held,
    )


def _first(judged: Judged, outcome: Outcome) -> int | None:
    found = (i for i, (_, finding) in enumerate(judged) if finding.verdict.outcome is outcome)
    return next(found, None)


def _rate(judged: Judged) -> float:
    """Requests per second; gaps between windows (a step that takes effect) are not counted."""
    seconds = sum(window.end - window.start for window, _ in judged)
    served = sum(_requests(w.candidate) + _requests(w.stable) for w, _ in judged)
    return served / seconds if seconds > 0 else 0.0


def _requests(side: VersionCounts | None) -> int:
    return 0 if side is None else side.total.requests
