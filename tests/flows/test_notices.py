"""From what happens to what people who follow it read: real log, store, outbox and webhooks."""

from collections.abc import Iterator

import pytest
from tests.flows.conftest import Stage
from tests.support.desk import Desk
from tests.support.follow import Followers
from tests.support.receivers import http_receiver


@pytest.fixture
def desk(stage: Stage) -> Iterator[Followers]:
    with http_receiver() as http:
        yield Followers(Desk(stage, http))


def test_the_owner_hears_of_a_release_without_any_preference(desk: Followers) -> None:
    desk.deliver("a1")
    desk.later()
    desk.later(3600)
    (message,) = desk.told("ticket")
    assert message["title"] == "shop/production: shop-1 is released, 1 min 0 s after its start"
    assert message["link"] == "https://headway.example.com/releases/shop-1"
    assert message["fields"]["commit"] == "a1"
    assert message["fields"]["result"] == "released"
    assert desk.told() == [message], "and nobody else, and not of staging"
