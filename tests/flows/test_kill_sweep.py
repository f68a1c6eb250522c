"""SIGKILL of the whole engine at every point of a delivery's journal; the end is the same.

Every part is real: git, runner, artifact store, keys, processes under shims, an Envoy in each
environment, users who count. What is asserted about the world is read from the world: the proxy,
the processes, and ledgers that the journal knows nothing of. The same sweep over the flows alone,
in memory, is test_kill_in_memory.py.
"""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from tests.flows.kill_child import LOOP
from tests.flows.kill_stage import (
    AT_ONCE,
    BLUE_GREEN,
    ENVIRONMENTS,
    SHADOW,
    SHOP,
    End,
    Stage,
    Version,
    lost,
)
from tests.support import ledger
from tests.support.load import Load

JOURNEYS = {
    "canary": Version(),
    "rollback": Version(faults=0.3, policy="extend"),
    "blue-green": Version(rollout=BLUE_GREEN),
    "shadow": Version(rollout=SHADOW),
}
TWO = [
    ("canary", "step 0: route#2:after"),
    ("rollback", "roll back: route#1:after"),
]
FEW_ON_POSTGRES = [
    ("canary", "gates#2:commit"),
    ("canary", "step 1: route#2:amid"),
    ("canary", "released#2:commit"),
    ("rollback", "rolled back#1:commit"),
    ("rollback", "remove the candidate#1:after"),
]
TURNS = 2  # of a loop whose number of turns is a matter of time


class Sweep:
    """One long-lived stage with users, on which delivery after delivery is killed."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.kills: list[str] = []
        self.references: dict[str, tuple[End, list[str]]] = {}
        first, _ = stage.deliver(Version())
        assert stage.delivery(first).outcome == "delivered", stage.delivery(first)
        self.load = Load(stage.address(), connections=8, rate=100)

    def reference(self, journey: str) -> tuple[End, list[str]]:
        """The end of a delivery that nobody kills, and the points of its journal."""
        if journey not in self.references:
            before = self.stage.before()
            delivery, _ = self.stage.deliver(JOURNEYS[journey])
            points = self.stage.points()
            self.references[journey] = self.stage.end(delivery, before), points
            self.sound()
        return self.references[journey]

    def kill(self, journey: str, point: str) -> None:
        """One more delivery, killed at the point; everything must be as if it had not been."""
        wanted, _ = self.reference(journey)
        before = self.stage.before()
        delivery, killed = self.stage.deliver(JOURNEYS[journey], point)
        assert killed or _timed(point), f"{journey}: never came to {point}"
        if killed:
            self.kills.append(f"{journey}: {point}")
        assert self.stage.end(delivery, before) == wanted, f"{journey}: {point}"
        self.sound()

    def sound(self) -> None:
        """What holds after every delivery, killed or not."""
        seqs = [(e.seq, e.id) for e in self.stage.events()]
        assert [seq for seq, _ in seqs] == list(range(1, len(seqs) + 1))
        assert len({id for _, id in seqs}) == len(seqs)
        for environment in ENVIRONMENTS:
            ledger.nothing_twice(self.stage.home, environment)
            ledger.proxy_agrees(self.stage.home, environment, SHOP)
        self._nothing_left_over()
        assert lost(self.load.tally(), own_faults=True) == 0, self.load.tally()

    def _nothing_left_over(self) -> None:
        stable = {e: self.stage.place(e).stable for e in ENVIRONMENTS}
        wanted = {f"staging/{stable['staging']}-1"}
        wanted |= {f"production/{stable['production']}-{n}" for n in (1, 2)}
        assert set(ledger.alive(self.stage.home)) == wanted
        assert set(ledger.shims(self.stage.home)) == wanted

    def told(self) -> str:
        """The counts, for whoever reads the test's output."""
        tally, home = self.load.tally(), self.stage.home
        starts = sum(len(ledger.starts(home, e)) for e in ENVIRONMENTS)
        loads = sum(len(ledger.reloads(home, e)) for e in ENVIRONMENTS)
        return (
            f"kill sweep: {len(self.kills)} kills at {len(set(self.kills))} points, "
            f"{self.stage.version} deliveries, {starts} starts and {loads} route changes, none "
            f"twice; {tally.answered} requests, {lost(tally, own_faults=True)} lost, "
            f"slowest {1000 * tally.slowest:.0f} ms"
        )


