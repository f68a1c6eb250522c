"""People hear at once that the line is stopped, and who started it again."""

from collections.abc import Iterator

import pytest
from tests.flows.conftest import Stage
from tests.support.desk import Desk
from tests.support.receivers import http_receiver

from headway.flows import line
from headway.flows.line import Said
from headway.model.line import EVERYTHING, Scope
from headway.store import alerts


@pytest.fixture
def desk(stage: Stage) -> Iterator[Desk]:
    with http_receiver() as http:
        yield Desk(stage, http)


@pytest.mark.parametrize(
    ("scope", "where"),
    [
        (EVERYTHING, "all services"),
        (Scope("shop", "production"), "shop/production"),
        (Scope(environment="production"), "all services/production"),
    ],
)
def test_a_stop_is_told_once_and_its_end_names_who_started(
    desk: Desk, scope: Scope, where: str
) -> None:
    desk.stage.deliver("a1")
    desk.read()
    desk.send()
    before = len(desk.arrived())
    with desk.tx() as tx:
        line.stop(tx, desk.stage.parts.outbox, scope, Said("ana", "the database fails"))  # type: ignore[arg-type]
        line.stop(tx, desk.stage.parts.outbox, scope, Said("ben", "me too"))  # type: ignore[arg-type]
    desk.read()
    desk.send()
    (told,) = desk.arrived()[before:]
    assert told["title"].startswith(f"{where}: the line is stopped for ")
    assert told["title"].endswith(": the database fails")
    with desk.tx() as tx:
        line.start(tx, desk.stage.parts.outbox, scope, Said("cai", "it is well"))  # type: ignore[arg-type]
    desk.read()
    desk.send()
    (_, over) = desk.arrived()[before:]
    assert over["title"].startswith(f"RESOLVED: {where}")
    assert "cai: it is well" in over["text"]
    assert desk.open() == []


def test_a_start_of_one_scope_leaves_the_other_alert(desk: Desk) -> None:
    desk.stage.deliver("a1")
    outbox = desk.stage.parts.outbox
    with desk.tx() as tx:
        line.stop(tx, outbox, EVERYTHING, Said("ana", "the database fails"))  # type: ignore[arg-type]
        line.stop(tx, outbox, Scope(tier="production"), Said("ben", "the fair"))  # type: ignore[arg-type]
    desk.read()
    with desk.tx() as tx:
        line.start(tx, outbox, EVERYTHING, Said("cai", "it is well"))  # type: ignore[arg-type]
    desk.read()
    with desk.stage.db.connect() as connection:
        (lasting,) = alerts.open_at(connection, "")
    assert "every production environment" in lasting.alert.summary
