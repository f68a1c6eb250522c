"""The baseline snapshot: kept with every window and release, used where nobody runs beside."""

from collections.abc import Callable
from contextlib import contextmanager

import msgspec
import pytest
from tests.fakes.world import Behaviour
from tests.flows.conftest import PATIENT, Stage

from headway.analysis import judge
from headway.analysis.judge import Setup
from headway.analysis.memory import Memory
from headway.analysis.snapshot import Kept
from headway.cli.report import report
from headway.flows.baseline import Freshness
from headway.metrics.window import judged
from headway.model.event import Event
from headway.model.window import Window
from headway.store import baselines, records, rollouts
from headway.store.database import Tx, lock
from headway.store.views import rollout as views
from headway.wording.sentences import sentence

BLUE_GREEN = PATIENT.replace(
    "{rollout: {strategy: canary, stability: 60s}}",
    "{rollout: {strategy: blue-green, bake: 60s, keep_old: 0s, stability: 60s}}",
)
SNAPSHOT = BLUE_GREEN.replace("{pace: quick}", "{pace: quick, baseline: snapshot}")
DAY = 86400.0


@pytest.fixture
def stage(new_stage: Callable[[], Stage]) -> Stage:
    made = new_stage()
    made.config = PATIENT
    return made


def wait(stage: Stage, seconds: float) -> None:
    """A time without users."""
    stage.parts.clock.sleep(seconds)
    stage.parts.meter.last = stage.parts.clock.now()


def kept(stage: Stage, environment: str = "production") -> Kept:
    with stage.db.connect() as connection:
        found = baselines.load(connection, "shop", environment)
    assert found is not None
    return found


def told(stage: Stage, release: str) -> list[Event]:
    found = stage.events(kind="rollout.baseline", release=release)
    return [e for e in found if e.environment == "production"]


def reasons(stage: Stage, release: str) -> list[str]:
    found = stage.events(kind="rollout.judged", release=release)
    return [str(e.data["because"]) for e in found if e.environment == "production"]


@pytest.mark.seed("S-101")
def test_a_release_leaves_a_snapshot_and_the_next_is_compared_with_it(stage: Stage) -> None:
    stage.deliver("a1", BLUE_GREEN)
    first = kept(stage)
    assert first.release == "shop-1"
    assert first.memory.requests > 1000
    assert first.memory.knows_latency
    wait(stage, 3 * 3600)
    assert stage.deliver("a2", BLUE_GREEN).outcome == "delivered"
    (event,) = told(stage, "shop-2")
    assert event.data["release"] == "shop-1"
    assert event.data["used"]
    assert not event.data["stale"]
    assert event.data["age_seconds"] == pytest.approx(3 * 3600, abs=300)
    assert all("the snapshot of shop-1, 3 h old" in because for because in reasons(stage, "shop-2"))
    assert {e.data["baseline"] for e in stage.events(kind="rollout.judged", release="shop-2")
            if e.environment == "production"} == {"snapshot"}  # fmt: skip
    assert kept(stage).release == "shop-2"


def test_a_slower_release_is_caught_against_the_snapshot_alone(stage: Stage) -> None:
    """Without a snapshot nothing is known of latency, and it would pass."""
    stage.deliver("a1", BLUE_GREEN)
    stage.parts.meter.behaviour["shop-2"] = Behaviour(slow=3.0)
    done = stage.deliver("a2", BLUE_GREEN)
    assert done.outcome == "rolled_back"
    assert "slower than" in done.because
    assert kept(stage).release == "shop-1"


@pytest.mark.seed("S-101")
def test_a_stale_snapshot_is_used_only_if_asked_for_and_warned_of(stage: Stage) -> None:
    stage.deliver("a1", SNAPSHOT)
    wait(stage, 2 * DAY)
    stage.deliver("a2", SNAPSHOT)
    (event,) = told(stage, "shop-2")
    assert event.data["used"]
    assert event.data["stale"]
    assert "2 days old: stale" in reasons(stage, "shop-2")[0]
    wait(stage, 2 * DAY)
    stage.deliver("a3", BLUE_GREEN)
    (event,) = told(stage, "shop-3")
    assert not event.data["used"]
    assert "is stale and not used; `baseline: snapshot`" in reasons(stage, "shop-3")[0]
    judged = stage.events(kind="rollout.judged", release="shop-3")
    assert {e.data["baseline"] for e in judged if e.environment == "production"} == {"absolute"}


