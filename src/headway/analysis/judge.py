"""The judge: is the new version worse than the stable one by more than is tolerated?

An anytime-valid e-process: it may be asked after every window, and the chance that it ever rolls
back a version within tolerance stays below alpha = 1 - confidence (assumptions and derivation:
docs/explanation/judge.md). Pure: the same state and window give the same answer, bit for bit.
Called after every window by flows and by `headway judge`. Least times, clocks, pauses and
approvals are the rollout's, not the judge's.
"""

import math
from dataclasses import dataclass, field, replace

from headway.analysis import capital as purse
from headway.analysis import concentration, own, roles, words
from headway.analysis.bets import Baseline, Bet, Past, Sides, busier, chosen_bounds, offered
from headway.analysis.capital import Capital
from headway.analysis.dispersion import Spread, learn
from headway.analysis.margins import Moment
from headway.analysis.memory import Memory, remember
from headway.analysis.proof import Proof, extended, label
from headway.analysis.score import score
from headway.analysis.warm import Warm, observe
from headway.model.errors import Invalid
from headway.model.service import Analysis, Signal
from headway.model.verdict import Outcome, Verdict
from headway.model.window import Counts, VersionCounts, Window

BETA = 0.05
SUSPICION = 1.5
FULL_SHARE = 1 - 1e-9
NAME = "analysis"


@dataclass(frozen=True, slots=True)
class Setup:
    """What it must prove and at which pace. `holdback` 0: after the last step there is nobody to
    compare with, and limits are absolute. `snapshot`: what an earlier stable version did, for those
    limits; how old it is, its owner says.
    """

    analysis: Analysis
    holdback: float
    snapshot: Memory | None = None


@dataclass(frozen=True, slots=True)
class SignalFinding:
    """One signal since the step began. `candidate`, `stable`: bad share, 0 to 1 (own counts: per
    exposure; own values: mean), None without requests; `log_evidence`: of harm, on the signal's
    own scale; `harm_excluded`: at this step.
    """

    name: str
    candidate: float | None
    stable: float | None
    n_candidate: int
    n_stable: int
    log_evidence: float
    harm_excluded: bool
    why: str


@dataclass(frozen=True, slots=True)
class Finding:
    """FAIL once log evidence reached `boundary` = log(1/alpha), and for ever after; PASS when harm
    is excluded for every signal and there is no `suspicion`; else WAIT.
    """

    verdict: Verdict
    log_evidence: float
    boundary: float
    signals: tuple[SignalFinding, ...]
    suspicion: bool
    baseline: Baseline


@dataclass(frozen=True, slots=True)
class State:
    """Everything the judge knows; JSON by msgspec and back is exact. `missed`: windows without a
    bet. `step_from`: seconds, begin of the step in force. `failed`: the sentence it fell by.
    `loaded`: the memory as it was when stable last had as much to do as the candidate.
    `instances`: the candidate's errors by instance. `ratios`: stable's past (bad, all) of the
    service's own ratios.
    """

    windows: int = 0
    missed: int = 0
    step: int = -1
    step_from: float = 0.0
    failed: str = ""
    memory: Memory = field(default_factory=Memory)
    loaded: Memory = field(default_factory=Memory)
    spread: Spread = field(default_factory=Spread)
    warm: Warm = field(default_factory=Warm)
    instances: concentration.Known = field(default_factory=dict)
    capital: Capital = field(default_factory=Capital)
    proof: Proof = field(default_factory=Proof)
    ratios: own.Known = field(default_factory=dict)


def begin(setup: Setup) -> State:
    """Nothing seen yet. Raises Invalid (`confidence`) for a confidence outside 0 to 1."""
    _boundary(setup)
    return State()


def judge(setup: Setup, state: State, window: Window) -> tuple[State, Finding]:
    """Learn from one window and answer. Raises Invalid (`impossible-window`)."""
    state = _arrived(setup, state, window)
    state, believed = _believed(state, window)
    sides, moment = _sides(window, believed), _moment(state, window)
    bets = own.offered(setup.analysis, moment, window, state.ratios)
    if sides is None:
        state = replace(state, missed=state.missed + 1)
        state = _bet(setup, state, bets, window) if bets else state
        return _learnt(setup, state, window), _finding(setup, state, _gap(state, window), "none")
    past, baseline = _past(setup, state, sides)
    bets = [*offered(setup.analysis, moment, sides, past), *bets]
    state = _bet(setup, state, bets, window)
    return _learnt(setup, state, window), _finding(setup, state, "", baseline)


