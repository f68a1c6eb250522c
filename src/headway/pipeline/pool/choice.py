"""The next job of a pool: fair between repositories and runs, by priority, and nobody starves.

**Limits** come first. A pool, each repository in it, and each environment of a repository have at
most so many jobs running at once; a job that would exceed one is not looked at.

**The fair pick** is the highest priority; among equals the repository with the fewest running jobs
(so long jobs count for longer), then the one served least recently (round robin); within it the
run, by the same rule; within that the job that has waited longest. A repository or run that comes
newly has its turn as of its arrival: it has saved up nothing.

**Ageing.** A job's rank is `since - priority * PATIENCE_SECONDS`; the smallest is first. A job of
priority p that has waited `PATIENCE_SECONDS * (1 + TOP - p)` is *overdue*: nothing that arrives
from then on has a smaller rank, whatever its priority. Every second claim goes to the overdue job
of the smallest rank that fits the limits. The first of all overdue jobs also reserves: no other job
takes the last free place of its repository or environment.

**The bound.** Let k be the number of waiting jobs of smaller rank when a job becomes overdue, T the
longest time that a job runs, c the longest time between two claims. The first overdue job fits the
limits when the jobs that ran then in its repository and environment have ended (T), and is taken
by the second claim after that (2 c). So a job waits at most

    PATIENCE_SECONDS * (1 + TOP - p) + (k + 1) * (T + 2 c)

and mostly far less, because those before it need not go one by one. Property tests hold this for
arrivals that are chosen against it. The round robin by source is that of Nagle (RFC 970, section
5). Called by store/pool_claims.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

PATIENCE_SECONDS = 600.0
LATER, NORMAL, SOON, TOP = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job in the queue. `since`: Unix seconds. `turn`: the pool's count of claims when it came.

    `environment` is empty for a job without one; it is one of this repository.
    """

    id: str
    repo: str
    run: str
    environment: str = ""
    priority: int = NORMAL
    since: float = 0.0
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Running:
    """A job that has a place."""

    repo: str
    run: str
    environment: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many may run at once: in the pool, of one repository, in one environment. 0: any."""

    pool: int = 0
    repo: int = 0
    environment: int = 0


@dataclass(frozen=True, slots=True)
class Turns:
    """`count`: of the pool's claims so far; `last`: the count when a repository or run was served.

    Keys of `last` are those of `repo_key` and `run_key`.
    """

    count: int = 0
    last: Mapping[str, int] = field(default_factory=dict)


def repo_key(repo: str) -> str:
    """What a repository is called among turns."""
    return f"repo {repo}"


def run_key(run: str) -> str:
    """What a run is called among turns."""
    return f"run {run}"


def rank(job: Waiting) -> tuple[float, str]:
    """The smaller, the earlier; see ageing."""
    return job.since - job.priority * PATIENCE_SECONDS, job.id


def overdue(job: Waiting, now: float) -> bool:
    """Whether the job has waited so long that no newcomer is ranked before it."""
    return now - job.since >= PATIENCE_SECONDS * (1 + TOP - job.priority)


class Room:
    """What the limits leave free while these jobs run."""

    def __init__(self, running: Sequence[Running], limits: Limits) -> None:
        self._limits = limits
        self._all = len(running)
        self._repos = Counter(job.repo for job in running)
        self._places = Counter((job.repo, job.environment) for job in running if job.environment)

    def full(self) -> bool:
        """Whether the pool has no place at all."""
        return bool(self._limits.pool) and self._all >= self._limits.pool

    def lacks(self, job: Waiting, kept_for: Waiting | None = None) -> str:
        """Why the job cannot have a place, in words; "" if it can.

        `kept_for`: whose places are not to be used up.
        """
        if self.full():
            return f"the pool runs its limit of {self._limits.pool}"
        kept = kept_for if kept_for and kept_for.id != job.id else None
        limit = self._limits.repo
        same = kept is not None and kept.repo == job.repo
        if limit and self._repos[job.repo] + same >= limit:
            return f"the repository runs its limit of {limit}"
        limit, place = self._limits.environment, (job.repo, job.environment)
        same = kept is not None and (kept.repo, kept.environment) == place
        if limit and job.environment and self._places[place] + same >= limit:
            return f"the environment {job.environment} has its limit of {limit}"
        return ""


def choose(
    waiting: Sequence[Waiting],
    running: Sequence[Running],
    limits: Limits,
    turns: Turns,
    now: float,
) -> Waiting | None:
    """The job that the next free place goes to; None if there is none that may run."""
    room = Room(running, limits)
    late = [job for job in waiting if overdue(job, now)]
    first = min(late, key=rank, default=None)
    fitting = [job for job in waiting if not room.lacks(job, first)]
    if not fitting:
        return None
    latest = min((job for job in fitting if overdue(job, now)), key=rank, default=None)
    if latest is not None and turns.count % 2 == 0:
        return latest
    return _fair(fitting, running, turns)


def _fair(fitting: Sequence[Waiting], running: Sequence[Running], turns: Turns) -> Waiting:
    top = max(job.priority for job in fitting)
    best = [job for job in fitting if job.priority == top]
    repos = Counter(job.repo for job in running)
    came = _arrivals((job.repo, job.turn) for job in best)

    def repo_order(repo: str) -> tuple[int, int, str]:
        return repos[repo], max(turns.last.get(repo_key(repo), -1), came[repo]), repo

    repo = min(came, key=repo_order)
    return _of_repo([job for job in best if job.repo == repo], running, turns)


def _of_repo(jobs: Sequence[Waiting], running: Sequence[Running], turns: Turns) -> Waiting:
    runs = Counter(job.run for job in running)
    came = _arrivals((job.run, job.turn) for job in jobs)

    def run_order(run: str) -> tuple[int, int, str]:
        return runs[run], max(turns.last.get(run_key(run), -1), came[run]), run

    chosen = min(came, key=run_order)
    return min((job for job in jobs if job.run == chosen), key=rank)


def _arrivals(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """The smallest number of each name."""
    found: dict[str, int] = {}
    for name, turn in pairs:
        found[name] = min(found.get(name, turn), turn)
    return found
