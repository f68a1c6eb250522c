"""Fair, within limits, and nobody starves: the choice of a pool's next job."""

from collections import Counter
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from headway.pipeline.pool.choice import (
    LATER,
    NORMAL,
    PATIENCE_SECONDS,
    SOON,
    TOP,
    Limits,
    Room,
    Running,
    Turns,
    Waiting,
    choose,
    overdue,
    rank,
    repo_key,
    run_key,
)


@dataclass
class Pool:
    """A pool as the store keeps it, in memory."""

    limits: Limits = field(default_factory=Limits)
    waiting: dict[str, Waiting] = field(default_factory=dict)
    running: dict[str, tuple[Waiting, float]] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)
    count: int = 0
    most: Counter[str] = field(default_factory=Counter)

    def add(self, job: Waiting) -> None:
        self.waiting[job.id] = replace(job, turn=self.count)

    def claim(self, now: float, ends: float = float("inf")) -> Waiting | None:
        turns = Turns(self.count, self.last)
        found = choose(list(self.waiting.values()), self._running(), self.limits, turns, now)
        if found is None:
            return None
        self.count += 1
        self.last |= {repo_key(found.repo): self.count, run_key(found.run): self.count}
        del self.waiting[found.id]
        self.running[found.id] = (found, ends)
        self._check()
        return found

    def end(self, now: float) -> None:
        self.running = {k: (j, e) for k, (j, e) in self.running.items() if e > now}

    def _running(self) -> list[Running]:
        return [Running(j.repo, j.run, j.environment) for j, _ in self.running.values()]

    def _check(self) -> None:
        jobs = self._running()
        repos = Counter(j.repo for j in jobs)
        places = Counter((j.repo, j.environment) for j in jobs if j.environment)
        assert not self.limits.pool or len(jobs) <= self.limits.pool
        assert not self.limits.repo or max(repos.values()) <= self.limits.repo
        if self.limits.environment and places:
            assert max(places.values()) <= self.limits.environment


def job(name: str, repo: str = "a", **more: object) -> Waiting:
    return Waiting(name, repo, **{"run": f"run of {repo}", **more})  # type: ignore[arg-type]


def order(pool: Pool, now: float = 0.0) -> str:
    """Who is taken, one after the other, each over before the next."""
    taken = []
    while (found := pool.claim(now, ends=now)) is not None:
        taken.append(found.id)
        pool.end(now)
    return " ".join(taken)


def test_a_crowd_of_one_repository_does_not_hold_up_another() -> None:
    pool = Pool()
    for n in range(4):
        pool.add(job(f"a{n}", since=n))
    pool.add(job("b0", "b", since=9))
    pool.add(job("b1", "b", since=9))
    assert order(pool) == "a0 b0 a1 b1 a2 a3"


def test_runs_of_one_repository_take_turns() -> None:
    pool = Pool()
    for n in range(3):
        pool.add(job(f"x{n}", run="x", since=n))
    pool.add(job("y0", run="y", since=9))
    assert order(pool) == "x0 y0 x1 x2"


def test_who_holds_a_place_with_a_long_job_is_not_served_before_who_holds_none() -> None:
    pool = Pool()
    pool.add(job("a0", since=0))
    pool.add(job("a1", since=0))
    assert pool.claim(0.0) is not None  # a0, for ever
    for n in range(3):
        pool.add(job(f"b{n}", "b", since=5))
    taken = []
    for _ in range(4):
        found = pool.claim(5.0, ends=5.0)
        assert found is not None
        taken.append(found.id)
        pool.end(5.0)
    assert taken == ["b0", "b1", "b2", "a1"]


def test_priority_goes_first_until_somebody_is_overdue() -> None:
    pool = Pool()
    pool.add(job("later", priority=LATER, since=0.0))
    for n in range(4):
        pool.add(job(f"top{n}", "b", priority=TOP, since=1.0))
    assert not overdue(pool.waiting["later"], PATIENCE_SECONDS * 4 - 1)
    assert order(replace(pool, waiting=dict(pool.waiting)), 10.0).endswith("later")
    first, second, *_ = order(pool, PATIENCE_SECONDS * 4).split()
    assert "top0" in {first, second}


def test_reasons_are_in_words() -> None:
    busy = [Running("a", "r", "production"), Running("b", "s")]
    assert Room(busy, Limits(pool=2)).lacks(job("x")) == "the pool runs its limit of 2"
    assert "repository" in Room(busy, Limits(repo=1)).lacks(job("x", "b"))
    same = job("x", environment="production")
    assert "environment production" in Room(busy, Limits(environment=1)).lacks(same)
    assert Room(busy, Limits(environment=1)).lacks(replace(same, repo="b")) == ""
    assert Room(busy, Limits(3, 2, 2)).lacks(same) == ""