def _past(setup: Setup, state: State, sides: Sides) -> tuple[Past, Baseline]:
    """What this rollout saw of the stable version counts for more than any snapshot."""
    if not sides.absolute:
        return Past(state.memory, state.spread, state.warm, state.loaded), "concurrent"
    if setup.snapshot is None or state.memory.requests:
        return Past(state.memory, state.spread, state.warm), "absolute"
    return Past(setup.snapshot, state.spread, state.warm), "snapshot"


def _arrived(setup: Setup, state: State, window: Window) -> State:
    """Count the window; a new step starts a new proof. Note which own signals had data."""
    for side in (window.candidate, window.stable):
        _check(side, window)
    state = replace(state, windows=state.windows + 1)
    if window.step != state.step:
        since = max(0.0, window.start)
        state = replace(state, step=window.step, step_from=since, proof=Proof())
    names = own.heard(setup.analysis.signals, window)
    heard = tuple(sorted({*state.proof.heard, *names}))
    return replace(state, proof=replace(state.proof, heard=heard))


def _check(side: VersionCounts | None, window: Window) -> None:
    for counts in [] if side is None else [side.total, *side.instances.values()]:
        short = len(counts.buckets) not in (0, len(window.bounds_ms) + 1)
        if short or not 0 <= counts.errors <= counts.requests or min(counts.buckets, default=0) < 0:
            raise Invalid(
                f"window {window.index} cannot be",
                why=f"{counts.errors} errors of {counts.requests} requests, "
                f"{len(counts.buckets)} buckets for {len(window.bounds_ms)} bounds",
                code="impossible-window",
            )


def _believed(state: State, window: Window) -> tuple[State, int]:
    """The candidate's errors without what one instance has beyond the others."""
    if window.candidate is None:
        return state, 0
    instances, believed = concentration.trimmed(state.instances, window.candidate)
    return replace(state, instances=instances), believed


def _sides(window: Window, believed: int) -> Sides | None:
    """Whom to compare with whom; None if this window cannot be judged."""
    candidate, stable = window.candidate, window.stable
    if candidate is None or not candidate.total.requests:
        return None
    nobody = stable is not None and not stable.instances and not stable.total.requests
    if window.share >= FULL_SHARE or nobody:
        nothing = VersionCounts(Counts(0, 0), {})
        return Sides(candidate, nothing, window.bounds_ms, absolute=True, believed=believed)
    if stable is None or not stable.total.requests:
        return None
    return Sides(candidate, stable, window.bounds_ms, absolute=False, believed=believed)


def _moment(state: State, window: Window) -> Moment:
    return Moment(
        age=window.end,
        step_age=window.end - state.step_from,
        stepped=state.step > 0,
        share=window.share,
    )


def _bet(setup: Setup, state: State, bets: list[Bet], window: Window) -> State:
    against, harmless = score(bets)
    every, weights = setup.analysis.pace.restart, roles.weights(setup.analysis.signals)
    capital = purse.staked(state.capital, bets, against, window.end, every, weights)
    requests = 0 if window.candidate is None else window.candidate.total.requests
    proof = extended(state.proof, bets, harmless, requests)
    proof = replace(proof, caution=_moment(state, window).caution())
    state = replace(state, capital=capital, proof=proof)
    if state.failed or purse.log_evidence(capital) < _boundary(setup):
        return state
    return replace(state, failed=_sentence(setup, state))


def _learnt(setup: Setup, state: State, window: Window) -> State:
    """Remember the stable version, after the bet: what is bet on never knows the outcome."""
    stable, pace = window.stable, setup.analysis.pace
    if window.candidate is not None:
        counts, bounds = window.candidate.total, window.bounds_ms
        state = replace(state, warm=observe(state.warm, counts, bounds, window.end, pace))
    seconds = max(0.0, window.end - window.start)
    fade = math.exp(-seconds / pace.memory_errors)
    state = replace(state, ratios=own.learn(state.ratios, setup.analysis.signals, window, fade))
    if stable is None or not stable.total.requests or window.share >= FULL_SHARE:
        return state
    bound = roles.slow_bound(chosen_bounds(state.memory, window.bounds_ms, setup.analysis))
    memory = remember(state.memory, stable.total, window.bounds_ms, seconds, pace)
    idle = window.candidate is not None and busier(window.candidate, stable)
    return replace(
        state,
        memory=memory,
        loaded=state.loaded if idle else memory,
        spread=learn(state.spread, stable, bound),
    )


def _boundary(setup: Setup) -> float:
    alpha = 1 - setup.analysis.confidence
    if not 0 < alpha < 1:
        raise Invalid(
            "the confidence makes no sense",
            why=f"{setup.analysis.confidence} is not between 0 and 1",
            code="confidence",
        )
    return -math.log(alpha)


