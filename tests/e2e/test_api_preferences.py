"""Preferences about notices over the API: one's own by oneself, a team's by who manages them."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.support.api import Api, api
from tests.support.api_schema import unfit

from headway.model.connection import Connection
from headway.store import connections

PATH = "/notifications/preferences"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with api(tmp_path_factory.mktemp("prefs") / "h") as made:
        connections.put(
            made.headway.home, Connection("chat", "webhook", "https://chat.example.org/x")
        )
        yield made


def tell(served: Api, who: str, name: str, command: str, **body: Any) -> httpx.Response:
    sent = {"command": command} | body
    return served.post(f"{PATH}/{name}/commands", sent, who)


def test_a_team_is_reached_follows_and_is_forgotten(served: Api) -> None:
    assert served.get(f"{PATH}/team-shop", "viewer").json() == {
        "who": "team-shop", "reached": None, "rules": [],
    }  # fmt: skip
    told = tell(
        served, "operator", "team-shop", "reach",
        channels=["webhook/chat"], quiet=["Mon-Fri 20:00-08:00"], zone="Europe/Berlin",
    )  # fmt: skip
    assert told.status_code == 202, told.text
    assert told.json()["reached"] == {
        "who": "team-shop",
        "channels": ["webhook/chat"],
        "quiet": ["Mon,Tue,Wed,Thu,Fri 20:00-08:00"],
        "zone": "Europe/Berlin",
        "pages": True,
    }
    told = tell(served, "operator", "team-shop", "follow", events=["released"], services=["shop"])
    (rule,) = told.json()["rules"]
    assert (rule["events"], rule["services"], rule["mute"]) == (["released"], ["shop"], False)
    listed = served.get(PATH, "viewer")
    assert unfit(PATH, listed) == ""
    shown = served.get(f"{PATH}/team-shop", "viewer")
    assert unfit(f"{PATH}/{{name}}", shown) == ""
    assert listed.json()["items"] == [shown.json()]

    stale = served.post(
        f"{PATH}/team-shop/commands", {"command": "forget"}, "operator", **{"if-match": '"x"'}
    )
    assert stale.status_code == 412
    told = tell(served, "operator", "team-shop", "forget", rule=rule["id"])
    assert told.json()["rules"] == []
    told = tell(served, "operator", "team-shop", "forget")
    assert told.json()["reached"] is None


def test_who_may(served: Api) -> None:
    reach = {"channels": ["webhook/chat"]}
    for who, name, status in (
        ("viewer", "viewer", 202),
        ("viewer", "team-shop", 403),
        ("viewer", "developer", 403),
        ("shop", "shop", 202),
        ("shop", "viewer", 403),
        ("nothing", "nothing", 403),
        ("nobody", "nobody", 401),
    ):
        told = tell(served, who, name, "reach", **reach)
        assert told.status_code == status, (who, name, told.text)
    every, own = ({"events": ["every"]} | s for s in ({}, {"services": ["shop"]}))
    assert tell(served, "shop", "shop", "follow", **every).status_code == 403, "others' services"
    assert tell(served, "shop", "shop", "follow", **own).status_code == 202
    assert tell(served, "viewer", "viewer", "follow", **every).status_code == 202


def test_what_makes_no_sense_is_refused(served: Api) -> None:
    for command, body, code in (
        ("reach", {}, "channel"),
        ("reach", {"channels": ["carrier/pigeon"]}, "channel"),
        ("reach", {"channels": ["slack/chat"]}, "other-kind"),
        ("reach", {"channels": ["webhook/chat"], "quiet": ["noon"]}, "quiet"),
        ("reach", {"channels": ["webhook/chat"], "zone": "Mars/Crater"}, "unknown-zone"),
        ("follow", {}, "unknown-topic"),
        ("follow", {"events": ["coffee"]}, "unknown-topic"),
        ("forget", {"rule": "ntr_none"}, "unknown-preference"),
    ):
        told = tell(served, "admin", "ana", command, **body)
        assert unfit(f"{PATH}/{{name}}/commands", told) == ""
        assert (told.status_code // 100, told.json()["code"]) == (4, code), (command, body)
    assert served.get(f"{PATH}/ana").json()["rules"] == []