def test_after_a_week_nothing_is_compared_with_it(stage: Stage) -> None:
    stage.deliver("a1", SNAPSHOT)
    wait(stage, 8 * DAY)
    stage.deliver("a2", SNAPSHOT)
    (event,) = told(stage, "shop-2")
    assert not event.data["used"]
    assert event.data["memory"] is None
    assert "8 days old is too old" in reasons(stage, "shop-2")[0]


def test_a_canary_has_somebody_beside_it_and_needs_no_snapshot(stage: Stage) -> None:
    stage.deliver("a1")
    stage.deliver("a2")
    assert told(stage, "shop-2") == []
    assert not any("snapshot" in because for because in reasons(stage, "shop-2"))


def test_every_window_with_stable_traffic_keeps_the_stable_release(stage: Stage) -> None:
    stage.deliver("a1")
    stage.parts.meter.behaviour["shop-2"] = Behaviour(errors=0.2)
    assert stage.deliver("a2").outcome == "rolled_back"
    now = kept(stage)
    last = stage.events(kind="rollout.judged", release="shop-2")[-1]
    assert (now.release, now.at) == ("shop-1", last.at)


def test_the_first_release_has_nothing_to_be_compared_with(stage: Stage) -> None:
    stage.deliver("a1", SNAPSHOT)
    assert told(stage, "shop-1") == []
    assert not any("snapshot" in because for because in reasons(stage, "shop-1"))


def test_windows_judged_against_a_snapshot_replay_to_the_same_verdicts(stage: Stage) -> None:
    """The event holds the snapshot that was used."""
    stage.deliver("a1", SNAPSHOT)
    stage.deliver("a2", SNAPSHOT)
    (event,) = told(stage, "shop-2")
    memory = msgspec.convert(event.data["memory"], Memory)
    with stage.db.connect() as connection:
        recorded = rollouts.all_windows(connection, event.subject)
        analysis = records.release(connection, "shop-2").config.environment("production").analysis
    setup = Setup(judged(analysis), 0.0, memory)
    state = judge.begin(setup)
    for window, finding in recorded:
        state, again = judge.judge(setup, state, records.loads(window, Window))
        written = records.loads(finding, judge.Finding)
        assert (again.log_evidence, again.signals) == (written.log_evidence, written.signals)
        assert written.verdict.because.startswith(again.verdict.because)


class Around:
    """Rounds over the places of a stage."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.fresh = stage, Freshness(stage.parts.world(stage.home))

    @contextmanager
    def tx(self):  # type: ignore[no-untyped-def]
        with self.stage.db.begin() as connection:
            lock(connection)
            yield Tx(connection, self.stage.parts.clock.now())

    def go(self) -> None:
        with self.stage.db.connect() as connection:
            place = records.place(connection, "shop", "production")
        self.fresh.go(self.tx, [place])


@pytest.mark.seed("S-101")
def test_at_rest_the_snapshot_is_kept_fresh(stage: Stage) -> None:
    stage.deliver("a1")
    wait(stage, 2 * DAY)
    stage.parts.meter.behaviour["shop-1"] = Behaviour(errors=0.1)
    around = Around(stage)
    around.go()
    old = kept(stage)
    stage.parts.clock.sleep(60)
    around.go()
    new = kept(stage)
    assert new.at == stage.parts.clock.now() > old.at + DAY
    assert new.memory.error_rate > 0.05 > old.memory.error_rate
    stage.parts.meter.silent = True
    stage.parts.clock.sleep(60)
    around.go()
    assert kept(stage) == new


def test_a_rollout_that_runs_is_left_alone(stage: Stage) -> None:
    stage.deliver("a1")
    around, before = Around(stage), kept(stage)
    with stage.db.connect() as connection:
        place = records.place(connection, "shop", "production")
    around.go()
    stage.parts.clock.sleep(60)
    around.fresh.go(around.tx, [records.changed(place, rollout="rol_1")])
    assert kept(stage) == before
    with around.tx() as tx:  # one that began between the look and the write
        records.put_place(tx, records.changed(place, rollout="rol_1"))
    around.fresh.go(around.tx, [place])
    assert kept(stage) == before


@pytest.mark.seed("S-101")
def test_the_age_of_the_snapshot_is_shown(stage: Stage) -> None:
    stage.deliver("a1", SNAPSHOT)
    wait(stage, 2 * DAY)
    stage.deliver("a2", SNAPSHOT)
    (event,) = told(stage, "shop-2")
    with stage.db.connect() as connection:
        view = views.read(connection, event.subject)
    assert view.snapshot is not None
    assert view.snapshot.age_seconds == pytest.approx(2 * DAY, abs=300)
    shown = "\n".join(report(view, []))
    assert "⚠ compared with the snapshot of shop-1, 2 days old: stale" in shown
    assert "2 days old" in (sentence(event) or "")
