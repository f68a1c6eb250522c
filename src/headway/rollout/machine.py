"""The rollout state machine: what to do next, from what is known. Called by flows/roll_out.py.

Pure and total: every state and verdict has exactly one move. Traffic only grows, a FAIL never
shifts forward, and nothing but PASS, a person's word or a declared policy ends a step that asks
for proof. While the line is stopped the only move is the way back.
"""

from dataclasses import replace

from headway.model.rollout import (
    Conclude,
    Hold,
    Move,
    Release,
    Retire,
    RollBack,
    Rollout,
    RolloutPhase,
    Settle,
    Shift,
)
from headway.model.verdict import Outcome, Verdict
from headway.rollout.step import StepEnd, step_ends


def next_move(rollout: Rollout, verdict: Verdict, now: float, *, suspicion: bool = False) -> Move:
    """The next move at Unix time `now`, given the worst verdict about the candidate."""
    if rollout.aborted:
        return RollBack(rollout.aborted)
    if verdict.outcome is Outcome.FAIL and rollout.phase != "keeping":
        if rollout.plan.on_fail == "rollback":
            return RollBack(verdict.because)
        return Hold(f"{verdict.because}; on_fail is hold", held=True)
    return Hold(rollout.stopped) if rollout.stopped else _by_phase(rollout, verdict, now, suspicion)


def _by_phase(rollout: Rollout, verdict: Verdict, now: float, suspicion: bool) -> Move:  # noqa: FBT001
    match rollout.phase:
        case "preparing":
            return Shift(0, "the candidate is ready", proven=True)
        case "baking":
            return _bake(rollout, verdict, now, suspicion=suspicion)
        case "stability":
            return _stability(rollout, now)
        case "keeping":
            return _keeping(rollout, now)
        case "done":
            return Hold("the rollout is done")


def _bake(rollout: Rollout, verdict: Verdict, now: float, *, suspicion: bool) -> Move:
    plan, step = rollout.plan, rollout.plan.steps[rollout.at]
    if rollout.paused:
        return Hold(rollout.paused)
    if rollout.pushed:
        return _onward(rollout, rollout.pushed, proven=False)
    missing = step.approvals - len(rollout.granted)
    if missing > 0:
        return Hold(f"waits for {missing} more approval(s) of this step")
    age = now - rollout.since
    if not step.proof:
        if age >= (step.floor_seconds or 0.0):
            return _onward(rollout, "the step's time has passed without a failure", proven=True)
        return Hold(f"baking, {_left(step.floor_seconds or 0.0, age)}")
    ends = step_ends(
        plan.pace,
        rollout.at,
        now - rollout.exposed,
        age,
        verdict.outcome,
        suspicion,
        step.floor_seconds,
        plan.insufficient_data,
    )
    if ends is StepEnd.PROVEN:
        return _onward(rollout, verdict.because, proven=True)
    if ends is StepEnd.UNPROVEN:
        return _onward(rollout, f"not proven, promoted by policy: {verdict.because}", proven=False)
    return _undecided(rollout, verdict, now)


def _undecided(rollout: Rollout, verdict: Verdict, now: float) -> Move:
    plan, age = rollout.plan, now - rollout.since
    if now - rollout.started >= plan.deadline_seconds:
        return Hold(f"undecided at the deadline: {verdict.because}", held=True)
    if verdict.outcome is not Outcome.PASS and age >= plan.pace.clock:
        if plan.insufficient_data == "hold":
            return Hold(verdict.because, held=True)
        if plan.insufficient_data == "ask":
            return Hold(f"asks for a decision: {verdict.because}", held=True)
    return Hold(verdict.because)


def _onward(rollout: Rollout, because: str, *, proven: bool) -> Move:
    if rollout.at == len(rollout.plan.steps) - 1:
        shadow = rollout.plan.steps[rollout.at].share == 0.0
        return Conclude(because, proven) if shadow else Settle(because)
    return Shift(rollout.at + 1, because, proven)


