"""What a service's own past rollouts say about its canary steps: shares and least times.

Suggestions only: a person reads the reasons and changes headway.yaml, or does not. Three rules,
each told with its evidence: a step lasts as long as proof, and what was caught there, usually took;
before a first step that is proven early there is room for a smaller one, so that fewer users meet a
fault; a step that could not be proven for lack of requests must be larger. Steps are never dropped
and never made shorter than the pace's floor: faults that come late are why there is one. Pure;
called by `headway rollout suggest`.
"""

import math
from dataclasses import dataclass

from headway.model.pace import Pace
from headway.model.service import StepPolicy

LEAST_ROLLOUTS = 5
USUAL = 0.9  # of the visits to a step are covered by what is suggested
EARLY = 0.25  # a proof before this part of the least time leaves room for a smaller share
SHARES = (0.01, 0.02, 0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.40, 0.50, 0.75)


@dataclass(frozen=True, slots=True)
class Visit:
    """One step of one past rollout. Seconds since the step took effect: `seconds` until it was
    left, `proven` until harm was first excluded, `caught` until the judge failed it; None: never.
    `requests`: of the candidate, until the proof if there was one. `held`: it stopped there for
    lack of data.
    """

    share: float
    seconds: float
    proven: float | None
    caught: float | None
    requests: int
    held: bool


@dataclass(frozen=True, slots=True)
class Past:
    """One past rollout. `rate`: requests per second of both versions together."""

    release: str
    outcome: str
    rate: float
    visits: tuple[Visit, ...]


@dataclass(frozen=True, slots=True)
class Advice:
    """One step as it should be, with what it is now (`was_share` None: a new step). `bake`: least
    seconds, None for the last step and for steps that only mirror. `because`: empty if nothing is
    to be changed. `visits`: how many past ones it rests on.
    """

    share: float
    bake: float | None
    was_share: float | None
    was_bake: float | None
    visits: int
    because: str = ""
    mirror: float = 0.0
    approvals: int = 0


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`enough` false: fewer than LEAST_ROLLOUTS, and no steps. `rate`: the median of rollouts."""

    enough: bool
    rollouts: int
    released: int
    caught: int
    held: int
    rate: float
    steps: tuple[Advice, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether anything differs from what is written now."""
        return any(step.because for step in self.steps)


