"""Runs that wait without a process: for a person, for a concurrency group, for the next try.

Such a run has left a ticket (store/run_ticket.py), holds no lock, no place among the server's runs
and nothing of the machine; `stirs` says when it must be driven again. To drive one too early costs
a look and changes nothing. Called by flows/pipeline, pipeline_drive and run_wake.
"""

from collections.abc import Mapping

from headway.flows import pipeline_gates as gates
from headway.flows.pipeline_bench import Bench
from headway.flows.pipeline_groups import Groups
from headway.pipeline.run.state import RunState
from headway.store import run_log, run_ticket

SOON_SECONDS = 5.0
"""A try that is due sooner is waited for in place."""


def stirs(bench: Bench, run: str, now: float) -> bool:
    """Whether anything came that the run has not heard, or its time has come, or its turn in a
    group, or the line runs again; True also of one without a ticket. Raises OSError.
    """
    home, ticket = bench.home, run_ticket.find(bench.home, run)
    if ticket is None or run_log.asked(home, run) > ticket.heard:
        return True
    if ticket.due and now >= ticket.due:
        return True
    if any(not bench.line(ticket.repo, environment) for environment in ticket.stopped):
        return True
    line = Groups(home, ticket.repo, run)
    return any(line.moved(key, group) for key, group in ticket.groups.items())


def due(state: RunState, owed: Mapping[str, float]) -> float:
    """When something happens in the waiting run by itself (Unix seconds; 0: never). `owed`: when
    the next try of an instance begins, by key.
    """
    ends = (state.asked_at[key] + gates.PATIENCE_SECONDS for key in state.held)
    return min((*owed.values(), *ends), default=0.0)


def words(bench: Bench, state: RunState) -> str:
    """What the run waits for."""
    ticket = run_ticket.find(bench.home, state.spec.id)
    for environment in ticket.stopped if ticket else ():
        if because := bench.line(state.spec.repo, environment):
            return because
    if state.held:
        return f"waits for approval of {', '.join(dict.fromkeys(state.held.values()))}"
    owed = any(k not in state.orders and k not in state.ended for k in state.due)
    return "waits for its next try" if owed else "waits for its turn in a concurrency group"