def _timed(point: str) -> bool:
    """A later turn of a loop may not come."""
    name, _, rest = point.partition(" ")
    return name in LOOP and not rest.endswith(("#1:before", "#1:after", "#1:commit", "#1:sealed"))


def chosen(points: list[str]) -> list[str]:
    """Every point, but of a loop only its first turns."""
    return [p for p in points if p.split(" ")[0] not in LOOP or _turn(p) <= TURNS]


def _turn(point: str) -> int:
    return int(point.rpartition(":")[0].rpartition("#")[2])


@pytest.fixture
def new_sweep(tmp_path: Path) -> Iterator[Callable[..., Sweep]]:
    """Makes the sweep's stage, with users from then on; takes everything down."""
    stages: list[Stage] = []
    loads: list[Load] = []

    def make(database: str | None = None) -> Sweep:
        stages.append(Stage(tmp_path, database))
        sweep = Sweep(stages[-1])
        loads.append(sweep.load)
        sweep.load.__enter__()
        return sweep

    try:
        yield make
    finally:
        for load in loads:
            load.stop()
        for stage in stages:
            stage.close()


def go_through(sweep: Sweep, points: list[tuple[str, str]], say: Callable[[str], None]) -> None:
    """All the points, also after one at which something was wrong; a few wrong ones are enough."""
    wrong: list[str] = []
    for journey, point in points:
        try:
            sweep.kill(journey, point)
        except AssertionError as error:
            wrong.append(f"{journey}: {point}: {error}")
            assert len(wrong) < 5, "\n\n".join(wrong)
    sweep.load.stop()
    say(sweep.told())
    assert not wrong, "\n\n".join(wrong)
    sweep.sound()


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints a line that is seen without asking for it."""

    def aloud(line: str) -> None:
        with capsys.disabled():
            print(f"\n{line}", flush=True)

    return aloud


@pytest.mark.seed("S-053")
def test_killed_at_two_points_the_delivery_ends_the_same(
    new_sweep: Callable[..., Sweep], say: Callable[[str], None]
) -> None:
    sweep = new_sweep()
    go_through(sweep, TWO, say)
    assert len(sweep.kills) == len(TWO)


@pytest.mark.soak
def test_killed_while_one_of_two_is_stopped_the_drain_goes_on(tmp_path: Path) -> None:
    """One old instance is gone and the other takes its time when the engine dies; the drain that
    is done again must not take what is left for another order of the same generation.
    """
    stage = Stage(tmp_path)
    try:
        stage.deliver(Version(stops_in=5.0))
        delivery, killed = stage.deliver(Version(rollout=AT_ONCE), "release: drain#1:amid@2")
        assert killed
        assert (stage.delivery(delivery).outcome, stage.delivery(delivery).because) == (
            "delivered",
            "",
        )
        assert set(ledger.alive(stage.home)) == {
            "staging/shop-2-1",
            "production/shop-2-1",
            "production/shop-2-2",
        }
    finally:
        stage.close()


@pytest.mark.soak
@pytest.mark.parametrize("journey", JOURNEYS)
def test_killed_at_every_point_the_delivery_ends_the_same(
    new_sweep: Callable[..., Sweep], say: Callable[[str], None], journey: str
) -> None:
    sweep = new_sweep()
    _, points = sweep.reference(journey)
    go_through(sweep, [(journey, p) for p in chosen(points)], say)
    assert len(set(sweep.kills)) >= 25


@pytest.mark.soak
def test_killed_on_postgres_the_delivery_ends_the_same(
    new_sweep: Callable[..., Sweep], say: Callable[[str], None], postgres_url: str
) -> None:
    name = f"k{uuid.uuid4().hex}"
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    sweep = new_sweep(f"{postgres_url.rsplit('/', 1)[0]}/{name}")
    go_through(sweep, FEW_ON_POSTGRES, say)
    assert len(sweep.kills) == len(FEW_ON_POSTGRES)
