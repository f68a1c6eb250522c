"""A thousand canaries at once, a window of 10 seconds each: does one core judge them in time?

Measured per window is what a turn of a rollout does between two readings of the proxy: both
snapshots and the judge's state out of their JSON, the window between them, the judge, state and
finding into JSON again. Not measured: the database and the proxy. Canaries are of every age from
the first window to the thirtieth minute, with 2 to 8 instances on each side and 1 to 3,000
requests per second. Counts are drawn with numpy, seeded.
"""

import time
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

from bench.figures import Result, Row, p50_p99, quantile, spread
from headway.analysis.judge import Setup, State, begin, judge
from headway.analysis.windows import between
from headway.model.service import Analysis, Signal
from headway.model.window import Counts, Measured, Snapshot, VersionCounts

WINDOW_SECONDS = 10.0
LIMIT_MS = 10.0
HISTORIES = 40
LONGEST = 180
TURNS = 8
BOUNDS = (5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0)
STEPS = ((12, 0.05), (30, 0.25), (54, 0.5), (LONGEST + TURNS, 0.95))
SIGNALS = (Signal("conversion", "ratio", "prometheus", "missed", "seen"),)


class Canary:
    """One rollout: counters that only grow, and the judge's state as it lies in the database."""

    def __init__(self, number: int) -> None:
        rng = self.rng = np.random.default_rng([11, number])
        self.rate = float(10 ** rng.uniform(0, 3.5))
        self.instances = int(rng.integers(2, 9))
        self.shape = rng.dirichlet(np.ones(len(BOUNDS) + 1))
        self.setup = Setup(Analysis(signals=SIGNALS if number % 2 else ()), 0.05)
        self.index = 0
        sides = {"new": _nothing("c", self.instances), "old": _nothing("b", self.instances)}
        self.before = msgspec.json.encode(Snapshot(0.0, "one", BOUNDS, sides))
        self.state = msgspec.json.encode(begin(self.setup))

    def turn(self) -> float:
        """One window. Milliseconds of CPU that it took."""
        step, share = next((i, s) for i, (last, s) in enumerate(STEPS) if self.index < last)
        after = self._later(share)
        own = self.setup.analysis.signals
        measured = {s.name: Measured((9.0, 300.0), (11.0, 310.0)) for s in own}
        began = time.process_time()
        earlier = msgspec.json.decode(self.before, type=Snapshot)
        later = msgspec.json.decode(after, type=Snapshot)
        window = between(
            earlier,
            later,
            candidate="new",
            stable="old",
            index=self.index,
            started_at=0.0,
            step=step,
            share=share,
        )
        window = replace(window, signals=measured)
        state = msgspec.json.decode(self.state, type=State)
        state, finding = judge(self.setup, state, window)
        self.state = msgspec.json.encode(state)
        msgspec.json.encode(finding)
        spent = 1e3 * (time.process_time() - began)
        self.before, self.index = after, self.index + 1
        return spent

    def _later(self, share: float) -> bytes:
        known = msgspec.json.decode(self.before, type=Snapshot)
        parts = {"new": share, "old": 1 - share}
        grown = {r: self._grown(known.versions[r], part) for r, part in parts.items()}
        return msgspec.json.encode(Snapshot(known.at + WINDOW_SECONDS, "one", BOUNDS, grown))

    def _grown(self, side: VersionCounts, share: float) -> VersionCounts:
        mean = self.rate * WINDOW_SECONDS * share / self.instances
        each = {key: self._more(counts, mean) for key, counts in side.instances.items()}
        total = Counts(
            sum(c.requests for c in each.values()),
            sum(c.errors for c in each.values()),
            tuple(int(n) for n in np.sum([c.buckets for c in each.values()], axis=0)),
        )
        return VersionCounts(total, each)

    def _more(self, counts: Counts, mean: float) -> Counts:
        requests = int(self.rng.poisson(mean))
        buckets = self.rng.multinomial(requests, self.shape)
        return Counts(
            counts.requests + requests,
            counts.errors + int(self.rng.binomial(requests, 0.005)),
            tuple(int(a + b) for a, b in zip(counts.buckets, buckets, strict=True)),
        )


def _nothing(letter: str, instances: int) -> VersionCounts:
    empty = Counts(0, 0, (0,) * (len(BOUNDS) + 1))
    return VersionCounts(empty, {f"127.0.0.1:{letter}{i}": empty for i in range(instances)})


def _aged(number: int) -> Canary:
    canary = Canary(number)
    for _ in range(number * LONGEST // HISTORIES):
        canary.turn()
    return canary


def run(base: Path, count: int) -> Result:
    """`count` canaries take their turns one after the other, as one core would have to."""
    histories = [_aged(number) for number in range(min(HISTORIES, count))]
    spent, rounds = [], []
    for _ in range(TURNS):
        kept = [(h.before, h.state, h.index, h.rng.bit_generator.state) for h in histories]
        took = []
        for number in range(count):
            history = histories[number % len(histories)]
            known = kept[number % len(histories)]
            history.before, history.state, history.index, history.rng.bit_generator.state = known
            took.append(history.turn())
        spent += took
        rounds.append(sum(took) / 1e3)
    return _told(count, spent, rounds, [len(h.state) for h in histories])


def _told(count: int, spent: list[float], rounds: list[float], sizes: list[int]) -> Result:
    headroom = WINDOW_SECONDS / max(rounds)
    worst = quantile(spent, 0.99)
    rows = (
        Row(f"{count:,} canaries, a window each", p50_p99(spent), f"limit {LIMIT_MS:g} ms"),
        Row("all of them, on one core", f"{max(rounds):.2f} s", f"every {WINDOW_SECONDS:g} s"),
        Row("headroom", f"{headroom:.1f} times", "more canaries than these"),
        Row("the judge's state", f"{quantile([float(s) for s in sizes], 0.5) / 1e3:.1f} kB", "p50"),
    )
    figures = {
        "canaries": count,
        "window_ms": spread(spent),
        "round_seconds": spread(rounds),
        "headroom": round(headroom, 2),
        "state_bytes": spread([float(size) for size in sizes]),
    }
    problems = []
    if worst >= LIMIT_MS:
        problems.append(f"p99 of a window is {worst:.1f} ms of CPU, not below {LIMIT_MS:g} ms")
    if headroom < 1:
        problems.append(f"{count} canaries take {max(rounds):.1f} s of a core every 10 s")
    return Result(rows, figures, tuple(problems))