def _gap(state: State, window: Window) -> str:
    candidate = None if window.candidate is None else window.candidate.total.requests
    return words.unwatched(
        candidate,
        stable=window.stable is not None,
        missed=state.missed,
        windows=state.windows,
    )


def _suspect(state: State) -> tuple[str, tuple[float, float, float, float], str]:
    """Its name, what was counted since the step began, and its role."""
    role, instance = roles.signal(*purse.richest(state.capital))
    tally = state.proof.tallies.get(label(role, instance), (0.0, 0.0, 0.0, 0.0))
    return words.name(role, instance, state.proof.bounds_ms.get(role)), tally, role


def _sentence(setup: Setup, state: State) -> str:
    name, tally, role = _suspect(state)
    evidence = purse.log_evidence(state.capital)
    return words.failed(name, tally, evidence, _boundary(setup), role)


def _finding(setup: Setup, state: State, gap: str, baseline: Baseline) -> Finding:
    evidence, boundary = purse.log_evidence(state.capital), _boundary(setup)
    outcome, because = _answer(setup, state, gap, baseline)
    if baseline in ("absolute", "snapshot"):
        because = f"{because}; {words.NO_BASELINE}"
    return Finding(
        verdict=Verdict(NAME, outcome, because),
        log_evidence=evidence,
        boundary=boundary,
        signals=_signals(setup, state),
        suspicion=evidence >= SUSPICION,
        baseline=baseline,
    )


def _answer(setup: Setup, state: State, gap: str, baseline: Baseline) -> tuple[Outcome, str]:
    if state.failed:
        return Outcome.FAIL, state.failed
    evidence = purse.log_evidence(state.capital)
    if evidence >= SUSPICION:
        name, tally, role = _suspect(state)
        shown = words.suspected(name, tally, evidence, _boundary(setup), role)
        return Outcome.WAIT, gap or shown
    needed = [s for s in setup.analysis.signals if s.weight]  # 0: bet on, and not needed
    silent = [s.name for s in needed if s.name not in state.proof.heard]
    if gap or not state.proof.watched or silent:
        return Outcome.WAIT, words.silent(silent) if silent and not gap else gap
    need = -math.log(BETA)
    lacking = _lacking(setup, state, baseline, need)
    if lacking:
        return Outcome.WAIT, words.unproven(state.proof, lacking, need)
    return Outcome.PASS, words.passed(state.proof)


def _lacking(setup: Setup, state: State, baseline: Baseline, need: float) -> list[str]:
    """What is not proven yet. With nobody beside there is nothing to compare own signals with."""
    if baseline == "concurrent":
        needed = [s for s in setup.analysis.signals if s.weight and not _never(state, s)]
        wanted = [roles.own_role(signal) for signal in needed]
        return state.proof.lacking(need, latency=True, own=wanted)
    known = setup.snapshot if baseline == "snapshot" else state.memory
    return state.proof.lacking(need, latency=known is not None and known.knows_latency)


def _never(state: State, signal: Signal) -> bool:
    """Whether what is counted, and is bad, has not happened to the candidate at this step. Where it
    did not happen to stable either, no number of requests would prove anything.
    """
    counted = signal.kind == "count" and signal.better == "lower"
    tally = state.proof.tallies.get(label(roles.own_role(signal), ""))
    return counted and (tally is None or not tally[0])


def _signals(setup: Setup, state: State) -> tuple[SignalFinding, ...]:
    """Those of all instances together, single instances that look worse, and the service's own."""
    found, weights = [], roles.weights(setup.analysis.signals)
    for family in weights:
        for seat in purse.players(state.capital, family):
            role, instance = roles.signal(family, seat)
            log_held = purse.log_held(state.capital, family, seat, weights)
            shown = not instance or log_held > 0 or roles.own_kind(role)
            if label(role, instance) in state.proof.tallies and shown:
                found.append(_signal(state, role, instance, log_held))
    return tuple(found)


def _signal(state: State, role: str, instance: str, log_held: float) -> SignalFinding:
    bad_c, of_c, bad_b, of_b = tally = state.proof.tallies[label(role, instance)]
    proven = state.proof.harmless.get(role, 0.0) >= -math.log(BETA)
    return SignalFinding(
        name=words.name(role, instance, state.proof.bounds_ms.get(role)),
        candidate=bad_c / of_c if of_c else None,
        stable=bad_b / of_b if of_b else None,
        n_candidate=int(of_c),
        n_stable=int(of_b),
        log_evidence=log_held,
        harm_excluded=proven and (not instance or bool(roles.own_kind(role))),
        why=words.compared(tally, role),
    )
