import sqlite3
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.metrics.samples import increase
from headway.model.series import Point, Selector
from headway.store.samples import Retention, Samples, location

NOW = 1_800_000_000.0


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Samples:
    if request.param == "sqlite":
        return Samples(location(tmp_path, "sqlite:///x"))
    url = request.getfixturevalue("postgres_url")
    found = Samples(url)
    with found._engine.begin() as connection:
        for table in ("series", "sample", "rollup", "sample_dropped", "sample_setting"):
            connection.exec_driver_sql(f"DELETE FROM headway_{table}")
    return found


def point(at: float, value: float, metric: str = "x_total", **labels: str) -> Point:
    kind = "counter" if metric.endswith("_total") else "gauge"
    return Point(metric, {"service": "shop", **labels}, kind, at, value)  # type: ignore[arg-type]


def test_the_samples_of_a_file_home_are_private_and_beside_the_journal(tmp_path: Path) -> None:
    Samples(location(tmp_path, "sqlite:///x")).close()
    file = tmp_path / "metrics.db"
    assert file.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(file) as opened:
        assert opened.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert location(tmp_path, "postgresql://x") == "postgresql://x"


def test_the_same_time_again_replaces(store: Samples) -> None:
    store.append([point(NOW, 1), point(NOW, 2)], NOW)
    store.append([point(NOW - 5, 1), point(NOW, 3)], NOW)
    (series,) = store.fetch(Selector("x_total"), NOW - 60, NOW)
    assert series.samples == ((NOW - 5, 1), (NOW, 3))


def test_growths_are_added_up_even_if_they_come_late(store: Samples) -> None:
    grow = [Point("d_total", {}, "counter", NOW - 10 + t, 2.0, delta=True) for t in (0, 5, 3)]
    store.append(grow, NOW)
    again = Samples(str(store._engine.url.render_as_string(hide_password=False)))
    again.append([Point("d_total", {}, "counter", NOW, 4.0, delta=True)], NOW)
    (series,) = store.fetch(Selector("d_total"), NOW - 60, NOW)
    assert series.samples == ((NOW - 10, 2), (NOW - 5, 6), (NOW, 10))


@pytest.mark.seed("S-157")
def test_label_sets_over_the_budget_are_dropped_and_reported(store: Samples) -> None:
    store.retain(Retention(budget=3))
    many = [point(NOW, 1, user=f"u{n}") for n in range(10)]
    lost = store.append(many, NOW)
    assert lost == [(n, "label budget") for n in range(3, 10)]
    store.append(many, NOW + 5)
    (listed,) = store.listing()
    assert (listed.label_sets, listed.dropped) == (3, {"label budget": 14})
    other = store.append([Point("x_total", {"service": "blog"}, "counter", NOW, 1)], NOW)
    assert other == []


def test_a_histogram_is_one_label_set(store: Samples) -> None:
    store.retain(Retention(budget=1))
    buckets = [point(NOW, n, "d_bucket", le=str(n)) for n in range(50)]
    assert store.append(buckets, NOW) == []
    assert len(store.append([point(NOW, 1, "d_bucket", le="1", route="/x")], NOW)) == 1


def test_label_sets_that_are_gone_make_room(store: Samples) -> None:
    store.retain(Retention(raw=3600, budget=1))
    assert store.append([point(NOW, 1, user="a")], NOW) == []
    assert len(store.append([point(NOW, 1, user="b")], NOW)) == 1
    later = NOW + 4000
    assert store.append([point(later, 1, user="b")], later) == []


