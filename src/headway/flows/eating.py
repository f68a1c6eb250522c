"""Pauses a rollout that eats what is left of an error budget. Called by flows/goals.py.

The word goes through the same door as a person's (flows/commands.py), by `headway`, with the
figures; a person may resume the rollout. Then another tenth of the budget must go before it is
paused again.
"""

from dataclasses import dataclass, replace

from headway.flows import commands
from headway.flows.commands import Word
from headway.flows.world import World
from headway.gate.error_budget import is_fix
from headway.model.delivery import Place
from headway.model.rollout import Rollout
from headway.model.service import ErrorBudgetGate, Slo
from headway.slo.budget import budget
from headway.slo.pausing import Spent, must_pause
from headway.slo.tally import Tally
from headway.slo.windows import nominal_seconds
from headway.store import records, rollouts, slis
from headway.store.database import Tx
from headway.store.slis import Base, Goal, Reading

PAUSABLE = frozenset({"baking", "stability"})
Pair = tuple[Slo, Goal]


@dataclass(frozen=True, slots=True)
class Running:
    """A rollout that has reached users, in a phase in which it can be paused."""

    id: str
    delivery: str
    environment: str
    state: Rollout


def running(tx: Tx, place: Place) -> Running | None:
    """The place's rollout, if users have reached it and it can be paused."""
    now = records.place(tx.connection, place.service, place.environment)
    if not now.rollout or not now.holder:
        return None
    state = rollouts.load(tx.connection, now.rollout)
    if state.phase not in PAUSABLE or not state.exposed:
        return None
    return Running(now.rollout, now.holder, now.environment, state)


def based(tx: Tx, rollout: Running, which: Pair, reading: Reading) -> Reading:
    """The reading with where the SLO stood when users reached the rollout: at the last look before
    the first one that sees it, so that nothing the rollout did is left out.
    """
    slo, goal = which
    if reading.base is not None and reading.base.rollout == rollout.id:
        return reading
    before = slis.in_window(tx.connection, goal, slo, tx.now)
    return replace(reading, base=Base(rollout.id, before, reading.bad, reading.total))


def weigh(tx: Tx, world: World, rollout: Running, pairs: list[Pair], gate: ErrorBudgetGate) -> None:
    """Pause it if it must be, once."""
    if commands.is_said(tx.connection, rollout.delivery, "pause"):
        return
    if rollout.state.paused:
        # what burns meanwhile is known to whoever resumes it
        _mark(tx, pairs)
        return
    subject = records.delivery(tx.connection, rollout.delivery).subject
    for slo, goal in pairs:
        spent = _spent(slis.reading(tx.connection, goal))
        if spent is None or (is_fix(subject) and _came_as_a_fix(slo, spent, gate)):
            continue
        because = must_pause(slo.target, gate.pause, spent)
        if because:
            word = Word("pause", "headway", f"{slo.name}: {because}", rollout.environment)
            commands.say(tx, world.outbox, rollout.delivery, word)
            _mark(tx, pairs)
            return


def _spent(reading: Reading) -> Spent | None:
    base = reading.base
    if base is None:
        return None
    total, bad = reading.total - base.total, reading.bad - base.bad
    return Spent(base.before, Tally(total - bad, total), base.paused_at)


def _came_as_a_fix(slo: Slo, spent: Spent, gate: ErrorBudgetGate) -> bool:
    """Whether only its being a fix let it in: then what little is left is not its measure."""
    left = budget(slo.target, spent.before, nominal_seconds(slo)).left
    return gate.then == "fixes_only" and left is not None and left <= gate.left


def _mark(tx: Tx, pairs: list[Pair]) -> None:
    """How much each SLO has burnt by now, of rollouts that were paused by this or by a person."""
    for _, goal in pairs:
        known = slis.reading(tx.connection, goal)
        if known.base is not None:
            marked = replace(known.base, paused_at=known.bad - known.base.bad)
            slis.put_reading(tx, goal, replace(known, base=marked))
