"""Which SLOs burn, told to whoever must know. Called by flows/goals.py in its transaction.

The conditions are those that `headway slo rules` exports for Prometheus (slo/windows.py), on the
same numbers; so both say the same at the same time.
"""

from dataclasses import dataclass, replace

from headway.flows.alerting import report
from headway.flows.world import World
from headway.model.alert import Symptom
from headway.model.delivery import Place
from headway.model.event import Fact
from headway.model.service import Slo
from headway.slo import windows
from headway.slo.budget import burn_rate
from headway.slo.rules import prometheus
from headway.slo.windows import Burning
from headway.store import decisions, slis
from headway.store.database import Tx
from headway.store.log import About, append
from headway.store.slis import Firing, Goal, Reading

REPORT_SECONDS = 60.0  # a burn that lasts is told again this often


@dataclass(frozen=True, slots=True)
class Seen:
    """A condition that holds, with the burn rate over its long window."""

    condition: Burning
    rate: float


def evaluate(tx: Tx, slo: Slo, goal: Goal) -> list[Seen]:
    """Every condition that holds now, the most urgent first; without their `after`."""
    over = slis.over(tx.connection, goal, tx.now)
    known = {seconds: over(seconds) for seconds in windows.lengths(slo)}
    found = []
    for condition in windows.conditions(slo):
        if windows.burns(condition, slo.target, known.__getitem__):
            rate = burn_rate(slo.target, known[condition.long]) or 0.0
            found.append(Seen(condition, rate))
    return sorted(found, key=lambda s: (s.condition.severity != "page", -s.condition.factor))


def tell(tx: Tx, world: World, place: Place, which: tuple[Slo, Goal], reading: Reading) -> Reading:
    """Tell what burns now and what no longer does; gives the reading with what fires."""
    slo, goal = which
    holds = evaluate(tx, slo, goal)
    firing = _firing(tx, place, holds, reading.firing)
    told = [s for s in holds if firing[s.condition.name].told]
    _record(tx, goal, reading.firing, firing, told)
    if not told:
        return replace(calm(tx, world, goal, reading), firing=firing)
    same = {n for n, f in firing.items() if f.told} == {
        n for n, f in reading.firing.items() if f.told
    }
    if same and tx.now - reading.reported < REPORT_SECONDS:
        return replace(reading, firing=firing)
    first = firing[told[0].condition.name]
    report(tx, world, _symptom(tx, slo, goal, first.release, told))
    return replace(reading, firing=firing, reported=tx.now)


def calm(tx: Tx, world: World, goal: Goal, reading: Reading) -> Reading:
    """Nothing of the SLO burns any longer; told once."""
    if was := [f for f in reading.firing.values() if f.told]:
        report(tx, world, _over(tx, goal, was[0].release))
    return replace(reading, firing={})


def _firing(
    tx: Tx, place: Place, holds: list[Seen], before: dict[str, Firing]
) -> dict[str, Firing]:
    """What holds, since when, and whether it has for long enough to be told."""
    found = {}
    for seen in holds:
        name, release = seen.condition.name, place.candidate or place.stable
        was = before.get(name, Firing(tx.now, told=False, release=release))
        told = was.told or tx.now - was.since >= seen.condition.after
        found[name] = replace(was, told=told)
    return found


def _symptom(tx: Tx, slo: Slo, goal: Goal, release: str, told: list[Seen]) -> Symptom:
    worst = told[0]
    long = prometheus(worst.condition.long)
    return Symptom(
        rule="slo_burn",
        service=goal.service,
        environment=goal.environment,
        summary=f"{slo.name} burns its error budget at {worst.rate:.3g}x over {long} "
        f"(limit {worst.condition.factor:g}x)",
        at=tx.now,
        release=release,
        cause=goal.slo,
        labels={
            "severity": worst.condition.severity,
            "window": long,
            "factor": f"{worst.condition.factor:g}",
            "condition": worst.condition.name,
            "slo": slo.name,
        },
    )


def _over(tx: Tx, goal: Goal, release: str) -> Symptom:
    return Symptom(
        "slo_burn", goal.service, goal.environment, "", tx.now, release, goal.slo, over=True
    )


def _record(
    tx: Tx, goal: Goal, before: dict[str, Firing], now: dict[str, Firing], told: list[Seen]
) -> None:
    """Each condition's begin and end is a fact."""
    was = {name for name, f in before.items() if f.told}
    for seen in told:
        if seen.condition.name not in was:
            data: dict[str, object] = {
                "condition": seen.condition.name,
                "severity": seen.condition.severity,
                "factor": seen.condition.factor,
                "burn_rate": round(seen.rate, 3),
                "window": prometheus(seen.condition.long),
            }
            _append(tx, goal, "slo.burning", now[seen.condition.name].release, data)
    for name in sorted(was - {n for n, f in now.items() if f.told}):
        _append(tx, goal, "slo.calm", before[name].release, {"condition": name})


def _append(tx: Tx, goal: Goal, kind: str, release: str, data: dict[str, object]) -> None:
    subject = f"{goal.service}/{goal.environment}/{goal.slo}"
    number = decisions.count(tx.connection, subject, kind)
    about = About(service=goal.service, environment=goal.environment, release=release)
    append(tx, about, Fact(kind, subject, number, {"slo": goal.slo, **data}))
