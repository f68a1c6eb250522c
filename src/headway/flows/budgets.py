"""What the gates are asked about error budgets, from what was counted. Called by flows/enter.py
inside its transaction, and by `headway plan`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import sqlalchemy as sa

from headway.gate import burn_rate, error_budget, slo
from headway.gate.burn_rate import Burn
from headway.gate.error_budget import Asked, Left
from headway.gate.slo import Kept
from headway.model.service import Environment, Service, Slo
from headway.model.verdict import Outcome, Verdict
from headway.slo.budget import budget
from headway.slo.budget import burn_rate as rate_of
from headway.slo.routes import measured
from headway.slo.windows import nominal_seconds
from headway.store import records, slis
from headway.store.slis import Goal
from headway.store.tables import rollouts

FRESH_SECONDS = 120.0


def verdicts(
    connection: sa.Connection, service: Service, environment: Environment, asked: Asked, now: float
) -> list[Verdict]:
    """The answers of the gates that the environment sets up; none of those it does not."""
    found = []
    pairs = [(s, Goal(service.name, environment.name, s.name)) for s in service.slos]
    new = _new(connection, service, environment)
    if environment.error_budget is not None:
        left = [_left(connection, s, g, now) for s, g in pairs]
        known = tuple(x for x in left if x.left is not None or x.slo not in new)
        said = partial(error_budget.judge, environment.error_budget, known, asked)
        found.append(_answer(error_budget.JUDGE, known, left, said))
    if environment.slo is not None:
        within = environment.slo.within_seconds
        kept = [_kept(connection, s, g, now, within) for s, g in pairs]
        met = tuple(x for x in kept if x.compliance is not None or x.slo not in new)
        said = partial(slo.judge, environment.slo, met, serves=asked.serves)
        found.append(_answer(slo.JUDGE, met, kept, said))
    if environment.burn_rate is not None:
        over = environment.burn_rate.over_seconds
        burns = [_burn(connection, s, g, now, over) for s, g in pairs]
        rates = tuple(x for x in burns if x.rate is not None or x.slo not in new)
        said = partial(burn_rate.judge, environment.burn_rate, rates, serves=asked.serves)
        found.append(_answer(burn_rate.JUDGE, rates, burns, said))
    return found


def _new(connection: sa.Connection, service: Service, environment: Environment) -> set[str]:
    """SLOs of routes that the stable release does not name. Its routing does not count them, and
    only this release's will: to wait for their data would be to wait for ever.
    """
    stable = records.place(connection, service.name, environment.name).stable
    before = measured(records.release(connection, stable).config.slos) if stable else ()
    added = set(measured(service.slos)) - set(before)
    return {s.name for s in service.slos if not s.source and s.route in added}


def _answer(
    judge: str,
    known: Sequence[Left | Kept | Burn],
    wanted: Sequence[Left | Kept | Burn],
    said: Callable[[], Verdict],
) -> Verdict:
    """What the gate says of the SLOs that could be measured, and which could not yet."""
    missing = [x.slo for x in wanted if x not in known]
    if not missing:
        return said()
    because = f"{', '.join(missing)}: this release is the first whose routing counts the route"
    if not known:
        return Verdict(judge, Outcome.PASS, because)
    verdict = said()
    return replace(verdict, because=f"{verdict.because}; {because}")


def since_last(
    connection: sa.Connection, service: str, environment: str, delivery: str, now: float
) -> float | None:
    """How long ago the last rollout of another delivery began here; None if there was none."""
    t = rollouts
    query = sa.select(sa.func.max(t.c.started_at)).where(
        t.c.service == service, t.c.environment == environment, t.c.delivery != delivery
    )
    last: float | None = connection.execute(query).scalar()
    return None if last is None else now - last


def _left(connection: sa.Connection, slo: Slo, goal: Goal, now: float) -> Left:
    tally = slis.in_window(connection, goal, slo, now)
    found = budget(slo.target, tally, nominal_seconds(slo))
    quiet = found.left is None and _measured(connection, goal, now)
    return Left(slo.name, found.left, window_words(slo), quiet)


def _kept(connection: sa.Connection, slo: Slo, goal: Goal, now: float, within: float) -> Kept:
    tally = slis.tallied(connection, goal, now - within, now)
    compliance = tally.good / tally.total if tally.total > 0 else None
    quiet = compliance is None and _measured(connection, goal, now)
    return Kept(slo.name, compliance, slo.target, quiet)


def _burn(connection: sa.Connection, slo: Slo, goal: Goal, now: float, over: float) -> Burn:
    rate = rate_of(slo.target, slis.tallied(connection, goal, now - over, now))
    return Burn(slo.name, rate, rate is None and _measured(connection, goal, now))


def _measured(connection: sa.Connection, goal: Goal, now: float) -> bool:
    """Whether the SLO is being read: then no event means that nobody asked anything."""
    last = slis.reading(connection, goal)
    return last.at > now - FRESH_SECONDS and not last.problem


def window_words(slo: Slo) -> str:
    """`30-day window`, `calendar month of Europe/Berlin`."""
    if slo.calendar:
        return f"calendar {slo.calendar} of {slo.zone}"
    days = slo.window_seconds / 86400
    return f"{days:g}-day window" if days >= 1 else f"{slo.window_seconds / 3600:g}-hour window"
