"""A cold start stands beside the figures of a release, not in them."""

from pathlib import Path

import pytest

from headway.metrics.samples import Sample
from headway.model.event import Fact
from headway.model.pace import QUICK
from headway.model.rollout import Plan, Rollout, Step
from headway.model.series import Point
from headway.store import log, rollouts
from headway.store.database import Tx, connect, prepare
from headway.store.samples import Samples, location
from headway.store.views.delta import Delta, delta

NOW = 1_800_000_000.0
BEGAN = NOW - 100
PLAN = Plan(
    "canary", (Step(1.0, 1, 0),), 0.0, QUICK, "hold", 60.0, 7200.0, 0.0, "rollback"
)  # fmt: skip


def told(tmp_path: Path, *, ended: float, decided: bool = True) -> Delta:
    """Half of the requests of the warm-up fail slowly, none of the later ones; one a second."""
    samples = Samples(location(tmp_path, "sqlite:///x"))
    samples.append(list(points()), NOW)
    url = f"sqlite:///{tmp_path}/headway.db"
    prepare(url)
    with connect(url).begin() as connection:
        about = log.About("del_1", "shop", "production", "shop-2")
        begun = Tx(connection, BEGAN)
        rollouts.add(begun, "rol_1", about, "sha256:2", "shop-1")
        if decided:
            rollouts.save(begun, "rol_1", Rollout(PLAN, BEGAN))
        log.append(begun, about, Fact("rollout.shifted", "rol_1", 1))
        if ended:
            rollouts.finish(Tx(connection, ended), "rol_1", "rolled_back", "worse")
        return delta(connection, samples, "shop-2", "production", NOW)


def points() -> list[Point]:
    names = {"service": "shop", "environment": "production"}
    new = {**names, "release": "shop-2"}
    old = {**names, "release": "shop-1"}
    found = [
        Point("headway_requests_total", old, "counter", t, t - BEGAN + 200)
        for t in (BEGAN - 90, BEGAN - 60, BEGAN)
    ]
    for t in range(1, 100):
        cold = min(t, int(QUICK.warm))
        counted: list[Sample] = [(BEGAN + t, float(t))]
        for metric, value in (
            ("headway_requests_total", counted[0][1]),
            ("headway_request_errors_total", cold / 2),
        ):
            found.append(Point(metric, new, "counter", BEGAN + t, value))
        for le, below in (("10", t - cold), ("1000", t)):
            labels = {**new, "le": le}
            name = "headway_request_duration_milliseconds_bucket"
            found.append(Point(name, labels, "counter", BEGAN + t, float(below)))
    return found


@pytest.mark.seed("S-164")
def test_the_warm_up_is_left_out_of_the_figures_of_a_release(tmp_path: Path) -> None:
    found = told(tmp_path, ended=0.0)
    assert found.warming.seconds == QUICK.warm
    assert (found.warming.requests, found.warming.error_rate) == (QUICK.warm, 0.5)
    assert found.warming.p95 is not None
    assert found.warming.p95.low == 10
    assert (found.after.requests, found.after.error_rate) == (99 - QUICK.warm, 0)
    assert found.after.p99 is not None
    assert found.after.p99.high == 10
    assert found.before is not None
    assert found.before.requests == 200


def test_a_release_that_never_got_warm_has_its_warm_up_only(tmp_path: Path) -> None:
    found = told(tmp_path, ended=BEGAN + 5)
    assert (found.warming.seconds, found.warming.requests) == (5, 5)
    assert (found.after.seconds, found.after.requests) == (0, None)


def test_a_rollout_not_yet_decided_is_told_at_the_standard_pace(tmp_path: Path) -> None:
    assert told(tmp_path, ended=0.0, decided=False).warming.seconds == 90
