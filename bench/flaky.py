"""Rules for flaky tests on a simulated repository: red builds caused by flakes, faults let through.

    python -m bench.flaky [--seeds 3] [--builds 3000] [--out FILE]

The rule is headway.testing.tripwire itself, beside rerunning 0, 2 and 5 times. 800 tests, 2 % of
them flaky with their own rates; one build in 50 breaks a test, 30 % of those only half the time; a
fault lasts until a build is red because of it, or for 20 builds: then it has escaped.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from bench.figures import Result, Row
from headway.testing.result import Attempts, TestId
from headway.testing.tripwire import BLOCKS, MOST, RECENT, Ruling, Standing, rule

TESTS, FLAKY, FAULTS, PARTIAL, PATIENCE = 800, 0.02, 0.02, 0.3, 20
RED_GOAL, ESCAPE_GOAL = 0.025, 0.03
Again = Callable[[], bool]


@dataclass
class Tally:
    builds: int = 0
    red: int = 0
    caught: int = 0
    escaped: int = 0
    late: int = 0
    reruns: int = 0

    def plus(self, other: "Tally") -> "Tally":
        mine, theirs = asdict(self), asdict(other)
        return Tally(**{k: mine[k] + theirs[k] for k in mine})


class Rerun:
    """Run a red test up to `times` again; green if one of them is."""

    def __init__(self, times: int) -> None:
        self.times = times

    def blocks(self, test: int, number: int, again: Again) -> tuple[bool, int]:
        for count in range(1, self.times + 1):
            if not again():
                return False, count
        return True, self.times


@dataclass
class Tripwire:
    """Headway's own rule: run again as long as it says so. `past`: by test, its standing at a
    build; it passed in every build since.
    """

    past: dict[int, tuple[Standing, int]] = field(default_factory=dict)

    def blocks(self, test: int, number: int, again: Again) -> tuple[bool, int]:
        past = since(*self.past.get(test, (Standing(), 0)), number)
        failures, passes = 1, 0
        while rule(past, tries(test, failures, passes)) is Ruling.AGAIN:
            failed = again()
            failures, passes = failures + failed, passes + (not failed)
        self.past[test] = past.after(flipped=passes > 0), number + 1
        assert failures <= MOST
        ruling = rule(past, tries(test, failures, passes))
        return ruling in BLOCKS, failures + passes - 1


def since(past: Standing, seen: int, now: int) -> Standing:
    """The standing after the builds between, all green."""
    for _ in range(min(now - seen, RECENT)):
        past = past.after(flipped=False)
    return replace(past, runs=past.runs + max(0, now - seen - RECENT))


def tries(test: int, failures: int, passes: int) -> Attempts:
    return Attempts(TestId("", "", str(test)), failures, passes, 0, 0.0)


@dataclass
class Fault:
    test: int
    chance: float
    since: int


class Repository:
    """The simulated tests and the fault of the moment, if there is one."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.flaky = self.rng.choice(TESTS, int(TESTS * FLAKY), replace=False)
        self.rate = np.zeros(TESTS)
        self.rate[self.flaky] = np.clip(self.rng.beta(0.6, 12, len(self.flaky)), 0.002, 0.6)
        self.fault: Fault | None = None

    def build(self, number: int) -> "np.ndarray":
        """Which tests fail at first."""
        if self.fault is None and self.rng.random() < FAULTS:
            test = int(self.rng.integers(TESTS))
            self.fault = Fault(test, 0.5 if self.rng.random() >= 1 - PARTIAL else 1.0, number)
        failed = self.rng.random(TESTS) < self.rate
        if self.fault:
            failed[self.fault.test] |= self.rng.random() < self.fault.chance
        return failed

    def again(self, test: int) -> bool:
        """Run it once more: whether it fails."""
        broken = self.fault.chance if self.fault and self.fault.test == test else 0.0
        return bool(self.rng.random() < max(self.rate[test], broken))


def simulate(policy: Rerun | Tripwire, seed: int, builds: int) -> Tally:
    repository, tally = Repository(seed), Tally(builds)
    for number in range(builds):
        failed = repository.build(number)
        red = set()
        for test in map(int, np.flatnonzero(failed)):
            blocked, reruns = policy.blocks(test, number, lambda test=test: repository.again(test))
            tally.reruns += reruns
            red |= {test} if blocked else set()
        settle(repository, tally, red, number)
    return tally


def settle(repository: Repository, tally: Tally, red: set[int], number: int) -> None:
    """A red build shows the fault; an old one has escaped. What else is red is a flake."""
    fault = repository.fault
    tally.red += bool(red - ({fault.test} if fault else set()))
    if fault and fault.test in red:
        tally.caught += 1
        tally.late += number - fault.since
        repository.fault = None
    elif fault and number - fault.since >= PATIENCE:
        tally.escaped += 1
        repository.fault = None


def measure(seeds: int, builds: int) -> dict[str, dict[str, float]]:
    """Figures by rule."""
    rules = {f"rerun {n}": lambda n=n: Rerun(n) for n in (0, 2, 5)} | {"headway": Tripwire}
    return {name: figures(make, seeds, builds) for name, make in rules.items()}


def figures(make: Callable[[], Rerun | Tripwire], seeds: int, builds: int) -> dict[str, float]:
    total = Tally()
    for seed in range(seeds):
        total = total.plus(simulate(make(), seed, builds))
    faults = total.caught + total.escaped
    return {
        "builds": total.builds,
        "red_by_a_flake": round(total.red / total.builds, 5),
        "caught": total.caught,
        "escaped": total.escaped,
        "escapes": round(total.escaped / faults, 5) if faults else 0.0,
        "builds_late": round(total.late / max(total.caught, 1), 2),
        "reruns_per_build": round(total.reruns / total.builds, 2),
    }


def run(folder: Path, count: int) -> Result:
    """`count` repositories of 3,000 builds each."""
    measured = measure(count, 3000)
    own = measured["headway"]
    rows = [
        Row(f"{name}: red by a flake, escapes", f"{f['red_by_a_flake']:.1%}, {f['escapes']:.1%}",
            f"{f['reruns_per_build']} reruns a build")
        for name, f in measured.items()
    ]  # fmt: skip
    problems = []
    if own["red_by_a_flake"] > RED_GOAL:
        problems.append(f"red by a flake: {own['red_by_a_flake']:.1%}, more than {RED_GOAL:.1%}")
    if own["escapes"] > ESCAPE_GOAL:
        problems.append(f"escapes: {own['escapes']:.1%}, more than {ESCAPE_GOAL:.1%}")
    return Result(tuple(rows), measured, tuple(problems))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--builds", type=int, default=3000)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    began = time.monotonic()
    measured = measure(asked.seeds, asked.builds)
    document = {"rules": measured, "seconds": round(time.monotonic() - began, 1)}
    text = json.dumps(document, indent=1)
    if asked.out:
        asked.out.write_text(text + "\n")
    print(text)
    own = measured["headway"]
    return int(own["red_by_a_flake"] > RED_GOAL or own["escapes"] > ESCAPE_GOAL)


if __name__ == "__main__":
    sys.exit(main())
