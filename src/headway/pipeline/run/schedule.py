"""Which job is next: decides, from a run's state alone, what follows. Does nothing itself.

Called by flows/pipeline.py at every boundary of a job: `settle` gives the events that follow
without anything being run (plans, skips, ends of called workflows, the end of the run), `ready` the
instances that may begin, `order` or `call` how, `stopping` those that run and shall not. The same
state gives the same answers, so that a run goes on after a crash as if nothing had been.
"""

from dataclasses import replace
from itertools import islice
from typing import Any

from headway import expression
from headway.expression import ExpressionError, Scope
from headway.model.job import JobOrder, JobOutcome, JobReport
from headway.pipeline.run import inputs, orders, planning
from headway.pipeline.run.agenda import Agenda, Openings, active, waits
from headway.pipeline.run.contexts import Contexts, filled, github, template, valued
from headway.pipeline.run.groups import Group, group
from headway.pipeline.run.matrix import BadMatrix
from headway.pipeline.run.outcomes import Result, result, status_functions, why_not
from headway.pipeline.run.program import Program
from headway.pipeline.run.retries import settings_of
from headway.pipeline.run.state import (
    Called,
    Ended,
    Event,
    Finished,
    Planned,
    RunState,
    after,
    conclusion,
)
from headway.pipeline.run.units import Frame, Unit

TOKEN = "GITHUB_TOKEN"
Words = (ExpressionError, BadMatrix, orders.BadValue, inputs.BadInput)
"""What a workflow can say that means nothing once it is evaluated: such a job is red."""