def test_the_first_overdue_job_keeps_the_last_places_it_needs() -> None:
    """It needs its repository and its environment at once; others never leave both free."""
    pool = Pool(Limits(repo=1, environment=1))
    now = PATIENCE_SECONDS * 4
    pool.add(job("old", environment="prod", since=0.0))
    pool.running["r"] = (job("r", environment="prod"), now + 1)
    pool.add(job("new", priority=TOP, since=now))
    assert pool.claim(now) is None
    pool.end(now + 1)
    found = pool.claim(now + 1)
    assert found is not None
    assert found.id == "old"


jobs_strategy = st.lists(
    st.builds(
        Waiting,
        id=st.uuids().map(str),
        repo=st.sampled_from("abc"),
        run=st.sampled_from(["1", "2", "3"]),
        environment=st.sampled_from(["", "staging", "production"]),
        priority=st.integers(LATER, TOP),
        since=st.floats(0, 5 * PATIENCE_SECONDS),
        turn=st.integers(0, 9),
    ),
    max_size=12,
    unique_by=lambda one: one.id,
)
limits_strategy = st.builds(Limits, *[st.integers(0, 3)] * 3)


@given(jobs_strategy, limits_strategy, st.floats(0, 10 * PATIENCE_SECONDS))
def test_limits_hold_and_a_free_place_is_used(
    waiting: list[Waiting], limits: Limits, now: float
) -> None:
    pool = Pool(limits)
    for each in waiting:
        pool.add(each)
    while pool.claim(now) is not None:
        pass  # claim checks the limits each time
    room = Room([Running(j.repo, j.run, j.environment) for j, _ in pool.running.values()], limits)
    first = min((j for j in pool.waiting.values() if overdue(j, now)), key=rank, default=None)
    assert all(room.lacks(j, first) for j in pool.waiting.values())
    assert first is None or room.lacks(first)


@given(st.lists(st.integers(5, 30), min_size=2, max_size=6), st.integers(1, 5))
def test_repositories_that_always_wait_are_served_alike(sizes: list[int], places: int) -> None:
    """Of equal jobs, one place or several: no repository is ahead of another by more than one."""
    pool = Pool(Limits(pool=places))
    for repo, size in enumerate(sizes):
        for n in range(size):
            pool.add(job(f"{repo}.{n}", str(repo), since=0.0))
    served: Counter[str] = Counter()
    now = 0.0
    while all(any(j.repo == str(r) for j in pool.waiting.values()) for r in range(len(sizes))):
        found = pool.claim(now, ends=now + places)
        if found is not None:
            served[found.repo] += 1
            counts = [served[str(r)] for r in range(len(sizes))]
            assert max(counts) - min(counts) <= 1
        else:
            now += 1
            pool.end(now)


arrivals = st.lists(
    st.tuples(
        st.integers(1, 4),  # claims until it comes
        st.sampled_from("ab"),
        st.sampled_from(["", "prod"]),
        st.integers(NORMAL, TOP),
        st.sampled_from([1.0, 3.0, 7.0]),  # how long it runs
    ),
    min_size=30,
    max_size=60,
)


@settings(max_examples=60)
@given(arrivals, limits_strategy, st.integers(LATER, SOON), st.sampled_from(["", "prod"]))
def test_nobody_starves(
    coming: list[tuple[int, str, str, int, float]], limits: Limits, priority: int, place: str
) -> None:
    """The bound of the docstring, against newcomers of higher priority that never end."""
    pool = Pool(replace(limits, pool=limits.pool or 2))
    due = PATIENCE_SECONDS * (1 + TOP - priority)
    start = due - 10.0
    pool.add(job("victim", priority=priority, environment=place, since=0.0))
    victim = pool.waiting["victim"]
    longest, claim_gap = 7.0, 8.0  # places come free when jobs end, and are looked at once a second
    before, due_at, now, n = 0, 0.0, start, 0
    while "victim" in pool.waiting:
        pool.end(now)
        for _ in range(3):  # more newcomers than places, always
            n += 1
            _, repo, environment, high, _ = coming[n % len(coming)]
            pool.add(job(f"n{n}", repo, environment=environment, priority=high, since=now))
        if not due_at and overdue(victim, now):
            due_at = now
            before = sum(rank(j) < rank(victim) for j in pool.waiting.values())
        while pool.claim(now, ends=now + coming[pool.count % len(coming)][4]) is not None:
            pass
        assert now <= due + (before + 1) * (longest + 2 * claim_gap)
        now += 1.0
