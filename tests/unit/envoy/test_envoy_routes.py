"""The route document: exact weights, and shares that read back as they were written."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.adapters.envoy import config, router, routes, state
from headway.adapters.envoy.observed import generation_of
from headway.model.errors import Drifted, Invalid
from headway.model.routing import Backend, Endpoint, Routing


def routing(shares, **more):
    backends = tuple(Backend(r, (Endpoint("127.0.0.1", 1000 + n),)) for n, r in enumerate(shares))
    return Routing("shop", "production", 1, backends, shares, **more)


@given(st.integers(0, 1_000_000))
def test_every_percentage_with_four_decimals_is_exact(millionths):
    share = millionths / 1_000_000
    wanted = routing({"v1": 1 - share, "v2": share})
    routes.check(wanted)
    document = routes.route_configuration(wanted, "g1-x")
    assert routes.shares_of(document)["v2"] == share
    assert sum(routes.weights(wanted.shares).values()) == routes.TOTAL


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=6))
def test_weights_sum_and_no_share_is_lost(parts):
    shares = {f"v{n}": part / sum(parts) for n, part in enumerate(parts)}
    found = routes.weights(shares)
    assert sum(found.values()) == routes.TOTAL
    assert all(
        abs(found[r] / routes.TOTAL - s) <= len(parts) / routes.TOTAL for r, s in shares.items()
    )
    assert all(found.values())


def test_a_share_too_small_to_hold_is_refused():
    with pytest.raises(Invalid):
        routes.check(routing({"v1": 1 - 1e-7, "v2": 1e-7}))


def test_nobody_sticks_when_there_is_nothing_to_choose():
    whole = routes.route_configuration(routing({"v1": 1.0}, sticky_cookie="hw"), "g1-x")
    assert "set-cookie" not in str(whole)
    both = routes.route_configuration(routing({"v1": 0.5, "v2": 0.5}, sticky_cookie="hw"), "g1-x")
    assert "set-cookie" in str(both)


def test_a_percent_sign_in_a_cookie_is_no_command_to_the_proxy():
    both = routing({"v1": 0.5, "v2": 0.5}, sticky_cookie="50%off")
    text = str(routes.route_configuration(both, "g1-x"))
    assert "'50%%off-" in text
    assert "=%REQ(x-request-id)%; Path" in text


def test_a_cluster_is_a_function_of_service_and_release(tmp_path):
    made = [config.cluster(tmp_path, "shop", "v1", config.LIMITS) for _ in range(2)]
    assert made[0] == made[1]
    assert config.release_of(config.cluster_name("shop", "2026.11__x")) == "2026.11__x"


def test_a_foreign_version_has_no_generation():
    assert generation_of("g12-abc") == 12
    assert generation_of("by hand") == -1


@given(st.lists(st.tuples(st.integers(1, 5), st.sampled_from("ab")), max_size=30))
def test_the_fence_only_lets_newer_or_the_same_pass(calls):
    applied = None
    for generation, digest in calls:
        wanted = state.Asked(generation, digest)
        try:
            state.fence("shop", applied, wanted)
        except Drifted:
            assert applied is not None
            assert generation <= applied.generation
            assert applied != wanted
        else:
            assert applied is None or generation > applied.generation or applied == wanted
            applied = wanted


def reload(generation, counter, epoch="1-1", service="shop"):
    return state.Reload(1.0, service, generation, f"g{generation}-x", counter, epoch)


def test_the_ledger_counts_what_the_proxy_counts(tmp_path):
    ledger = tmp_path / "ledger" / "production-proxy.jsonl"

    def lines():
        return len(ledger.read_text().splitlines())

    state.record(ledger, reload(1, 1))
    state.record(ledger, reload(1, 1))
    assert lines() == 1
    state.record(ledger, reload(2, 2, service="other"))
    state.record(ledger, reload(1, 1))
    assert lines() == 2
    state.record(ledger, reload(1, 2))  # it took hold twice: that must be seen
    assert lines() == 3
    state.record(ledger, reload(1, 1, epoch="2-2"))  # a restarted proxy, the same files
    assert lines() == 3
    state.record(ledger, reload(2, 2, epoch="2-2"))
    assert lines() == 4


def test_the_ledger_finds_a_line_far_up(tmp_path):
    ledger = tmp_path / "l.jsonl"
    state.record(ledger, reload(1, 1, service="quiet"))
    with ledger.open("a") as out:
        for n in range(2000):
            out.write(f'{{"service": "busy", "version": "g{n}-x"}}\n')
    state.record(ledger, reload(1, 1, service="quiet"))
    assert len(ledger.read_text().splitlines()) == 2001


def below(counted, path):
    """The route whose counters Envoy moves: that of the first virtual cluster that matches."""
    document = routes.route_configuration(routing({"v1": 1.0}, routes=tuple(counted)), "g1-x")
    named = routes.counted_of(document)
    assert set(named.values()) == set(counted)
    for cluster in document["virtual_hosts"][0]["virtual_clusters"]:
        match = cluster["headers"][0]["string_match"]
        whole, begin = match.get("exact"), match.get("prefix")
        if path == whole or (begin and path.startswith(begin)):
            return named[cluster["name"]]
    return None


def test_a_route_counts_whole_segments_and_the_longest_one_counts():
    counted = ["/shop", "/shop/cart", "/shopping"]
    for path in ("/shop", "/shop/", "/shop?x=/shop/cart", "/shop/carts", "/shop/a?b"):
        assert below(counted, path) == "/shop"
    for path in ("/shop/cart", "/shop/cart?a=1", "/shop/cart/7"):
        assert below(counted, path) == "/shop/cart"
    assert below(counted, "/shopper") is None
    assert below(["/", *counted], "/shopper") == "/"


def test_a_routes_counter_does_not_depend_on_the_others():
    def name(*paths):
        document = routes.route_configuration(routing({"v1": 1.0}, routes=paths), "g1-x")
        return next(n for n, p in routes.counted_of(document).items() if p == "/cart")

    assert name("/cart") == name("/a", "/cart", "/z") == name("/z/cart", "/cart")


@pytest.mark.parametrize(
    "path", ["cart", "", "/a?b", "/a#b", "/a/", "/a b", "/a\n", "/" + 200 * "c"]
)
def test_what_is_no_path_is_no_route(path):
    with pytest.raises(Invalid, match="makes no sense"):
        routes.check(routing({"v1": 1.0}, routes=(path,)))


def test_a_routing_without_routes_is_written_as_ever():
    document = routes.route_configuration(routing({"v1": 1.0}), "g1-x")
    assert "virtual_clusters" not in document["virtual_hosts"][0]
    assert document["metadata"]["filter_metadata"]["headway"] == {"version": "g1-x"}
    assert routes.counted_of(document) == {}


def test_a_routing_recorded_before_routes_were_counted_is_the_same_one_today():
    """A replay after an upgrade asks for the same generation: it must not be another content."""
    ends = (Endpoint("127.0.0.1", 2),), (Endpoint("127.0.0.1", 1, draining=True),)
    old = Routing(
        "shop", "production", 7, (Backend("v2", ends[0]), Backend("v1", ends[1])),
        {"v1": 0.25, "v2": 0.75}, rollout="rol_1", sticky_cookie="hw",
    )  # fmt: skip
    recorded = msgspec.to_builtins(old)
    del recorded["routes"]
    assert msgspec.convert(recorded, Routing) == old
    assert router._digest(old) == "cc41e01160aa"
    assert router._digest(replace(old, routes=("/cart",))) != "cc41e01160aa"
