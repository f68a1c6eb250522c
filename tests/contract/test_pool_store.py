"""The queue of pools on SQLite and on a real Postgres: claims, limits, leases, fences."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from tests.support.postgres import databases

from headway.pipeline.pool.choice import Limits
from headway.store import database, pool_claims, pool_jobs, pool_members, pool_sources
from headway.store.pool_claims import Claim, Held, Piece
from headway.store.pool_jobs import New
from headway.store.pool_members import Worker
from headway.store.pool_place import Ear, connect, tell, tx
from headway.store.pool_sources import Source
from headway.store.pool_tables import jobs, pieces, pools, sources, turns, workers
from headway.store.views import pools as views


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with databases(tmp_path_factory.mktemp("db")) as found:
        yield found


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest, urls: dict[str, str]) -> Iterator[sa.Engine]:
    made = database.connect(urls[request.param])
    with made.begin() as connection:
        for table in (jobs, pieces, pools, turns, workers, sources):
            connection.execute(table.delete())
    yield made
    made.dispose()


def join(engine: sa.Engine, name: str, lease: float = 30.0) -> None:
    with tx(engine) as one:
        pool_members.register(one, Worker(name, "p", "host", 1, b"key", lease))


def new(name: str, repo: str = "r", **more: Any) -> New:
    given = {
        "pool": "p",
        "home": "home",
        "run": f"run_{repo}",
        "name": name,
        "environment": "",
        "priority": 1,
        "order": b"{}",
        "source": "",
        "secret": False,
    }
    return New(id=name, repo=repo, **(given | more))


def queue(engine: sa.Engine, *jobs: New | str) -> None:
    with tx(engine) as one:
        pool_members.make(one, "p")
        for job in jobs:
            assert pool_jobs.put(one, new(job) if isinstance(job, str) else job)


def claim(engine: sa.Engine, worker: str) -> Held | None:
    with tx(engine, claims=True) as one:
        return pool_claims.claim(one, "p", worker)


def finish(engine: sa.Engine, held: Claim) -> bool:
    with tx(engine) as one:
        return pool_claims.finish(one, held, "p", b"result")


def silence(engine: sa.Engine, worker: str, lease: float = 0.0) -> list[Claim]:
    """The worker has not been heard for longer than its lease."""
    with tx(engine, claims=True) as one:
        mine = workers.update().where(workers.c.id == worker)
        one.connection.execute(mine.values(beat_at=one.now - 1e9, lease=lease))
        return pool_claims.expire(one)


def state(engine: sa.Engine, job: str) -> tuple[str, int, str]:
    with engine.connect() as connection:
        found = pool_jobs.look(connection, [job])[job]
    return found.state, found.generation, found.worker


def test_a_job_is_queued_once_and_claimed_once(engine: sa.Engine) -> None:
    join(engine, "w")
    queue(engine, "a")
    with tx(engine) as one:
        assert not pool_jobs.put(one, new("a", "other"))
    held = claim(engine, "w")
    assert held is not None
    assert held.claim == Claim("a", 1, "w")
    assert claim(engine, "w") is None
    assert state(engine, "a") == ("claimed", 1, "w")
    assert finish(engine, held.claim)
    assert not finish(engine, held.claim)
    with engine.connect() as connection:
        assert pool_jobs.result(connection, "a") == b"result"


def test_a_dead_workers_writes_change_nothing(engine: sa.Engine) -> None:
    join(engine, "old")
    join(engine, "new")
    queue(engine, "a")
    old = claim(engine, "old")
    assert old is not None
    said = [Piece("log", 0, 0, b"x")]
    with tx(engine) as one:
        assert pool_claims.ship(one, old.claim, said, {"0.log": 1})
        assert pool_jobs.seal(one, "a", 1, b"sealed")
    assert silence(engine, "old") == [old.claim]
    assert state(engine, "a") == ("waiting", 1, "")
    with engine.connect() as connection:
        assert pool_jobs.said(connection, "a") == []
    now = claim(engine, "new")
    assert now is not None
    assert (now.claim.generation, now.shipped, now.sealed) == (2, {}, b"")
    with tx(engine) as one:
        assert not pool_claims.ship(one, old.claim, said, {"0.log": 1})
        assert not pool_claims.give_back(one, old.claim, "p")
        assert not pool_jobs.seal(one, "a", 1, b"sealed")
    assert not finish(engine, old.claim)
    assert state(engine, "a") == ("claimed", 2, "new")
    assert finish(engine, now.claim)


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_after_a_restart_of_the_database_every_worker_has_a_lease_to_be_heard(
    engine: sa.Engine,
) -> None:
    join(engine, "w")
    queue(engine, "a")
    held = claim(engine, "w")
    assert held is not None
    # silent for longer than the database runs, which began after a time that nobody could beat in
    assert silence(engine, "w", lease=86_400.0) == []
    assert state(engine, "a") == ("claimed", 1, "w")
    assert silence(engine, "w", lease=0.0) == [held.claim]


def test_a_worker_nobody_knows_holds_nothing(engine: sa.Engine) -> None:
    join(engine, "w")
    queue(engine, "a")
    assert claim(engine, "stranger") is not None
    with tx(engine, claims=True) as one:
        assert [c.worker for c in pool_claims.expire(one)] == ["stranger"]
        assert not pool_claims.expirable(one.connection)


def test_what_is_given_back_waits_since_it_first_waited(engine: sa.Engine) -> None:
    join(engine, "w")
    queue(engine, "a")
    held = claim(engine, "w")
    assert held is not None
    with tx(engine) as one:
        assert pool_claims.give_back(one, held.claim, "p")
    with engine.connect() as connection:
        (row,) = pool_jobs.listing(connection, "p")
    assert row.state == "waiting"
    assert row.since <= row.claimed_at
    again = claim(engine, "w")
    assert again is not None
    assert again.claim.generation == 2


def test_cancelling_removes_who_waits_and_tells_who_runs(engine: sa.Engine) -> None:
    join(engine, "w")
    queue(engine, "a")
    with tx(engine, claims=True) as one:
        assert pool_jobs.cancel(one, "a")
    assert claim(engine, "w") is None
    queue(engine, "b")
    held = claim(engine, "w")
    assert held is not None
    with tx(engine, claims=True) as one:
        assert not pool_jobs.cancel(one, "b")
        assert pool_claims.signs(one.connection, "w") == {"b": (1, True, False)}
    # its worker dies: nobody takes it, the server removes it
    silence(engine, "w")
    assert claim(engine, "w") is None
    with tx(engine, claims=True) as one:
        assert pool_jobs.cancel(one, "b")


@pytest.mark.seed("S-022")
@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_200_jobs_on_two_workers_within_limits_and_in_turns(engine: sa.Engine) -> None:
    """Every repository is served alike, no limit is exceeded, and nobody waits longer than for a
    turn of each other repository, whoever queued first and however much.
    """
    for name in ("w1", "w2"):
        join(engine, name)
    with tx(engine) as one:
        pool_members.limit(one, "p", Limits(pool=2, repo=1, environment=1))
    sizes = {"crowd": 150, "small": 30, "few": 20}
    for repo, size in sizes.items():
        places = ("", "prod")
        queue(engine, *(new(f"{repo}/{n}", repo, environment=places[n % 2]) for n in range(size)))
    served: list[str] = []
    running: list[Held] = []
    most: Counter[str] = Counter()
    while len(served) < 200:
        while len(running) < 2 and (held := claim(engine, f"w{1 + len(running)}")) is not None:
            running.append(held)
            served.append(held.repo)
        most |= Counter(h.repo for h in running)
        if len(served) % 40 == 0:
            assert claim(engine, "w1") is None, "two are the limit of the pool"
        assert finish(engine, running.pop(0).claim)
    assert max(most.values()) == 1
    assert Counter(served) == sizes
    last = max(i for i, repo in enumerate(served) if repo == "few")
    assert last <= 3 * sizes["few"] + 2, "a turn of each other repository, not of each other job"
    with engine.connect() as connection:
        count = sa.select(sa.func.count()).select_from(jobs).where(jobs.c.generation != 1)
        assert connection.execute(count).scalar_one() == 0, "each was taken once"


def test_workers_that_claim_at_once_take_different_jobs(engine: sa.Engine) -> None:
    with tx(engine) as one:
        pool_members.limit(one, "p", Limits(pool=7, repo=3))
    queue(engine, *(new(f"j{n}", f"r{n % 4}") for n in range(20)))
    taken: list[str] = []

    def work(name: str) -> None:
        join(engine, name)
        while (held := claim(engine, name)) is not None:
            taken.append(held.claim.job)

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 7
    with engine.connect() as connection:
        running = Counter(job.repo for job in pool_claims.running(connection, "p"))
    assert max(running.values()) <= 3


def test_what_people_are_told(engine: sa.Engine) -> None:
    queue(engine, "a")
    with engine.connect() as connection:
        (seen,) = views.pools(connection)
        assert [job.because for job in seen.waiting] == ["no worker is there"]
    join(engine, "w")
    assert claim(engine, "w") is not None
    queue(engine, "b")
    with tx(engine) as one:
        pool_members.limit(one, "p", Limits(repo=1))
        (seen,) = views.pools(one.connection, "p")
    assert [(w.state, w.running) for w in seen.workers] == [("ready", 1)]
    assert [job.state for job in seen.jobs] == ["running", "waiting"]
    assert seen.waiting[0].because == "the repository runs its limit of 1"
    with tx(engine) as one:
        assert not pool_members.remove(one, "p")
        one.connection.execute(jobs.delete())
        pool_members.beat(one, "w", "gone")
        assert pool_members.remove(one, "p")
        assert views.pools(one.connection) == []


def test_an_ear_hears_its_own_kinds(engine: sa.Engine) -> None:
    ear = Ear(engine, "job", "pool")
    try:
        assert ear.wait(0.1) == {"*"}
        with tx(engine) as one:
            tell(one, "worker", "not for it")
            tell(one, "job", "a", "b", "a")
        told = ear.wait(5.0)
        assert told == {"*"} or told == {"a", "b"}
    finally:
        ear.close()


def test_commits_are_forgotten_from_the_tip(engine: sa.Engine) -> None:
    with tx(engine) as one:
        for sha, base in (("1", ""), ("2", "1"), ("3", "2")):
            pool_sources.put(one, Source("r", sha, base, 0, f"d{sha}", "{}"))
        old = pool_sources.KEPT_SECONDS + 1
        one.connection.execute(sources.update().values(used_at=sources.c.used_at - old))
        pool_sources.used(one, "r", "2")
    kept = []
    for _ in range(3):
        with tx(engine) as one:
            pool_sources.forget(one)
            kept.append(sorted(pool_sources.digests(one.connection)))
    assert kept[-1] == ["d1", "d2"]


def test_how_far_a_log_is_stands_beside_it(engine: sa.Engine) -> None:
    join(engine, "w")
    queue(engine, "a")
    held = claim(engine, "w")
    assert held is not None
    for n in range(3):
        with tx(engine) as one:
            said = [Piece("log", 0, 4 * n, b"abcd")]
            assert pool_claims.ship(one, held.claim, said, {"0.log": 4 * n + 4})
    with engine.connect() as connection:
        (again,) = pool_claims.held(connection, "w")
        assert again.shipped == {"0.log": 12}
        found = pool_jobs.said(connection, "a", most=2)
        assert [p.offset for p in found] == [0, 4]
        assert pool_jobs.talking(connection, ["a", "b"]) == {"a"}
    with tx(engine) as one:
        pool_jobs.took(one, "a", found[-1].id)
        assert [p.offset for p in pool_jobs.said(one.connection, "a")] == [8]
    assert json.loads(json.dumps(again.shipped)) == {"0.log": 12}


def test_an_ear_says_that_the_database_is_away() -> None:
    nobody = connect("postgresql+psycopg://headway@127.0.0.1:1/none")
    ear = Ear(nobody, "job")
    for _ in range(2):
        with pytest.raises(sa.exc.DBAPIError):
            ear.wait(0.1)
    nobody.dispose()
