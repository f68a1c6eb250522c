"""All times of the judge in one object. What it must prove (alpha, beta, margins) is never here."""

from headway.record import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds, all of them.

    window: one observation. warm / rewarm: no step ends this soon after the start / after a step,
    and single instances are not judged. learn: the first seconds, which tell how cold this start
    is; plateau: as much is forgiven until then; warm_tau: decay after it. latency_from /
    latency_step_from: no latency bet before this age / step age. restart: a new e-process starts
    this often. floors: least time at rollout step 1, 2, 3 and later. clock: longest wait for proof
    at a step; after it the `insufficient_data` policy decides. memory_errors / memory_latency: the
    baseline's error rate and latency distribution are remembered with weight exp(-age/memory).
    """

    name: str
    window: float
    warm: float
    rewarm: float
    warm_tau: float
    latency_from: float
    latency_step_from: float
    restart: float
    floors: tuple[float, ...]
    clock: float
    memory_errors: float = 328.3
    memory_latency: float = 1995.0

    @property
    def learn(self) -> float:
        """A third of the warm-up."""
        return self.warm / 3

    @property
    def plateau(self) -> float:
        """Two thirds of the warm-up."""
        return self.warm * 2 / 3


STANDARD = Pace("standard", 10, 90, 60, 10, 20, 10, 120, (120, 180, 240), 570)
QUICK = Pace("quick", 2, 8, 6, 1, 4, 2, 20, (10, 10, 10), 60)
PACES = {p.name: p for p in (STANDARD, QUICK)}
