"""SLOs kept in virtual time: counted once, told at the right time, gates and pauses."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.slo_shop import AVAILABILITY, CONFIG, DAY, HOUR, START, Shop

from headway.flows import goals
from headway.model.delivery import Place, Release
from headway.model.errors import Unreachable
from headway.model.pace import QUICK
from headway.model.rollout import Plan, Rollout, Step
from headway.model.series import Selector, Series
from headway.model.verdict import Outcome
from headway.model.window import Counts
from headway.rollout import machine
from headway.store import records, rollouts, slis
from headway.store.database import Tx
from headway.store.log import About
from headway.store.slis import Goal
from headway.store.views import slo as views


@pytest.fixture
def open_shop(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    made: list[Shop] = []

    def make(config: str = CONFIG) -> Shop:
        home = tmp_path / f"home{len(made)}"
        home.mkdir()
        made.append(Shop(home, config))
        return made[-1]

    yield make
    for shop in made:
        shop.db.dispose()


@pytest.fixture
def shop(open_shop: Callable[..., Shop]) -> Shop:
    return open_shop()


@pytest.mark.seed("S-174", "S-182")
def test_what_the_proxy_counts_is_counted_once_and_per_release(shop: Shop) -> None:
    shop.run(60)
    shop.meter.errors = 0.1
    shop.run(600, every=10)
    shop.round()
    shop.round()
    assert shop.tally() == (600.0, 6000.0)
    shop.meter.release = "shop-2"
    shop.run(60)
    with shop.db.connect() as connection:
        served = slis.releases(connection, AVAILABILITY, START, shop.now + 1)
    assert {r: round(t.total) for r, t in served.items()} == {"shop-1": 6000, "shop-2": 600}


def test_a_round_that_dies_in_its_transaction_is_counted_by_the_next(shop: Shop) -> None:
    shop.run(60)
    shop.now += 60
    shop.meter.until(shop.now)
    with shop.db.connect() as connection:
        one = goals.watched(connection)[0]
        seen = goals.look(shop.world, connection, one)

    def dies() -> None:
        with shop.db.begin() as connection:
            goals.take(Tx(connection, shop.now), shop.world, one, seen)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        dies()
    assert shop.tally() == (0.0, 0.0)
    shop.round()
    assert shop.tally() == (0.0, 600.0)


def test_counts_of_hours_without_headway_lie_where_they_happened(shop: Shop) -> None:
    shop.run(60)
    shop.now += 2 * HOUR
    shop.meter.until(shop.now)
    shop.round()
    with shop.db.connect() as connection:
        last = slis.tallied(connection, AVAILABILITY, shop.now - 600, shop.now)
    assert 6000 <= last.total <= 6600


def test_a_new_proxy_counts_from_zero_and_a_silent_one_counts_nothing(shop: Shop) -> None:
    shop.run(120)
    shop.meter.silent = True
    shop.run(60)
    shop.meter.silent = False
    shop.meter.epoch, shop.meter.totals = "proxy-2", {"shop-1": (50.0, 5.0)}
    shop.round()
    assert shop.tally() == (5.0, 650.0)


@pytest.mark.seed("S-177", "S-210")
@pytest.mark.parametrize(
    ("burn", "condition", "severity", "after"),
    [
        (50.0, "page-quick", "page", HOUR * 14.4 / 50),
        (8.0, "page-slow", "page", 6 * HOUR * 6 / 8),
        (5.5, "level-page", "page", 6 * HOUR * 5 / 5.5),
        (4.0, "ticket-quick", "ticket", DAY * 3 / 4),
        (2.5, "level-investigate", "ticket", DAY * 2 / 2.5),
        (1.5, "ticket-slow", "ticket", 3 * DAY / 1.5),
    ],
)
def test_the_right_alert_fires_at_the_right_time(
    shop: Shop, burn: float, condition: str, severity: str, after: float
) -> None:
    """With 3 days of good traffic before, a window of length L reaches f after L * f / burn."""
    shop.run(60)
    shop.run(3 * DAY, every=6 * HOUR)
    shop.meter.errors = 0.001 * burn
    began, step = shop.now, 60.0 * (1 + after // 3600)
    shop.run(after - 120, every=after / 20)
    assert condition not in {e.data["condition"] for e in shop.events("slo.burning")}, "too early"
    while condition not in {e.data["condition"] for e in shop.events("slo.burning")}:
        assert shop.now - began < after + 2 * step + 120, "too late"
        shop.run(step, step)
    fired = next(e for e in shop.events("slo.burning") if e.data["condition"] == condition)
    assert fired.data["severity"] == severity
    alert = shop.events("alert.fired")[0]
    assert alert.data["rule"] == "slo_burn"


def test_it_is_told_once_and_its_end_too(shop: Shop) -> None:
    shop.run(60)
    shop.run(HOUR, every=300)
    shop.meter.errors = 0.5
    shop.until("slo.burning", 2 * HOUR)
    shop.run(600)
    assert len(shop.events("alert.fired")) == 1
    shop.meter.errors = 0.0
    shop.run(4 * DAY, every=HOUR)
    names = [e.data["condition"] for e in shop.events("slo.burning")]
    assert sorted(names) == sorted({e.data["condition"] for e in shop.events("slo.calm")})
    assert len(shop.events("alert.resolved")) == 1
    with shop.db.connect() as connection:
        assert slis.reading(connection, AVAILABILITY).firing == {}


def test_no_answer_is_not_calm(shop: Shop) -> None:
    shop.run(60)
    shop.meter.errors = 0.5
    shop.until("slo.burning", HOUR)
    shop.meter.silent = True
    shop.run(2 * HOUR, every=600)
    assert shop.events("slo.calm") == []


@pytest.mark.seed("S-209", "S-212")
def test_a_feature_waits_for_budget_and_a_fix_does_not(shop: Shop) -> None:
    shop.run(60)
    shop.meter.errors = 0.002
    shop.run(HOUR)
    feature = shop.release(stable=False)
    _, outcome, because = next(g for g in shop.gates(feature) if g[0] == "error_budget")
    assert outcome is Outcome.WAIT
    assert "0% of availability's error budget left (overdrawn by 100%), needs 20%" in because
    fix = shop.release(subject="fix: the cart", stable=False)
    assert next(g[1] for g in shop.gates(fix) if g[0] == "error_budget") is Outcome.PASS


def test_a_place_that_serves_without_data_waits_and_a_first_release_passes(shop: Shop) -> None:
    second = shop.release(stable=False)
    _, outcome, because = next(g for g in shop.gates(second) if g[0] == "error_budget")
    assert (outcome, "no request was counted" in because) == (Outcome.WAIT, True)
    with shop.db.begin() as connection:
        records.put_place(
            Tx(connection, shop.now), Place("shop", "production", 0, "", "", "", "", "", 0)
        )
    assert next(g[1] for g in shop.gates(second) if g[0] == "error_budget") is Outcome.PASS


def rolling(shop: Shop, subject: str = "Add a cart") -> Release:
    """A rollout whose candidate has users since now."""
    release = shop.release(subject=subject, stable=False)
    plan = Plan("canary", (Step(0.5, 1, 1, proof=True), Step(1.0, 1, 0)), 0.05, QUICK, "hold",
                60.0, 7200.0, 0.0, "rollback")  # fmt: skip
    with shop.db.begin() as connection:
        tx = Tx(connection, shop.now)
        id, about = "rol_1", About(release.delivery, "shop", "production", release.name)
        rollouts.add(tx, id, about, release.digest, "shop-1")
        state = Rollout(plan, shop.now, at=0, since=shop.now, phase="baking", exposed=shop.now)
        rollouts.save(tx, id, state)
        place = records.place(connection, "shop", "production")
        records.put_place(tx, records.changed(place, candidate=release.name, rollout=id,
                                              holder=release.delivery))  # fmt: skip
    shop.meter.release = release.name
    return release


def hear(shop: Shop, *more: str) -> None:
    """The rollout takes what was said, as its own flow does, and then what a person says."""
    with shop.db.begin() as connection:
        tx = Tx(connection, shop.now)
        place = records.place(connection, "shop", "production")
        state = rollouts.load(connection, place.rollout)
        for word in records.take_commands(tx, place.holder, "production"):
            state = machine.told(state, word.verb, word.by, word.reason)
        for verb in more:
            state = machine.told(state, verb, "ana", "")
        rollouts.save(tx, place.rollout, state)


@pytest.mark.seed("S-211")
def test_a_rollout_that_eats_the_budget_is_paused_once_with_the_figures(shop: Shop) -> None:
    shop.run(60)
    shop.run(10 * DAY, every=8 * HOUR)
    release = rolling(shop)
    shop.meter.errors = 0.2
    shop.until("command.given", 2 * DAY)
    said = shop.events("command.given")[0]
    assert (said.data["verb"], said.data["by"]) == ("pause", "headway")
    assert "availability: burnt 5" in str(said.data["reason"])
    assert "% of what was left of the error budget" in str(said.data["reason"])
    shop.run(60)
    hear(shop)
    shop.run(600)
    assert len(shop.events("command.given")) == 1, "said twice"
    hear(shop, "resume")
    resumed = shop.now
    shop.run(60)
    assert len(shop.events("command.given")) == 1, "paused again at once"
    assert shop.parts.outbox.woken == [release.delivery]
    shop.until("command.given", DAY)
    budget = 0.001 * 10 * 10 * DAY
    assert shop.tally(resumed)[0] >= 0.1 * budget * 0.95


def test_a_fix_let_in_without_budget_is_not_paused(shop: Shop) -> None:
    shop.run(60)
    shop.meter.errors = 0.00095
    shop.run(2 * DAY, every=8 * HOUR)
    rolling(shop, "fix: the cart")
    shop.meter.errors = 0.01
    shop.run(HOUR)
    assert shop.events("command.given") == []


SOURCED = """\
service: shop
run: ./shop
slos:
  orders: {target: 99%, source: mon, bad: 'orders_total{result="failed"}', total: orders_total}
