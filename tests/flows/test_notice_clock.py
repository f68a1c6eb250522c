"""What ends soon and which budgets are low: an event each, once, and told to the owner."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support.slo_shop import CONFIG, DAY, Shop

from headway.flows import notify_clock
from headway.model.event import Event
from headway.notice import ahead, reading
from headway.notice.known import Known
from headway.store.database import Tx

WAIVED = """\
owner: team-shop
pipeline: {jobs: {scan: {findings: {reports: [out.sarif]}}}}
waivers: [{rule: CVE-1, at: a.py, owner: ana, reason: Not reachable, expires: EXPIRES}]
"""


def look(shop: Shop) -> list[Event]:
    """What upkeep does once a minute, twice; gives what came of it."""
    for _ in range(2):
        with shop.db.connect() as connection:
            news = notify_clock.news(connection, shop.now)
        with shop.db.begin() as connection:
            notify_clock.tell(Tx(connection, shop.now), news)
    kinds = ("slo.low", "slo.restored", "waiver.expiring")
    return sorted((e for kind in kinds for e in shop.events(kind)), key=lambda e: e.seq)


def title(event: Event) -> str:
    notice = reading.read(event, [], Known())
    assert notice is not None
    return notice.title


def test_a_budget_that_gets_low_is_told_once_and_again_after_it_was_restored(
    tmp_path: Path,
) -> None:
    shop = Shop(tmp_path)
    shop.run(3600)
    assert look(shop) == []
    shop.meter.errors = 0.0016
    shop.run(3600)
    (low,) = look(shop)
    assert low.data["slo"] == "availability"
    assert 0 < low.data["left"] < 0.25  # type: ignore[operator]
    assert title(low).endswith("% of the error budget of availability is left")
    shop.meter.errors = 0.01
    shop.run(600)
    assert len(look(shop)) == 1, "it was told that it is low"
    shop.meter.errors = 0.0
    shop.run(6 * 3600)
    assert [e.kind for e in look(shop)] == ["slo.low", "slo.restored"]
    shop.meter.errors = 1.0
    shop.run(300)
    *_, used = look(shop)
    assert used.kind == "slo.low"
    assert title(used) == "shop/production: the error budget of availability is used up"


def test_without_a_request_nothing_is_said_of_a_budget(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.meter.rate = 0.0
    shop.run(600)
    assert look(shop) == []


def test_a_waiver_that_ends_is_told_a_week_and_a_day_before(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    ends = datetime.fromtimestamp(shop.now + 9 * DAY, UTC).date().isoformat()
    shop.release(WAIVED.replace("EXPIRES", ends) + CONFIG)
    told = []
    for _ in range(12):
        told.append(len(look(shop)))
        shop.now += DAY
    assert told == [0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2]
    first, last = look(shop)
    assert title(first) == f"shop: the waiver of CVE-1 at a.py ends in 7 days, on {ends}"
    assert title(last) == f"shop: the waiver of CVE-1 at a.py ends tomorrow, on {ends}"


@pytest.mark.parametrize(("days", "stage"), [(8, None), (7, 0), (2, 0), (1, 1), (0, 1), (-1, None)])
def test_an_end_has_two_words(days: int, stage: int | None) -> None:
    assert ahead.stage(days) == stage
