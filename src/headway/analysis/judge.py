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
from headway.analysis import roles, words
from headway.analysis.bets import Baseline, Bet, Past, Sides, chosen_bounds, offered
from headway.analysis.capital import Capital
from headway.analysis.dispersion import Spread, learn
from headway.analysis.margins import Moment
from headway.analysis.memory import Memory, remember
from headway.analysis.proof import Proof, extended, label
from headway.analysis.score import score
from headway.model.errors import Invalid
from headway.model.service import Analysis
from headway.model.verdict import Outcome, Verdict
from headway.model.window import Counts, VersionCounts, Window

BETA = 0.05
SUSPICION = 1.5
FULL_SHARE = 1 - 1e-9
NAME = "analysis"


@dataclass(frozen=True, slots=True)
class Setup:
    """What it must prove and at which pace. `holdback` 0: after the last step there is nobody to
    compare with, and limits are absolute.
    """

    analysis: Analysis
    holdback: float


@dataclass(frozen=True, slots=True)
class SignalFinding:
    """One signal since the step began. `candidate`, `stable`: bad share, 0 to 1, None without
    requests; `log_evidence`: of harm, on the signal's own scale; `harm_excluded`: at this step.
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
    """

    windows: int = 0
    missed: int = 0
    step: int = -1
    step_from: float = 0.0
    failed: str = ""
    memory: Memory = field(default_factory=Memory)
    spread: Spread = field(default_factory=Spread)
    capital: Capital = field(default_factory=Capital)
    proof: Proof = field(default_factory=Proof)


def begin(setup: Setup) -> State:
    """Nothing seen yet. Raises Invalid (`confidence`) for a confidence outside 0 to 1."""
    _boundary(setup)
    return State()


def judge(setup: Setup, state: State, window: Window) -> tuple[State, Finding]:
    """Learn from one window and answer. Raises Invalid (`impossible-window`)."""
    state = _arrived(state, window)
    sides = _sides(setup, window)
    if sides is None:
        state = replace(state, missed=state.missed + 1)
        return _learnt(setup, state, window), _finding(setup, state, _gap(state, window), "none")
    moment = _moment(state, window)
    bets = offered(setup.analysis, moment, sides, Past(state.memory, state.spread))
    state = _bet(setup, state, bets, window)
    baseline: Baseline = "absolute" if sides.absolute else "concurrent"
    return _learnt(setup, state, window), _finding(setup, state, "", baseline)


def _arrived(state: State, window: Window) -> State:
    """Count the window; a new step starts a new proof."""
    for side in (window.candidate, window.stable):
        _check(side, window)
    state = replace(state, windows=state.windows + 1)
    if window.step == state.step:
        return state
    return replace(state, step=window.step, step_from=max(0.0, window.start), proof=Proof())


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


def _sides(setup: Setup, window: Window) -> Sides | None:
    """Whom to compare with whom; None if this window cannot be judged."""
    candidate, stable = window.candidate, window.stable
    if candidate is None or not candidate.total.requests:
        return None
    nobody = stable is not None and not stable.instances and not stable.total.requests
    if window.share >= FULL_SHARE or nobody:
        return Sides(candidate, VersionCounts(Counts(0, 0), {}), window.bounds_ms, absolute=True)
    if stable is None or not stable.total.requests:
        return None
    return Sides(candidate, stable, window.bounds_ms, absolute=False)


def _moment(state: State, window: Window) -> Moment:
    return Moment(
        age=window.end,
        step_age=window.end - state.step_from,
        stepped=state.step > 0,
        share=window.share,
    )


def _bet(setup: Setup, state: State, bets: list[Bet], window: Window) -> State:
    against, harmless = score(bets)
    every = setup.analysis.pace.restart
    capital = purse.staked(state.capital, bets, against, window.end, every)
    requests = int(bets[0].counts[1])
    proof = extended(state.proof, bets, harmless, requests)
    proof = replace(proof, caution=_moment(state, window).caution())
    state = replace(state, capital=capital, proof=proof)
    if state.failed or purse.log_evidence(capital) < _boundary(setup):
        return state
    return replace(state, failed=_sentence(setup, state))


def _learnt(setup: Setup, state: State, window: Window) -> State:
    """Remember the stable version, after the bet: what is bet on never knows the outcome."""
    stable = window.stable
    if stable is None or not stable.total.requests or window.share >= FULL_SHARE:
        return state
    bound = roles.slow_bound(chosen_bounds(state.memory, window.bounds_ms))
    seconds = window.end - window.start
    pace = setup.analysis.pace
    return replace(
        state,
        memory=remember(state.memory, stable.total, window.bounds_ms, seconds, pace),
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


def _suspect(state: State) -> tuple[str, tuple[float, float, float, float]]:
    role, instance = roles.signal(*purse.richest(state.capital))
    tally = state.proof.tallies.get(label(role, instance), (0.0, 0.0, 0.0, 0.0))
    return words.name(role, instance, state.proof.bounds_ms.get(role)), tally


def _sentence(setup: Setup, state: State) -> str:
    evidence = purse.log_evidence(state.capital)
    return words.failed(*_suspect(state), evidence, _boundary(setup))


def _finding(setup: Setup, state: State, gap: str, baseline: Baseline) -> Finding:
    evidence, boundary = purse.log_evidence(state.capital), _boundary(setup)
    outcome, because = _answer(state, evidence, boundary, gap, baseline)
    if baseline == "absolute":
        because = f"{because}; {words.NO_BASELINE}"
    return Finding(
        verdict=Verdict(NAME, outcome, because),
        log_evidence=evidence,
        boundary=boundary,
        signals=_signals(state),
        suspicion=evidence >= SUSPICION,
        baseline=baseline,
    )


def _answer(
    state: State, evidence: float, boundary: float, gap: str, baseline: Baseline
) -> tuple[Outcome, str]:
    if state.failed:
        return Outcome.FAIL, state.failed
    if evidence >= SUSPICION:
        return Outcome.WAIT, gap or words.suspected(*_suspect(state), evidence, boundary)
    need = -math.log(BETA)
    if not state.proof.watched:
        return Outcome.WAIT, gap
    blind = baseline == "absolute" and not state.memory.knows_latency
    lacking = state.proof.lacking(need, latency=not blind)
    if gap or lacking:
        return Outcome.WAIT, gap or words.unproven(state.proof, lacking, need)
    return Outcome.PASS, words.passed(state.proof)


def _signals(state: State) -> tuple[SignalFinding, ...]:
    """Those of all instances together, and single instances that look worse."""
    found = []
    for family in roles.WEIGHTS:
        for seat in purse.players(state.capital, family):
            role, instance = roles.signal(family, seat)
            log_held = purse.log_held(state.capital, family, seat)
            if label(role, instance) in state.proof.tallies and (not instance or log_held > 0):
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
        harm_excluded=proven and not instance,
        why=words.compared(tally),
    )