environments: {production: }
"""


@dataclass
class Source:
    """A counter sampled every 15 s, two failed of a hundred."""

    until: float = START
    down: bool = False

    def fetch(self, selector: Selector, since: float, until: float) -> tuple[Series, ...]:
        if self.down:
            raise Unreachable("mon does not answer")
        factor = 0.02 if selector.labels else 1.0
        times = [START + 15.0 * i for i in range(10_000)]
        found = tuple((t, (t - START) * factor) for t in times if since <= t <= until)
        return (Series(dict(selector.labels), "counter", found),) if found else ()


def test_counters_of_a_source_are_counted_once(open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(SOURCED)
    source = Source()
    shop.parts.sources["mon"] = source  # type: ignore[assignment]
    clock = shop.parts.clock
    orders = Goal("shop", "production", "orders")

    def go(seconds: float, every: float = 10.0) -> None:
        end = shop.now + seconds
        while shop.now < end:
            shop.now += every
            clock.at = shop.now
            shop.round()

    go(660)
    bad, total = shop.tally(goal=orders)
    assert 590 <= total <= 650
    assert bad == pytest.approx(total * 0.02)
    source.down = True
    go(120)
    assert shop.tally(goal=orders) == (bad, total)
    with shop.db.connect() as connection:
        assert "mon does not answer" in slis.reading(connection, orders).problem
    source.down = False
    go(60)
    assert shop.tally(goal=orders)[1] >= total + 150, "what was missed is caught up"


def test_another_definition_begins_anew(shop: Shop) -> None:
    shop.run(600)
    shop.release(CONFIG.replace("target: 99.9%", "target: 99%"))
    shop.run(60)
    assert shop.tally()[1] > 600, "another target counts the same requests"
    shop.release(CONFIG.replace("{target: 99.9%}", "{sli: latency, target: 99%, under: 300ms}"))
    shop.run(60)
    assert shop.tally()[1] == 0


@pytest.mark.seed("S-188")
def test_the_view_tells_compliance_budget_burn_and_time_met(shop: Shop) -> None:
    shop.run(60)
    shop.run(2 * HOUR)
    shop.meter.errors = 0.01
    shop.run(900)
    with shop.db.connect() as connection:
        subject = views.subjects(connection)[0]
        seen = views.shown(connection, subject, shop.now)
    standing = seen.standing
    assert standing.total == pytest.approx(10 * (2 * HOUR + 900))
    assert standing.bad == pytest.approx(90)
    assert standing.left == pytest.approx(1 - 90 / 81)
    assert standing.burn["1h"] == pytest.approx(2.5, rel=0.05)
    assert seen.time_seen in {9, 10}
    assert seen.time_seen - seen.time_met in {1, 2}
    assert [v.release for v in seen.versions] == ["shop-1"]


ROUTED = CONFIG.replace("{target: 99.9%}", "{target: 99.9%}\n  cart: {route: /cart, target: 90%}")
CART = Goal("shop", "production", "cart")


def problem(shop: Shop) -> str:
    with shop.db.connect() as connection:
        return slis.reading(connection, CART).problem


def test_a_route_is_counted_once_its_routing_is_in_force(open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(ROUTED)
    shop.meter.routes = {"/cart/pay": Counts(500, 0)}
    shop.run(120)
    assert shop.tally(goal=CART) == (0.0, 0.0)
    assert problem(shop) == "the routing in force does not count /cart by itself"
    shop.meter.routes = {"/cart/pay": Counts(503, 3), "/cart": Counts(7, 1), "/other": Counts(9, 9)}
    shop.run(60)
    assert shop.tally(goal=CART) == (4.0, 10.0)
    assert problem(shop) == ""
    shop.meter.routes = {"/cart": Counts(8, 1)}
    shop.round()
    shop.run(60)
    shop.round()
    assert shop.tally(goal=CART) == (4.0, 11.0)
    shop.meter.routes = {"/other": Counts(10, 10)}
    shop.run(60)
    assert problem(shop)
    shop.meter.routes = {"/cart": Counts(9, 2)}
    shop.run(60)
    assert shop.tally(goal=CART) == (5.0, 12.0)
    with shop.db.connect() as connection:
        reading = slis.reading(connection, CART)
        whole = slis.reading(connection, AVAILABILITY)
    assert (reading.bad, reading.total, reading.snapshot.versions) == (5, 12, {})  # type: ignore[union-attr]
    assert (whole.total, whole.snapshot.routes) == (3000, {})  # type: ignore[union-attr]


def test_gates_do_not_wait_for_what_only_this_release_will_count(
    open_shop: Callable[..., Shop],
) -> None:
    shop = open_shop()
    shop.run(300)
    added = shop.release(ROUTED, stable=False)
    shop.run(300)

    def said(release: Release) -> tuple[Outcome, str]:
        return next(g[1:] for g in shop.gates(release) if g[0] == "error_budget")

    outcome, because = said(added)
    assert outcome is Outcome.PASS
    assert "of availability's error budget left" in because
    assert because.endswith("; cart: this release is the first whose routing counts the route")
    shop.meter.routes = {"/cart": Counts(100, 90)}
    shop.run(60)
    assert "overdrawn" in said(added)[1], "what was counted is asked for"
    shop.release(ROUTED)
    follows = shop.release(ROUTED.replace("/cart", "/pay").replace("cart:", "pay:"), stable=False)
    assert said(follows)[0] is Outcome.PASS


def test_a_route_that_the_stable_release_names_must_have_data(
    open_shop: Callable[..., Shop],
) -> None:
    shop = open_shop(ROUTED)
    shop.run(300)
    _, outcome, because = next(
        g for g in shop.gates(shop.release(ROUTED, stable=False)) if g[0] == "error_budget"
    )
    assert (outcome, "no request was counted for cart" in because) == (Outcome.WAIT, True)


def test_a_route_alone_lets_the_release_in_that_brings_it(open_shop: Callable[..., Shop]) -> None:
    only = ROUTED.replace("  availability: {target: 99.9%}\n", "").replace(
        "gates: {", "gates: {slo: {}, burn_rate: {below: 2}, "
    )
    shop = open_shop()
    shop.run(300)
    release = shop.release(only, stable=False)
    said = {g[0]: g[1:] for g in shop.gates(release)}
    for gate in ("error_budget", "slo", "burn_rate"):
        assert said[gate][0] is Outcome.PASS
        assert said[gate][1].startswith("cart: this release is the first")
