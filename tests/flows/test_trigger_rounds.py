"""Schedules, polling and statuses: what the server does by itself, with a clock that can jump."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.support.forges import SHA, TOKEN, Forge, forge
from tests.support.triggering import Bureau, Repository

from headway.flows import trigger_poll, trigger_schedule, trigger_status
from headway.flows.trigger_status import context
from headway.model.connection import Connection
from headway.model.errors import Unreachable
from headway.pipeline.trigger import TriggerEvent
from headway.pipeline.trigger.moved import pushed
from headway.store import commit_statuses, schedules, triggers
from headway.store.schedules import Schedule
from headway.store.triggers import Started


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "shop")


@pytest.fixture
def bureau(tmp_path: Path) -> Bureau:
    made = Bureau(tmp_path / "home")
    made.parts.clock.at = at("2026-01-01T12:00:00")
    return made


def learn(bureau: Bureau, repo: Repository, on: str) -> None:
    sha = repo.workflow(on)
    bureau.tell(pushed("hosted", str(repo.folder), "refs/heads/main", "", sha), f"push-{sha}")
    bureau.work()
    bureau.runs()


def known(bureau: Bureau) -> list[Schedule]:
    with bureau.reading() as connection:
        return schedules.every(connection)


def strike(bureau: Bureau) -> list[str]:
    return trigger_schedule.strike(bureau.tx, known(bureau))


def events(bureau: Bureau, hook: str) -> list[TriggerEvent]:
    with bureau.reading() as connection:
        found = triggers.waiting(connection, bureau.world.clock.now())
    return [w.event for w in found if w.hook == hook]


DAILY = "  schedule:\n    - cron: '30 6 * * *'\n      timezone: Europe/Berlin"


def test_a_schedule_is_learnt_from_the_default_branch_and_struck_in_its_zone(
    repo: Repository, bureau: Bureau
) -> None:
    learn(bureau, repo, DAILY)
    assert [(s.cron, s.zone, s.branch) for s in known(bureau)] == [
        ("30 6 * * *", "Europe/Berlin", "main")]  # fmt: skip
    strike(bureau)
    assert events(bureau, "schedule") == []
    bureau.parts.clock.at = at("2026-01-02T05:29:59")
    strike(bureau)
    assert events(bureau, "schedule") == []
    bureau.parts.clock.at = at("2026-01-02T05:30:02")
    strike(bureau)
    strike(bureau)
    (event,) = events(bureau, "schedule")
    assert event.payload == {"schedule": "30 6 * * *", "scheduled_at": "2026-01-02 06:30 CET"}
    newest = repo.commit(x="1")
    bureau.work()
    (run,) = bureau.started
    assert (run.event, run.ref, run.sha) == ("schedule", "refs/heads/main", newest)


def test_missed_moments_become_one_event_that_says_so(repo: Repository, bureau: Bureau) -> None:
    learn(bureau, repo, DAILY)
    bureau.parts.clock.at = at("2026-01-09T12:00:00")
    strike(bureau)
    (event,) = events(bureau, "schedule")
    assert event.payload["scheduled_at"] == "2026-01-09 06:30 CET"
    assert event.payload["late"] == "23400 s late, 7 earlier ones were missed"
    strike(bureau)
    assert len(events(bureau, "schedule")) == 1


def test_only_the_default_branch_has_schedules_and_they_follow_it(
    repo: Repository, bureau: Bureau
) -> None:
    learn(bureau, repo, DAILY)
    bureau.parts.clock.sleep(60)
    repo.git("checkout", "-q", "-b", "topic")
    sha = repo.workflow("  schedule:\n    - cron: '0 0 * * *'")
    repo.git("checkout", "-q", "main")
    bureau.tell(pushed("hosted", str(repo.folder), "refs/heads/topic", "", sha), "topic")
    bureau.work()
    assert [s.cron for s in known(bureau)] == ["30 6 * * *"]
    both = DAILY + "\n    - cron: '0 9 * * MON'"
    before = known(bureau)[0].seen
    learn(bureau, repo, both)
    seen = {s.cron: s.seen for s in known(bureau)}
    assert seen == {"30 6 * * *": before, "0 9 * * MON": bureau.world.clock.now()}
    learn(bureau, repo, "  push:")
    assert known(bureau) == []


def test_a_schedule_strikes_only_its_own_workflow(repo: Repository, bureau: Bureau) -> None:
    learn(bureau, repo, DAILY)
    path = repo.folder / ".github/workflows/twin.yml"
    path.write_text((repo.folder / ".github/workflows/ci.yml").read_text())
    sha = repo.commit()
    bureau.tell(pushed("hosted", str(repo.folder), "refs/heads/main", "", sha), "twin")
    bureau.work()
    bureau.parts.clock.at = at("2026-01-02T05:31:00")
    strike(bureau)
    bureau.work()
    assert sorted(run[0] for run in bureau.runs()) == ["ci.yml", "twin.yml"]


def test_a_zone_that_is_unknown_here_is_complained_of_and_the_others_strike(bureau: Bureau) -> None:
    made = [Schedule("/r", f"{z}.yml", "* * * * *", z, "r", "main") for z in ("Mars/Base", "UTC")]
    with bureau.tx() as tx:
        schedules.replace(tx, "/r", made)
    bureau.parts.clock.sleep(120)
    (complaint,) = strike(bureau)
    assert "Mars/Base" in complaint
    assert [e.workflow for e in events(bureau, "schedule")] == ["UTC.yml"]


def fence(bureau: Bureau) -> None:
    """Eight servers that all saw the same row: one strikes."""
    with bureau.tx() as tx:
        schedules.replace(tx, "/r", [Schedule("/r", "f.yml", "* * * * *", "", "r", "main")])
    bureau.parts.clock.sleep(120)
    rows = known(bureau)
    gate = threading.Barrier(8)

    def server() -> None:
        gate.wait(60)
        trigger_schedule.strike(bureau.tx, rows)

    threads = [threading.Thread(target=server) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(events(bureau, "schedule")) == 1


def test_one_server_strikes(bureau: Bureau) -> None:
    fence(bureau)


def test_one_server_strikes_on_postgres(tmp_path: Path, postgres_url: str) -> None:
    with sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(sa.text("CREATE DATABASE triggers_test"))
    url = sa.make_url(postgres_url).set(database="triggers_test")
    made = Bureau(tmp_path / "home", url.render_as_string(hide_password=False))
    fence(made)
    assert made.tell(events(made, "schedule")[0], "again", "hook")
    made.db.dispose()


# polling


def connect(bureau: Bureau, url: str, **options: str) -> Connection:
    bureau.known["far"] = Connection("far", "git", url, options)
    return bureau.known["far"]


def poll(bureau: Bureau, connection: Connection) -> str:
    return trigger_poll.poll(bureau.tx, bureau.reading, bureau.world, connection)


def test_polling_tells_of_refs_that_moved_and_not_of_the_first_sight(
    repo: Repository, bureau: Bureau
) -> None:
    old = repo.workflow("  push:")
    far = connect(bureau, str(repo.folder))
    assert poll(bureau, far) == ""
    assert events(bureau, "far") == []
    new = repo.commit(x="1")
    repo.git("tag", "-a", "v1", "-m", "one")
    assert poll(bureau, far) == ""
    assert events(bureau, "far") == []  # it is not time yet
    bureau.parts.clock.sleep(60)
    poll(bureau, far)
    found = {e.ref: e for e in events(bureau, "far")}
    assert set(found) == {"refs/heads/main", "refs/tags/v1"}
    main = found["refs/heads/main"]
    assert (main.before, main.sha, main.default_branch) == (old, new, "main")
    assert found["refs/tags/v1"].sha == new
    bureau.work()
    assert sorted(r[2] for r in bureau.runs()) == ["refs/heads/main", "refs/tags/v1"]
    bureau.parts.clock.sleep(60)
    poll(bureau, far)
    assert events(bureau, "far") == []


def test_who_does_not_answer_is_asked_less_and_less_and_complained_of_once(
    tmp_path: Path, repo: Repository, bureau: Bureau
) -> None:
    repo.workflow("  push:")
    far = connect(bureau, str(repo.folder), every="10")
    poll(bureau, far)
    away = repo.folder.rename(tmp_path / "away")
    said, waits = [], []
    for _ in range(12):
        with bureau.reading() as db:
            due = trigger_poll.polls.get(db, "far", far.url).next_at
        waits.append(due - bureau.world.clock.now())
        bureau.parts.clock.at = due
        said.append(poll(bureau, far))
    assert [bool(s) for s in said] == [True] + [False] * 11
    assert waits[:5] == pytest.approx([10, 20, 40, 80, 160])
    assert max(waits) == 3600
    away.rename(repo.folder)
    repo.commit(x="1")
    bureau.parts.clock.sleep(3600)
    assert poll(bureau, far) == ""
    assert [e.ref for e in events(bureau, "far")] == ["refs/heads/main"]


@pytest.mark.parametrize(
    ("every", "seconds"), [("30", 30), ("1", 10), ("99999", 3600), ("x", 60), ("nan", 10)]
)
def test_the_interval_has_bounds(every: str, seconds: float) -> None:
    assert trigger_poll.every(Connection("a", "git", "x", {"every": every})) == seconds


def test_who_is_polled() -> None:
    assert trigger_poll.polled(Connection("a", "git", "x"))
    assert trigger_poll.polled(Connection("a", "github", "x", {"every": "60"}))
    assert not trigger_poll.polled(Connection("a", "github", "x"))


# statuses


@pytest.fixture
def gitlab(bureau: Bureau) -> Iterator[Forge]:
    with forge("gitlab") as found:
        options = {"token": TOKEN, "secret": "s"}
        connection = Connection("shop", "gitlab", f"{found.url}/team/shop.git", options)
        bureau.known["shop"] = connection
        (entry,) = [e for e in entry_points(group="headway.status_sinks") if e.name == "gitlab"]
        bureau.parts.sinks["shop"] = entry.load()(bureau.home, connection)
        with bureau.tx() as tx:
            triggers.link(tx, [Started("run_1", "t", "shop", "team/shop", SHA, "f")])
        yield found


def tell(bureau: Bureau, state: Any, run: str = "run_1", name: str = "shop") -> bool:
    with bureau.tx() as tx:
        status = (context("CI"), state, "https://ci/run_1", state)
        return trigger_status.tell(tx, bureau.known.get(name), run, status)


def send(bureau: Bureau) -> list[str]:
    with bureau.reading() as db:
        due = commit_statuses.due(db, bureau.world.clock.now())
    return trigger_status.send(bureau.tx, bureau.world, due)


def test_the_newest_status_arrives_whatever_happened_before(bureau: Bureau, gitlab: Forge) -> None:
    assert tell(bureau, "pending")
    gitlab.broken = [(502, {}), (500, {})]
    assert send(bureau) == []
    assert send(bureau) == []  # not yet again
    assert gitlab.requests == 1
    bureau.parts.clock.sleep(2.1)
    send(bureau)
    tell(bureau, "success")
    assert send(bureau) == []
    assert [s["state"] for s in gitlab.shown.values()] == ["success"]
    assert list(gitlab.shown) == [("team/shop", SHA, "headway / CI")]
    asked = gitlab.requests
    tell(bureau, "success")
    bureau.parts.clock.sleep(3600)
    send(bureau)
    assert gitlab.requests == asked


def test_what_is_refused_is_complained_of_and_not_repeated(bureau: Bureau, gitlab: Forge) -> None:
    tell(bureau, "pending")
    gitlab.broken = [(401, {})]
    (complaint,) = send(bureau)
    assert "token" in complaint
    assert TOKEN not in complaint
    bureau.parts.clock.sleep(3600)
    assert send(bureau) == []
    assert gitlab.requests == 1
    tell(bureau, "success")
    send(bureau)
    assert [s["state"] for s in gitlab.shown.values()] == ["success"]


def test_a_status_that_changed_while_it_was_sent_is_sent_again(
    bureau: Bureau, gitlab: Forge
) -> None:
    tell(bureau, "running")
    with bureau.reading() as db:
        (due,) = commit_statuses.due(db, bureau.world.clock.now())
    tell(bureau, "success")
    trigger_status.send(bureau.tx, bureau.world, [due])
    send(bureau)
    assert [s["state"] for s in gitlab.shown.values()] == ["success"]


def test_nobody_is_told_of_runs_that_no_forge_started(bureau: Bureau, gitlab: Forge) -> None:
    assert not tell(bureau, "pending", run="run_2")
    assert not tell(bureau, "pending", name="nobody")
    bureau.known["shop"] = Connection("shop", "gitlab", gitlab.url, {"secret": "s"})
    assert not tell(bureau, "pending")
    assert send(bureau) == []
    assert gitlab.requests == 0


def test_a_forge_that_is_away_for_a_day_is_given_up(bureau: Bureau) -> None:
    class Away:
        def report(self, _status: object) -> None:
            raise Unreachable("away")

    bureau.parts.sinks["shop"] = Away()
    bureau.known["shop"] = Connection("shop", "github", "https://x/a/b", {"token": "t"})
    with bureau.tx() as tx:
        triggers.link(tx, [Started("run_1", "t", "shop", "a/b", SHA, "f")])
    tell(bureau, "pending")
    said: list[str] = []
    for _ in range(14):
        said += send(bureau)
        bureau.parts.clock.sleep(7200)
    assert len(said) == 1
    assert "given up" in said[0]