def _stability(rollout: Rollout, now: float) -> Move:
    plan, age = rollout.plan, now - rollout.since
    if rollout.paused:
        return Hold(rollout.paused)
    if age < plan.stability_seconds and not rollout.pushed:
        return Hold(f"stability window, {_left(plan.stability_seconds, age)}")
    if plan.needs_traffic and rollout.served == 0 and not rollout.pushed:
        return Hold("insufficient data: no request was served in the stability window", held=True)
    if plan.stability_seconds == 0:
        return Release(rollout.pushed or "all of it is here; no stability window is asked for")
    if rollout.served == 0:
        return Release(rollout.pushed or "the stability window passed; nobody asked it anything")
    return Release(rollout.pushed or "the stability window passed without a failure")


def _keeping(rollout: Rollout, now: float) -> Move:
    age = now - rollout.since
    if age < rollout.plan.keep_old_seconds:
        return Hold(f"the old release is kept, {_left(rollout.plan.keep_old_seconds, age)}")
    return Retire("the old release was kept long enough")


def _left(whole: float, age: float) -> str:
    return f"{max(0.0, whole - age):.0f} s left"


def shifted(rollout: Rollout, to: int, now: float) -> Rollout:
    """Step `to` has been read back from the router: it counts from now."""
    last = to == len(rollout.plan.steps) - 1
    waits = rollout.plan.steps[to].proof or rollout.plan.steps[to].floor_seconds
    stays = waits or rollout.plan.steps[to].approvals
    phase: RolloutPhase = "baking" if stays or not last else "stability"
    exposed = rollout.exposed if rollout.at >= 0 else now
    forgotten = replace(rollout, held="", pushed="", granted=(), served=0)
    return replace(forgotten, at=to, since=now, phase=phase, exposed=exposed)


def reached(rollout: Rollout) -> bool:
    """Whether any user has been sent to the candidate; copies of requests are nobody's."""
    return any(step.share > 0 for step in rollout.plan.steps[: rollout.at + 1])


def settled(rollout: Rollout, now: float) -> Rollout:
    """The stability window begins now."""
    return replace(rollout, phase="stability", since=now, held="", pushed="", served=0)


def released(rollout: Rollout, now: float) -> Rollout:
    """Released; the old release may still be kept for an instant way back."""
    keep = rollout.plan.keep_old_seconds > 0
    return replace(rollout, phase="keeping" if keep else "done", since=now, held="", pushed="")


def told(rollout: Rollout, verb: str, by: str, reason: str) -> Rollout:
    """A person's command. Unknown to this phase: nothing changes. `verb`: pause, resume, abort,
    promote, approve.
    """
    said = f"{verb} by {by}: {reason}" if reason else f"{verb} by {by}"
    match verb:
        case "pause":
            return replace(rollout, paused=f"paused by {by}: {reason}")
        case "resume":
            return replace(rollout, paused="", held="")
        case "abort":
            return replace(rollout, aborted=f"aborted by {by}: {reason}")
        case "promote":
            return replace(rollout, pushed=said, paused="", held="")
        case "approve":
            step = rollout.plan.steps[rollout.at] if rollout.at >= 0 else None
            if step is not None and len(rollout.granted) < step.approvals:
                return replace(rollout, granted=tuple(sorted({*rollout.granted, by})))
            return replace(rollout, pushed=said, held="") if rollout.held else rollout
        case _:
            return rollout


def stopped(rollout: Rollout, because: str, now: float) -> Rollout:
    """The line is stopped (`because` says by whom and why) or, with an empty word, runs again.

    The clocks of the rollout stand meanwhile: bake, stability window, deadline and the time the old
    release is kept go on from where they were. What users met counts all the time.
    """
    if because:
        return replace(rollout, stopped=because, halted=rollout.halted or now)
    if not rollout.halted:
        return rollout
    stood = max(0.0, now - max(rollout.halted, rollout.since))
    since, started = rollout.since + stood, rollout.started + stood
    return replace(rollout, stopped="", halted=0.0, since=since, started=started)


def done(rollout: Rollout) -> Rollout:
    """Nothing more will happen."""
    return replace(rollout, phase="done")