def test_headways_own_are_not_bounded_by_the_budget(store: Samples) -> None:
    store.retain(Retention(budget=1))
    mine = [point(NOW, 1, instance=str(n)) for n in range(5)]
    assert store.append(mine, NOW, trusted=True) == []


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (point(NOW + 11, 1), "in the future"),
        (point(NOW, float("nan")), "not a number"),
        (point(float("inf"), 1), "not a number"),
        (point(NOW - 401 * 86400, 1), "too late"),
        (point(NOW, 1, a="x" * 300), "name"),
        (point(NOW, 1, **{f"l{n}": "x" for n in range(40)}), "name"),
        (point(NOW, 1, a="nul\0"), "name"),
        (Point("", {}, "gauge", NOW, 1), "name"),
    ],
)
def test_what_cannot_be_kept_is_dropped_and_counted(store: Samples, bad: Point, why: str) -> None:
    assert store.append([bad, point(NOW, 1)], NOW) == [(0, why)]
    assert {w: n for one in store.listing() for w, n in one.dropped.items()} == {why: 1}


@pytest.mark.seed("S-159")
def test_old_samples_become_one_a_minute_and_then_go(store: Samples) -> None:
    store.retain(Retention(raw=3600, rollup=7200))
    begin = NOW // 60 * 60 - 6000
    points = [point(begin + 5 * n, n) for n in range(1201)]
    gauges = [point(begin + 5 * n, n, "size") for n in range(1201)]
    store.append(points, NOW)
    store.append(gauges, NOW)
    store.prune(NOW)
    (old,) = store.fetch(Selector("x_total"), begin, NOW - 3660)
    assert len(old.samples) in (39, 40)
    (size,) = store.fetch(Selector("size"), begin, begin + 60)
    assert size.samples[0] == (begin + 55, 5.5)
    (new,) = store.fetch(Selector("x_total"), NOW - 3000, NOW)
    assert new.samples[1][0] - new.samples[0][0] == 5
    (whole,) = store.fetch(Selector("x_total"), begin, NOW)
    assert increase(whole.samples, whole.samples[0][0]) == whole.samples[-1][1] - 11
    store.prune(NOW + 3600)
    (rest,) = store.fetch(Selector("x_total"), begin, NOW)
    assert rest.samples[0][0] >= NOW + 3600 - 7200
    store.prune(NOW + 90_000)
    assert store.fetch(Selector("x_total"), begin, NOW) == ()
    assert store.listing() == []


def test_what_comes_later_than_its_rollup_is_too_late(store: Samples) -> None:
    store.retain(Retention(raw=3600, rollup=86400))
    store.append([point(NOW - 5000, 1), point(NOW, 2)], NOW)
    store.prune(NOW)
    assert store.append([point(NOW - 4990, 1.5)], NOW) == [(0, "too late")]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 100), min_size=2, max_size=60),
    st.lists(st.integers(0, 59), min_size=1, max_size=4),
)
def test_rollups_keep_a_counters_increase_across_resets(
    tmp_path_factory: pytest.TempPathFactory, values: list[int], cuts: list[int]
) -> None:
    store = Samples(location(tmp_path_factory.mktemp("s"), "sqlite"))
    begin = NOW // 60 * 60
    raw = [(begin + 25.0 * n, float(v)) for n, v in enumerate(values)]
    store.retain(Retention(raw=3600))
    store.append([point(at, v) for at, v in raw], raw[-1][0])
    for cut in sorted(cuts):
        store.prune(begin + 25 * cut + 3600)
    (series,) = store.fetch(Selector("x_total"), begin, raw[-1][0])
    first = series.samples[0][0]
    expected = increase(raw, first)
    assert increase(series.samples, first) == (pytest.approx(expected) if expected else expected)
    store.close()


def test_several_threads_may_write(store: Samples) -> None:
    def write(n: int) -> None:
        for i in range(10):
            store.append([point(NOW + i, i, thread=str(n))], NOW + i)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(len(s.samples) for s in store.fetch(Selector("x_total"), 0, NOW + 60)) == [10] * 4


def test_two_processes_share_the_series(tmp_path: Path) -> None:
    one, two = (Samples(location(tmp_path, "sqlite")) for _ in range(2))
    one.append([point(NOW, 1)], NOW)
    two.append([point(NOW + 5, 2)], NOW + 5)
    (series,) = one.fetch(Selector("x_total"), 0, NOW + 60)
    assert series.samples == ((NOW, 1), (NOW + 5, 2))