def suggest(pasts: list[Past], present: tuple[StepPolicy, ...], pace: Pace) -> Suggestion:
    """What `present` should rather be. Only rollouts in which some step was visited count."""
    known = [p for p in pasts if p.visits]
    rates = sorted(p.rate for p in known)
    found = Suggestion(
        enough=len(known) >= LEAST_ROLLOUTS,
        rollouts=len(known),
        released=sum(p.outcome == "released" for p in known),
        caught=sum(v.caught is not None for p in known for v in p.visits),
        held=sum(any(v.held for v in p.visits) for p in known),
        rate=rates[len(rates) // 2] if rates else 0.0,
    )
    if not found.enough:
        return found
    visits = [v for p in known for v in p.visits]
    steps = _first_smaller(_each(visits, present, pace, found.rate), visits, pace)
    return Suggestion(
        found.enough, found.rollouts, found.released, found.caught, found.held, found.rate, steps
    )


def _each(
    visits: list[Visit], present: tuple[StepPolicy, ...], pace: Pace, rate: float
) -> tuple[Advice, ...]:
    steps: list[Advice] = []
    for index, step in enumerate(present):
        floor = pace.floors[min(index, len(pace.floors) - 1)]
        bake = floor if step.bake_seconds is None else step.bake_seconds
        last = index == len(present) - 1
        now = Advice(
            step.share, None if last else bake, step.share, None if last else bake, 0,
            mirror=step.mirror, approvals=step.approvals,
        )  # fmt: skip
        mine = [v for v in visits if math.isclose(v.share, step.share, abs_tol=1e-6)]
        if last or step.mirror or not mine:
            steps.append(now)
            continue
        after = present[index + 1].share
        steps.append(_step(now, mine, floor, (rate, after, pace.clock)))
    return tuple(steps)


def _step(
    now: Advice, visits: list[Visit], floor: float, room: tuple[float, float, float]
) -> Advice:
    """`room`: requests per second, the next step's share, the longest wait for proof."""
    starved = [v for v in visits if v.held and v.proven is None]
    if len(starved) * 2 >= len(visits):
        return _larger(now, visits, starved, room)
    took = [v.proven for v in visits if v.proven is not None]
    caught = [v.caught for v in visits if v.caught is not None]
    usual, slowest = percentile(took, USUAL), max(caught, default=0.0)
    bake = round_up(max(floor, usual, slowest))
    if now.was_bake is None or math.isclose(bake, now.was_bake):
        return _with(now, len(visits))
    reasons = [f"proven within {usual:.0f} s in 9 of 10 of {len(took)} visits"] if took else []
    if caught:
        reasons.append(f"{len(caught)} caught here, the last after {slowest:.0f} s")
    if bake == round_up(floor):
        reasons.append(f"{floor:.0f} s is the floor of the pace")
    return _with(now, len(visits), bake=bake, because="; ".join(reasons))


def _larger(
    now: Advice, visits: list[Visit], starved: list[Visit], room: tuple[float, float, float]
) -> Advice:
    """A share that brings the requests which proof needs within the pace's clock."""
    rate, after, clock = room
    proofs = [float(v.requests) for v in visits if v.proven is not None]
    seen = percentile(proofs, USUAL) or 2.0 * max((v.requests for v in starved), default=0)
    wanted = seen / (rate * clock) if rate > 0 else 0.0
    fitting = [s for s in SHARES if max(wanted, now.share) < s < after]
    told = f"held for lack of requests in {len(starved)} of {len(visits)} visits"
    if not fitting:
        because = f"{told}; no larger step below the next one: leave it out, or wait longer"
        return _with(now, len(visits), because=because)
    because = f"{told}; proof takes about {seen:.0f} requests, at {rate:.1f} a second"
    return _with(now, len(visits), share=fitting[0], because=because)


def _first_smaller(
    steps: tuple[Advice, ...], visits: list[Visit], pace: Pace
) -> tuple[Advice, ...]:
    """A smaller step before the first one, if the traffic would prove it in time, too."""
    first = next((s for s in steps if not s.mirror), None)
    if first is None or first.bake is None or first.share != first.was_share:
        return steps
    mine = [v for v in visits if math.isclose(v.share, first.share, abs_tol=1e-6)]
    took = [v.proven for v in mine if v.proven is not None]
    floor = pace.floors[0]
    usual = percentile(took, USUAL)
    # before the end of the warm-up nothing can be proven at any share: only the rest scales
    rest = max(0.0, usual - pace.warm)
    if len(took) < LEAST_ROLLOUTS or len(took) < len(mine) or usual > pace.warm + EARLY * floor:
        return steps
    least = first.share * max(rest, pace.window) / max(floor, pace.window)
    fitting = [s for s in SHARES if least <= s <= first.share / 2]
    if not fitting:
        return steps
    because = (
        f"{first.share:.3g} of traffic was proven {len(took)} times, 9 of 10 within {usual:.0f} s: "
        "fewer users can prove it, too"
    )
    new = Advice(fitting[0], floor, None, None, len(took), because)
    at = steps.index(first)
    return (*steps[:at], new, *steps[at:])


def _with(
    now: Advice,
    visits: int,
    *,
    share: float | None = None,
    bake: float | None = None,
    because: str = "",
) -> Advice:
    return Advice(
        share=now.share if share is None else share,
        bake=now.bake if bake is None else bake,
        was_share=now.was_share,
        was_bake=now.was_bake,
        visits=visits,
        because=because,
        mirror=now.mirror,
        approvals=now.approvals,
    )


def percentile(values: list[float], part: float) -> float:
    """The least value that covers that part of them (nearest rank); 0 without any."""
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)] if values else 0.0


def round_up(seconds: float) -> float:
    """To what people write: tens of seconds, half minutes, minutes, five minutes."""
    for unit, below in ((10, 120), (30, 600), (60, 3600)):
        if seconds <= below:
            return float(math.ceil(round(seconds / unit, 6)) * unit)
    return float(math.ceil(round(seconds / 300, 6)) * 300)
