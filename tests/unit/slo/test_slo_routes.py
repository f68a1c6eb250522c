"""SLOs of routes: which of the proxy's counters make up a path, and what they grew."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.model.service import Slo
from headway.model.window import Counts, Snapshot, VersionCounts
from headway.slo import routes
from headway.slo.tally import Tally, grown, remembered
from headway.store.records import dumps, loads

SHOP = Slo("shop", route="/shop")
FAST = Slo("fast", sli="latency", under_seconds=0.3, route="/shop")
BOUNDS = (100.0, 300.0, 1000.0)
ALL = {"v1": VersionCounts(Counts(10_000, 5_000, (10_000, 0, 0, 0)), {})}


def reading(at: float, epoch: str = "a", **paths: tuple[int, int]) -> Snapshot:
    """`shop_cart=(7, 1)`: seven requests below /shop/cart, one of them an error."""
    found = {
        "/" + name.replace("_", "/"): Counts(n, bad, (n - bad, 0, bad, 0))
        for name, (n, bad) in paths.items()
    }
    return Snapshot(at, epoch, BOUNDS, ALL, found)


def test_a_route_is_what_is_counted_at_and_below_it() -> None:
    before = reading(0, shop=(10, 1), shop_cart=(5, 0), shopping=(50, 50), other=(9, 9))
    after = reading(10, shop=(20, 2), shop_cart=(9, 3), shopping=(90, 90), other=(99, 99))
    assert grown(before, after, SHOP) == {"": Tally(10, 14)}
    assert grown(before, after, FAST) == {"": Tally(10, 14)}
    assert grown(before, after, Slo("cart", route="/shop/cart")) == {"": Tally(1, 4)}
    assert grown(before, after, Slo("all", route="/nothing")) == {}


def test_a_route_that_comes_or_goes_below_another_changes_nothing_of_it() -> None:
    first, second = reading(0, shop=(100, 0)), reading(10, shop=(110, 0), shop_cart=(5, 0))
    assert grown(first, second, SHOP) == {"": Tally(15, 15)}
    known = remembered(first, second)
    third = reading(20, shop=(120, 0))
    assert grown(known, third, SHOP) == {"": Tally(10, 10)}
    known = remembered(known, third)
    assert grown(known, reading(30, shop=(120, 0), shop_cart=(6, 0)), SHOP) == {"": Tally(1, 1)}


def test_what_was_counted_below_while_the_whole_was_not_is_not_added_later() -> None:
    known = reading(0, shop_cart=(1000, 0))
    assert routes.parts(known.routes, "/shop") is None
    assert grown(known, reading(10, shop=(3, 0), shop_cart=(1002, 0)), SHOP) == {"": Tally(5, 5)}


def test_a_new_proxy_counts_from_zero() -> None:
    assert grown(reading(0, shop=(50, 0)), reading(10, "b", shop=(7, 1)), SHOP) == {"": Tally(6, 7)}


def test_a_service_as_a_whole_is_not_moved_by_routes() -> None:
    found = grown(reading(0, shop=(1, 0)), reading(10, shop=(99, 9)), Slo("availability"))
    assert found == {}


def test_only_what_the_proxy_counts_is_asked_of_it() -> None:
    slos = (SHOP, FAST, Slo("a"), Slo("b", route="/b", source="prom"), Slo("c", route="/c"))
    assert routes.measured(slos) == ("/c", "/shop")


@given(st.lists(st.integers(0, 99), min_size=1, max_size=5))
def test_parts_are_added_up(sizes: list[int]) -> None:
    both = routes.together(Counts(n, n // 2, (n, 1)) for n in sizes)
    assert both == Counts(sum(sizes), sum(n // 2 for n in sizes), (sum(sizes), len(sizes)))
    assert routes.together([Counts(1, 0), Counts(2, 1, (2, 0))]) == Counts(3, 1, (2, 0))


@pytest.mark.parametrize(("path", "inside"), [("/a", True), ("/a/b", True), ("/ab", False)])
def test_below_is_by_segments(path: str, inside: bool) -> None:
    assert routes.is_below(path, "/a") is inside
    assert routes.is_below(path, "/")


def test_a_snapshot_recorded_without_routes_is_still_read() -> None:
    text = '{"at":1.0,"epoch":"a","bounds_ms":[],"versions":{}}'
    assert loads(text, Snapshot) == Snapshot(1.0, "a", (), {}, {})
    assert loads(dumps(reading(0, shop=(1, 0))), Snapshot) == reading(0, shop=(1, 0))
