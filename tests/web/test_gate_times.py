"""How long gates let releases wait, from the log of deliveries to the page."""

from collections.abc import Iterator

import pytest
from tests.support.site import House, house

from headway.access.principal import Grant
from headway.model.delivery import Delivery
from headway.model.event import Fact
from headway.store import records
from headway.store.database import Tx
from headway.store.log import About, append
from headway.store.views import gate_times
from headway.store.views.gate_times import GateTimes


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("gates")) as made:
        yield made


def deliver(
    site: House, id: str, service: str, *judged: tuple[float, str], over: bool = True
) -> None:
    """A delivery before production whose approval gate said these at these times."""
    with site.headway.tx() as tx:
        known = Delivery(id, service, "a" * 40, "", "", "", "", "ana", "delivering", "", "", "",
                         "", "production", 0.0, 0.0)  # fmt: skip
        records.add_delivery(tx, known)
        for number, (at, outcome) in enumerate(judged):
            gates = [{"judge": "approval", "outcome": outcome, "because": ""},
                     {"judge": "quarantine", "outcome": "PASS", "because": ""}]  # fmt: skip
            fact = Fact("gates.judged", id, number, {"gates": gates})
            append(Tx(tx.connection, at), About(id, service, "production"), fact)
        if over:
            append(tx, About(id, service), Fact("delivery.finished", id, 0, {}))


@pytest.mark.seed("S-079")
def test_the_time_to_an_approval_is_told_for_each_gate(site: House) -> None:
    deliver(site, "del_1", "shop", (100.0, "WAIT"), (130.0, "WAIT"), (160.0, "PASS"))
    deliver(site, "del_2", "shop", (200.0, "WAIT"), (320.0, "PASS"))
    deliver(site, "del_3", "shop", (400.0, "PASS"))
    deliver(site, "del_4", "shop", (500.0, "WAIT"), (590.0, "FAIL"))
    deliver(site, "del_5", "shop", (600.0, "WAIT"))
    deliver(site, "del_6", "shop", (700.0, "WAIT"), over=False)
    deliver(site, "del_7", "other", (800.0, "WAIT"), (7_200.0 + 800, "PASS"))
    with site.headway.reading() as connection:
        every = gate_times.read(connection)
        mine = gate_times.read(connection, frozenset({"shop"}))
        newest = gate_times.read(connection, newest=2)
    shop = GateTimes("shop", "production", "approval", 2, 90.0, 120.0, 1)
    other = GateTimes("other", "production", "approval", 1, 7200.0, 7200.0, 0)
    assert every == [other, shop]
    assert mine == [shop]
    assert newest == [other, GateTimes("shop", "production", "approval", 0, 0.0, 0.0, 1)]
    site.person("ana", Grant("viewer", "shop"))
    page = site.browser().get("/approvals", authorization=f"Bearer {site.token('ana', 'viewer')}")
    told = page.text.replace("\N{NO-BREAK SPACE}", " ")
    assert "shop, production" in told
    assert "1 min" in told
    assert "other, production" not in told
