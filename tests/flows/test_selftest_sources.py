"""`headway judge selftest` on what Headway itself has counted: own samples, recorded rollouts."""

import json
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from tests.flows.conftest import CONFIG, Stage

from headway.cli.main import main
from headway.model.series import Point
from headway.model.window import Counts, Snapshot, VersionCounts
from headway.store.samples import Samples, location
from headway.store.views import own_traffic
from headway.store.views.own_traffic import Span

QUIET = CONFIG.replace("{pace: quick}", "{pace: quick, confidence: 99%}")


def counted(stage: Stage, *, sick: bool, windows: int = 60) -> None:
    """Three instances of shop-1 in windows of two seconds; one of them may answer badly."""
    rng, now = np.random.default_rng(1), time.time()
    samples = Samples(location(stage.home, f"sqlite:///{stage.home / 'headway.db'}"))
    labels = {"service": "shop", "environment": "production", "release": "shop-1"}
    points, totals = [], np.zeros((3, 2))
    for at in range(windows + 1):
        for i in range(3):
            served = int(rng.poisson(150))
            rate = 0.3 if sick and i == 0 else 0.01
            totals[i] += (served, rng.binomial(served, rate))
            mine = {**labels, "instance": f"10.0.0.{i}:80"}
            moment = now - 2 * (windows - at) - 1
            for name, value in zip(
                (own_traffic.REQUESTS, own_traffic.ERRORS), totals[i], strict=True
            ):
                points.append(Point(name, mine, "counter", moment, float(value)))
    samples.append(points, now, trusted=True)
    samples.close()


def ask(stage: Stage) -> tuple[int, dict[str, Any]]:
    args = ["judge", "selftest", "shop", "--splits", "6", "--json", "--home", str(stage.home)]
    done = CliRunner().invoke(main, args)
    assert done.stdout, done.output
    return done.exit_code, json.loads(done.stdout)


@pytest.mark.parametrize("sick", [False, True])
def test_own_samples_of_the_stable_release_are_split_by_instance(
    stage: Stage, *, sick: bool
) -> None:
    stage.deliver("a1", QUIET)
    counted(stage, sick=sick)
    code, told = ask(stage)
    assert told["source"] == "own samples of shop-1"
    assert (told["unit"], told["units"], told["silent"]) == ("instance", 3, 0)
    assert told["requests"] == pytest.approx(60 * 450, rel=0.05)
    assert (code, told["proven"]) == ((1, True) if sick else (0, False))
    assert (told["dispersion_errors"] > 50) == sick


def test_a_restarted_counter_is_no_fall_and_a_gap_no_traffic(stage: Stage) -> None:
    samples = Samples(location(stage.home, f"sqlite:///{stage.home / 'headway.db'}"))
    labels = {
        "service": "shop",
        "environment": "production",
        "release": "shop-1",
        "instance": "a:1",
    }
    seen = [(1.0, 100.0), (3.0, 130.0), (5.0, 20.0), (55.0, 80.0)]
    samples.append([Point(own_traffic.REQUESTS, labels, "counter", *s) for s in seen], 60.0)
    found = own_traffic.windows(samples, "shop", "production", "shop-1", Span(0.0, 60.0, 10.0))
    samples.close()
    assert [(w.start, w.stable.total.requests) for w in found if w.stable] == [
        (0.0, 50),
        (50.0, 60),
    ]


def test_recorded_rollouts_are_split_where_there_are_no_samples(stage: Stage) -> None:
    """The meter in memory counts no instances; here it says that two shared the work."""
    read = stage.parts.meter.read

    def by_instance(service: str, environment: str) -> Snapshot | None:
        seen = read(service, environment)
        if seen is None:
            return None
        return replace(seen, versions={r: shared(r, v) for r, v in seen.versions.items()})

    stage.parts.meter.read = by_instance  # type: ignore[method-assign]
    stage.deliver("a1", QUIET)
    stage.deliver("a2", QUIET)
    code, told = ask(stage)
    assert (code, told["alarms"], told["source"]) == (0, 0, "1 recorded rollouts")
    assert told["units"] == 2


def shared(release: str, version: VersionCounts) -> VersionCounts:
    n, k = version.total.requests, version.total.errors
    first = Counts(n // 2, k // 2)
    return replace(
        version,
        instances={f"{release}:1": first, f"{release}:2": Counts(n - n // 2, k - k // 2)},
    )