class Schedule:
    """The decisions of one run. It remembers what it has worked out, and nothing else: the states
    that it is given must be of that run, each later than the one before.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self._github = github(program)
        self._units: dict[str, Unit] = {}
        self._agenda = Agenda()
        self._openings = Openings()
        self._tries: dict[str, tuple[JobReport, ...]] = {}
        self._frames: dict[str, Frame] = {}
        self._left: dict[str, int] = {}
        self._places: dict[str, tuple[Unit, int]] = {}
        self._plans = self._calls = self._ends = 0
        self._running: dict[str, int] = {}
        self._reds: dict[str, str] = {}
        self._sure: set[str] = set()
        self._done: dict[str, Result] = {}
        self._contexts: dict[str, Contexts] = {}
        self._wishes: dict[tuple[str, bool], bool] = {}
        self._enter(Frame(program.root, program.inputs))

    def settle(self, state: RunState, now: float) -> tuple[list[Event], RunState]:
        """The events that follow from the state, and the state after them."""
        events: list[Event] = []
        self._learn(state)
        while units := self._agenda.take(state, len(self._reds)):
            for unit in units:
                found = self._follow(state, unit, now)
                for event in found:
                    state = after(state, event)
                if found:
                    self._learn(state)
                    self._agenda.look(unit.id)
                self._close(state, unit)
                events += found
        if not self._agenda.open and state.phase == "running":
            end = Finished(self._outcome(state), now)
            return [*events, end], after(state, end)
        return events, state

    def ready(
        self, state: RunState, free: int, passed: frozenset[str] = frozenset()
    ) -> tuple[str, ...]:
        """Keys of instances that may begin: at most `free` jobs, and calls, which need no place.

        `passed`: keys that shall not be named (they wait for their concurrency group).
        """
        self._learn(state)
        found: list[str] = []
        for unit in tuple(self._openings.calls.values()):
            found += self._beginning(state, unit, passed)
        for unit in tuple(self._openings.jobs.values()) if free > 0 else ():
            chosen = self._beginning(state, unit, passed)[:free]
            free -= len(chosen)
            found += chosen
            if free <= 0:
                break
        return tuple(found)

    def _beginning(self, state: RunState, unit: Unit, passed: frozenset[str]) -> list[str]:
        """The instances of the job that may begin if there is a place for them."""
        plan = state.plans[unit.id]
        waiting = self._openings.waiting(state, unit)
        if not waiting:
            self._openings.leave(unit)
        if plan.max_parallel:
            begun = sum(1 for key in plan.keys if active(state, key))
            waiting = waiting[: max(plan.max_parallel - begun, 0)]
        return [key for key in waiting if key not in passed]

    def is_call(self, state: RunState, key: str) -> bool:
        """Whether the instance calls a workflow instead of running steps."""
        return self._place(state, key)[0].job.uses is not None

    def order(self, state: RunState, key: str) -> JobOrder:
        """The order for the instance. Raises one of Words."""
        unit, number = self._place(state, key)
        plan = state.plans[unit.id]
        contexts = self._instance(unit, plan, number)
        contexts["github"] = {**self._github, "job": unit.job.id}
        made = orders.order(state.spec, unit, plan, number, contexts)
        before = len(state.tries.get(key, ()))
        reports = settings_of(state.spec, unit.id).reports
        return replace(made, attempt=made.attempt + before, tries=before + 1, reports=reports)

    def call(self, state: RunState, key: str, now: float) -> Called:
        """The beginning of the call that the instance makes. Raises one of Words."""
        unit, number = self._place(state, key)
        plan = state.plans[unit.id]
        scope = Scope(self._instance(unit, plan, number), {})
        given = {name: valued(text, scope) for name, text in unit.job.inputs}
        sheet = self.program.sheet(unit.frame.sheet, unit.job)
        return Called(key, sheet.name, inputs.called(sheet.callable().inputs, given), now)

    def groups(self, state: RunState, key: str) -> tuple[Group, ...]:
        """The concurrency groups that the instance must enter first. Raises one of Words."""
        unit, number = self._place(state, key)
        contexts = self._instance(unit, state.plans[unit.id], number)
        found = [group(unit.job.concurrency, contexts)]
        if unit.job.uses is not None:
            called = self.program.sheet(unit.frame.sheet, unit.job).workflow
            if called.concurrency is not None:
                handed = {"github": self._github, "inputs": self.call(state, key, 0.0).inputs}
                found.append(
                    group(called.concurrency, {**handed, "vars": dict(self.program.spec.vars)})
                )
        return tuple(dict.fromkeys(g for g in found if g is not None))

    def own_group(self) -> Group | None:
        """The concurrency group of the whole run. Raises one of Words."""
        return group(self.program.root.workflow.concurrency, self._outer(self._frames[""]))

    def title(self) -> str:
        """The run's name for people (`run-name`), "" if none is written. Raises one of Words."""
        written = self.program.root.workflow.run_name
        return filled(written, Scope(self._outer(self._frames[""]), {})).strip()

    def stopping(self, state: RunState) -> dict[str, str]:
        """Keys of running instances that shall stop, and why."""
        self._learn(state)
        found: dict[str, str] = {}
        if not (state.cancelled or state.stopped or self._reds):
            return found
        for key in state.running:
            unit, _ = self._places[key]
            because = self._halted(state, unit, key)
            if not because and state.cancelled and not self._survives(state, unit):
                because = state.cancelled
            if because:
                found[key] = because
        return found

    def tolerates(self, state: RunState, key: str) -> bool:
        """Whether a red end of the instance counts as green."""
        unit, number = self._place(state, key)
        try:
            return orders.tolerates(unit, self._instance(unit, state.plans[unit.id], number))
        except ExpressionError:
            return False

    def secrets(self, state: RunState, key: str, given: dict[str, str]) -> dict[str, str]:
        """The secrets that the instance may see, of those the run has been given.

        A called workflow sees what it is handed, and the token; a job that its `permissions`, or
        those of a caller, allow nothing gets none. Raises ExpressionError.
        """
        unit, _ = self._place(state, key)
        if not self.program.spec.trusted:
            return {}
        found = self._handed(state, unit.frame, given)
        return {n: v for n, v in found.items() if n != TOKEN} if unit.may_nothing() else found

    def sources(self, state: RunState, key: str) -> tuple[str, ...]:
        """The paths that the instance's result depends on; none: the whole tree."""
        unit, _ = self._place(state, key)
        return self.program.spec.sources.get(unit.id, ())

    def above(self, state: RunState, key: str) -> tuple[str, ...]:
        """The keys of all instances that come before this one, inside its workflow."""
        unit, _ = self._place(state, key)
        return tuple(k for a in unit.ancestors() for k in state.planned.get(a, ()))

    def callers(self, state: RunState, key: str) -> tuple[str, ...]:
        """The keys of the instances whose calls this one is inside of, the nearest first."""
        unit, _ = self._place(state, key)
        found = []
        while unit.frame.caller is not None:
            found.append(unit.frame.key)
            unit = unit.frame.caller
        return tuple(found)

    def units(self, state: RunState) -> dict[str, Unit]:
        """Every job of the run that is known so far, by its id."""
        self._learn(state)
        return dict(self._units)

    def job_of(self, state: RunState, key: str) -> str:
        """The id of the job that this is an instance of."""
        return self._place(state, key)[0].id

    # What is known of places.

    def _enter(self, frame: Frame) -> None:
        units = frame.units()
        self._frames[frame.key] = frame
        self._left[frame.key] = len(units)
        self._units.update((unit.id, unit) for unit in units)
        self._agenda.enter(units)
        if frame.caller is not None:
            self._agenda.look(frame.caller.id)

    def _learn(self, state: RunState) -> None:
        """Take in the plans and calls that are new in the state: each call comes after the plan of
        its job, and before those of the jobs that it calls.
        """
        while self._plans < len(state.plans) or self._calls < len(state.calls):
            for plan in islice(state.plans.values(), self._plans, None):
                if plan.job not in self._units:
                    break
                unit = self._units[plan.job]
                self._places.update((key, (unit, n)) for n, key in enumerate(plan.keys))
                self._running[unit.id] = len(plan.keys)
                self._openings.enter(unit)
                self._agenda.look(unit.id)
                self._plans += 1
            for call in islice(state.calls.values(), self._calls, None):
                if call.key not in self._places:
                    break
                self._learn_call(state, call)
        if self._ends < len(state.ended):
            self._learn_ends(state)
        if state.tries is not self._tries:
            self._tries = state.tries
            for key in state.tries:
                self._openings.enter(self._places[key][0])

    def _learn_ends(self, state: RunState) -> None:
        for key, report in islice(state.ended.items(), self._ends, None):
            unit, number = self._places[key]
            self._running[unit.id] -= 1
            self._agenda.look(unit.id)
            self._ends += 1
            plan = state.plans[unit.id]
            red = report.outcome == "failure" and key not in state.tolerated
            if red and plan.fail_fast and len(plan.keys) > 1:
                self._reds.setdefault(unit.id, f"`{plan.names[number]}` failed (fail-fast)")

    def _learn_call(self, state: RunState, call: Called) -> None:
        unit, number = self._places[call.key]
        plan = state.plans[unit.id]
        id = f"{unit.id}.{number + 1}" if plan.keys != (unit.key,) else unit.id
        sheet = self.program.called[call.workflow]
        self._calls += 1
        self._enter(Frame(sheet, call.inputs, id, call.key, plan.names[number], unit, number))

    def _place(self, state: RunState, key: str) -> tuple[Unit, int]:
        self._learn(state)
        return self._places[key]

    def _outer(self, frame: Frame) -> Contexts:
        """The contexts that all jobs of a workflow share."""
        return {
            "github": self._github,
            "inputs": frame.inputs,
            "vars": self.program.spec.vars,
        }

    def _base(self, unit: Unit) -> Contexts:
        """The contexts of a job all of whose needs are done."""
        found = self._contexts.get(unit.id)
        if found is None:
            needs = {n: self._done[unit.frame.id_of(n)].context() for n in unit.needs}
            found = {**self._outer(unit.frame), "needs": needs}
            self._contexts[unit.id] = found
        return found

    def _instance(self, unit: Unit, plan: Planned, number: int) -> Contexts:
        return planning.instance(self._base(unit), plan, number)

    # What follows.

    def _follow(self, state: RunState, unit: Unit, now: float) -> list[Event]:
        plan = state.plans.get(unit.id)
        if unit.id not in self._sure:
            if not all(unit.frame.id_of(need) in self._done for need in unit.needs):
                return []
            self._sure.add(unit.id)
            self._agenda.look(unit.id)
            return self._plan(state, unit, now) if plan is None else self._cut_off(state, unit, now)
        if plan is None:
            return []
        frame = unit.frame
        outer = self._halted(state, frame.caller, frame.key) if frame.caller else ""
        halt = self._reds.get(unit.id, "") or outer
        if unit.job.uses is None and not (halt or state.cancelled or state.stopped or state.kept):
            return []
        found = (
            self._waiting(state, unit, key, halt, now)
            if waits(state, key)
            else self._returned(state, unit, key, now)
            for key in plan.keys
            if key not in state.ended
        )
        return [event for event in found if event is not None]

    def _cut_off(self, state: RunState, unit: Unit, now: float) -> list[Event]:
        """The end of a job that was to be planned and ended at once, if a crash came between."""
        if unit.key not in state.planned[unit.id] or not waits(state, unit.key):
            return []
        return [event for event in self._plan(state, unit, now) if isinstance(event, Ended)]

    def _plan(self, state: RunState, unit: Unit, now: float) -> list[Event]:
        stopped = self._stopped(state, unit)
        try:
            if state.forced or not self._wishes_to_run(unit, cancelled=bool(stopped)):
                written = unit.job.condition.text if unit.job.condition else ""
                because = _stop(stopped) or why_not(self._ancestors(unit), written)
                return self._never(unit, "skipped", because, now)
            return [planning.planned(unit, self._base(unit), now)]
        except Words as error:
            return self._never(unit, "failure", self._blame(unit, error), now)

    def _waiting(
        self, state: RunState, unit: Unit, key: str, halt: str, now: float
    ) -> Event | None:
        """What becomes of an instance that was planned and has not begun."""
        if because := state.stopped.get(key, "") or halt:
            return Ended(unit.id, _report(key, "cancelled", because, now), now)
        if state.cancelled and not self._survives(state, unit):
            because = _stop(state.cancelled)
            if tried := state.tries.get(key):
                return Ended(unit.id, replace(tried[-1], outcome="cancelled", because=because), now)
            return Ended(unit.id, _report(key, "skipped", because, now), now)
        if key in state.kept and unit.job.uses is None:
            return Ended(unit.id, state.kept[key], now)
        return None

    def _returned(self, state: RunState, unit: Unit, key: str, now: float) -> Event | None:
        """The end of a call, once all the called workflow's jobs have ended."""
        if key not in state.calls or self._left[key]:
            return None
        frame = self._frames[key]
        done = {job.id: self._done[frame.id_of(job.id)] for job in frame.sheet.jobs}
        outcome = conclusion(found.result for found in done.values())
        jobs = {id: found.context() for id, found in done.items()}
        scope = Scope({**self._outer(frame), "jobs": jobs}, {})
        began = state.calls[key].at
        try:
            outputs = {n: filled(t, scope) for n, t in frame.sheet.callable().outputs}
        except ExpressionError as error:
            because = f"the outputs of {frame.sheet.name}: {error}"
            return Ended(unit.id, JobReport(key, "failure", began, now, because=because), now)
        return Ended(unit.id, JobReport(key, outcome, began, now, outputs=outputs), now)

    def _close(self, state: RunState, unit: Unit) -> None:
        """Note the result of a job whose instances have all ended."""
        if not self._running.get(unit.id, 1):
            self._done[unit.id] = result(state, state.plans[unit.id])
            self._left[unit.frame.key] -= 1
            self._agenda.close(unit)

    def _never(self, unit: Unit, outcome: JobOutcome, because: str, now: float) -> list[Event]:
        """The job will not run: one instance that ends as it is planned."""
        report = _report(unit.key, outcome, because, now)
        tolerated = outcome == "failure" and self._tolerated_without_matrix(unit)
        return [planning.alone(unit, now), Ended(unit.id, report, now, tolerated)]

    def _tolerated_without_matrix(self, unit: Unit) -> bool:
        try:
            return orders.tolerates(unit, self._base(unit))
        except ExpressionError:
            return False

    def _blame(self, unit: Unit, error: Exception) -> str:
        at = unit.job.at
        return f"{unit.frame.sheet.workflow.file}:{at.line}:{at.column}: {error}"

    # Conditions and stops.

    def _ancestors(self, unit: Unit) -> dict[str, Result]:
        ids = sorted(unit.frame.sheet.ancestors[unit.job.id])
        return {id: self._done[unit.frame.id_of(id)] for id in ids}

    def _wishes_to_run(self, unit: Unit, *, cancelled: bool) -> bool:
        """The truth of the job's `if`. Raises ExpressionError."""
        known = self._wishes.get((unit.id, cancelled))
        if known is None:
            functions = status_functions(self._ancestors(unit), cancelled=cancelled)
            scope = Scope(self._base(unit), functions)
            known = expression.condition(template(unit.job.condition), scope)
            self._wishes[unit.id, cancelled] = known
        return known

    def _survives(self, state: RunState, unit: Unit) -> bool:
        """Whether the job runs, or goes on, in a cancelled run: by its own condition alone, so that
        a called workflow cleans up as one that is not called does.
        """
        if state.forced:
            return False
        try:
            return self._wishes_to_run(unit, cancelled=True)
        except ExpressionError:
            return False

    def _stopped(self, state: RunState, unit: Unit) -> str:
        """Why jobs of this workflow shall not begin any more; "" if they may."""
        frame = unit.frame
        if state.cancelled or frame.caller is None:
            return state.cancelled
        return self._halted(state, frame.caller, frame.key)

    def _halted(self, state: RunState, unit: Unit, key: str) -> str:
        """Why just this instance, or one that calls it, shall stop; "" if nothing is known."""
        if key in state.stopped:
            return state.stopped[key]
        if unit.id in self._reds:
            return self._reds[unit.id]
        frame = unit.frame
        return self._halted(state, frame.caller, frame.key) if frame.caller else ""

    def _outcome(self, state: RunState) -> Any:
        if state.cancelled:
            return "cancelled"
        jobs = (self._done[self._frames[""].id_of(job.id)] for job in self.program.root.jobs)
        worst = conclusion(found.result for found in jobs)
        return "success" if worst == "skipped" else worst

    def _handed(self, state: RunState, frame: Frame, given: dict[str, str]) -> dict[str, str]:
        caller = frame.caller
        if caller is None:
            return given
        outer = self._handed(state, caller.frame, given)
        if caller.job.inherit:
            return outer
        contexts = self._instance(caller, state.plans[caller.id], frame.number)
        scope = Scope({**contexts, "secrets": outer}, {})
        handed = {name: filled(text, scope) for name, text in caller.job.secrets}
        token = {TOKEN: outer[TOKEN]} if TOKEN in outer else {}
        return {name: value for name, value in (token | handed).items() if value}


def _stop(why: str) -> str:
    return f"the run was stopped: {why}" if why else ""


def _report(key: str, outcome: JobOutcome, because: str, now: float) -> JobReport:
    return JobReport(key, outcome, now, now, because=because)
