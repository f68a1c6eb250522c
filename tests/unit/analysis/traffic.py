"""A small generator of windows with known truth, seeded. Not a simulator of real services."""

from dataclasses import dataclass

import numpy as np

from headway.analysis.judge import begin, judge
from headway.model.verdict import Outcome
from headway.model.window import Counts, VersionCounts, Window
from headway.rollout.step import StepEnd, step_ends

BOUNDS = (5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0)
SHARES = (0.05, 0.25, 0.5, 0.95)


@dataclass(frozen=True)
class Truth:
    """Requests per second; error rate and median latency (lognormal, sigma 0.5) of each side."""

    rate: float = 400.0
    errors_c: float = 0.01
    errors_b: float = 0.01
    median_c: float = 40.0
    median_b: float = 40.0
    instances: int = 3


def version(rng, requests, errors, median, instances, name):
    share = rng.multinomial(requests, [1 / instances] * instances)
    bad = [int(rng.binomial(n, errors)) for n in share]
    times = median * np.exp(0.5 * rng.standard_normal(requests))
    hist = np.histogram(times, [0, *BOUNDS, 1e9])[0]
    each = {
        f"{name}:{i}": Counts(int(n), k) for i, (n, k) in enumerate(zip(share, bad, strict=True))
    }
    return VersionCounts(Counts(requests, sum(bad), tuple(int(h) for h in hist)), each)


def window(rng, truth, index, step=0, seconds=10.0):
    share = SHARES[step]
    of_c = int(rng.poisson(truth.rate * share * seconds))
    of_b = int(rng.poisson(truth.rate * (1 - share) * seconds))
    return Window(
        index=index,
        start=index * seconds,
        end=(index + 1) * seconds,
        step=step,
        share=share,
        bounds_ms=BOUNDS,
        candidate=version(rng, of_c, truth.errors_c, truth.median_c, truth.instances, "c"),
        stable=version(rng, of_b, truth.errors_b, truth.median_b, truth.instances, "b"),
    )


def windows(seed, truth, count, step_windows=12, seconds=10.0):
    """`count` windows; the step rises every `step_windows`."""
    rng = np.random.default_rng(seed)
    return [window(rng, truth, i, min(3, i // step_windows), seconds) for i in range(count)]


def steered(seed, truth, setup, count):
    """Findings of a rollout that follows the judge: proof ends a step, FAIL ends all."""
    rng, state, findings = np.random.default_rng(seed), begin(setup), []
    pace, step, since = setup.analysis.pace, 0, 0.0
    for index in range(count):
        seen = window(rng, truth, index, step, pace.window)
        state, finding = judge(setup, state, seen)
        findings.append(finding)
        outcome, age = finding.verdict.outcome, seen.end
        if outcome is Outcome.FAIL:
            break
        told = (pace, step, age, age - since, outcome, finding.suspicion, None, "hold")
        if step < 3 and step_ends(*told) is StepEnd.PROVEN:
            step, since = step + 1, age
    return step, findings
