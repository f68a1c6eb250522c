"""Writes over the API: once for each key, also when two come at once and when the server is killed
between; how often, how large and how deep a request may be; what a fault says.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.api import Api, api
from tests.support.api_schema import unfit

from headway.alert.state import Member, begin
from headway.api.v1 import app as v1
from headway.api.v1 import search, writing
from headway.api.v1.door import MOST_BYTES, Limits
from headway.model.alert import Symptom
from headway.model.event import Event
from headway.store import alerts, log

STOP = {"command": "stop", "reason": "fire"}
CHILD = Path(__file__).with_name("api_write_child.py")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with api(tmp_path_factory.mktemp("writes") / "h") as made:
        yield made


@pytest.fixture
def served(shared: Api) -> Api:
    """From now on: what other tests did is not looked at, and their keys are others."""
    shared.mark = shared.seq
    return shared


def stops(served: Api) -> list[Event]:
    with served.headway.reading() as connection:
        return log.after(connection, served.mark, kind="line.stopped")


def stop(served: Api, key: str, who: str = "operator", **more: Any) -> httpx.Response:
    key = f"{served.mark}-{key}"
    return served.post("/line/commands", STOP | more, who, **{"idempotency-key": key})


def test_the_same_key_is_done_once_and_answered_the_same(served: Api) -> None:
    first, again = stop(served, "a"), stop(served, "a")
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert len(stops(served)) == 1
    other = stop(served, "a", reason="flood")
    assert (other.status_code, other.json()["code"]) == (422, "key-reused")
    assert stop(served, "a", "admin").status_code == 202
    assert len(stops(served)) == 2
    assert stop(served, "b").status_code == 202
    assert len(stops(served)) == 3


def test_a_key_is_forgotten_after_a_day(served: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    stop(served, "a")
    monkeypatch.setattr(writing.idempotency, "KEPT_SECONDS", -1.0)
    assert stop(served, "a", reason="flood").status_code == 202
    assert len(stops(served)) == 2


def test_a_write_without_a_key_is_refused(served: Api) -> None:
    answer = served.ask("POST", "/line/commands", "operator", json=STOP)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == "header.Idempotency-Key"
    for key in ("", "k" * 256, "with blank", "ü"):
        sent = {"idempotency-key": key.encode()}
        answer = served.ask("POST", "/line/commands", "operator", json=STOP, headers=sent)
        assert answer.status_code == 422, key
    assert stops(served) == []


def test_a_refusal_keeps_no_key(served: Api) -> None:
    body = {"command": "cancel", "reason": "x"}
    for _ in range(2):
        answer = served.post("/deliveries/del_1/commands", body, **{"idempotency-key": "a"})
        assert answer.status_code == 404
    assert stop(served, "a").status_code == 202


def test_when_several_come_at_once_one_is_done(served: Api) -> None:
    with ThreadPoolExecutor(8) as pool:
        same = list(pool.map(lambda _: stop(served, "a"), range(8)))
    assert {(a.status_code, a.content) for a in same} == {(202, same[0].content)}
    assert len(stops(served)) == 1
    with ThreadPoolExecutor(8) as pool:
        mixed = list(pool.map(lambda n: stop(served, "b", reason=f"fire {n}"), range(8)))
    assert sorted(a.status_code for a in mixed) == [202, *[422] * 7]
    assert len(stops(served)) == 2


@pytest.mark.parametrize(("where", "done"), [("inside", 0), ("after", 1)])
def test_a_server_that_is_killed_has_done_all_of_it_or_nothing(
    served: Api, where: str, done: int
) -> None:
    token, key = served.tokens["operator"], f"{served.mark}-the-key"
    child = subprocess.run(
        [sys.executable, str(CHILD), str(served.headway.home), token, where, key],
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert child.returncode == -9, child.stderr.decode()
    assert len(stops(served)) == done
    again = stop(served, "the-key")
    assert (again.status_code, again.json()["changed"]) == (202, True)
    assert len(stops(served)) == 1
    assert stop(served, "the-key").content == again.content


def test_a_tokens_text_is_given_once_and_kept_nowhere(served: Api) -> None:
    wish = {"account": "viewer", "name": "ci", "allows": ["viewer"]}
    made = served.post("/tokens", wish, **{"idempotency-key": "t"}).json()
    assert served.post("/tokens", wish, **{"idempotency-key": "t"}).json() == made | {"text": ""}
    assert served.get("/me", made["text"]).json()["id"] == "viewer"
    data = (served.headway.home / "headway.db").read_bytes()
    wal = served.headway.home / "headway.db-wal"
    assert made["text"].encode() not in data + (wal.read_bytes() if wal.exists() else b"")
    revoke = {"command": "revoke"}
    own = served.post(f"/tokens/{made['id']}/commands", revoke, "viewer")
    assert own.status_code == 202
    assert served.get("/me", made["text"]).status_code == 401
    theirs = served.get("/tokens", "admin").json()["items"][0]["id"]
    assert served.post(f"/tokens/{theirs}/commands", revoke, "viewer").status_code == 403


def test_who_comes_too_often_is_told_when_to_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(v1, "LIMITS", Limits(5, 0.001, 3, 0.001))
    with api(tmp_path / "h") as served:
        assert [served.get("/me", "viewer").status_code for _ in range(7)] == [200] * 5 + [429] * 2
        assert served.get("/me", "operator").status_code == 200
        assert [served.get("/me", "x").status_code for _ in range(5)] == [401] * 3 + [429] * 2
        refused = served.get("/me", "viewer")
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["code"] == "too-often"


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b" " * (MOST_BYTES + 1), "application/json", 413, "too-large"),
        (b"[" * 100_000, "application/json", 400, "bad-json"),
        (b'{"a":' * 1000 + b"1" + b"}" * 1000, "application/json", 400, "bad-json"),
        (
            b'{"command": "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["',
            "application/json",
            400,
            "bad-json",
        ),
        (b"{", "application/json", 400, "bad-json"),
        (b"\xff\xfe", "application/json", 400, "bad-json"),
        (b'{"command":"stop","reason":NaN}', "application/json", 400, "bad-json"),
        (b"command=stop", "application/x-www-form-urlencoded", 415, "media-type"),
        (b"{}", "", 415, "media-type"),
        (b"null", "application/json", 422, "invalid-request"),
        (b"[]", "application/json", 422, "invalid-request"),
        (b'{"command":"stop","reason":"x","colour":1}', "application/json", 422, "invalid-request"),
        (b'{"command":"stop","reason":7}', "application/json", 422, "invalid-request"),
        (b'{"command":"stop","reason":""}', "application/json", 422, "invalid-request"),
        (b'{"command":"stop","reason":"x","seconds":true}', "application/json", 422, ""),
        (b'{"command":"stop","reason":"x","seconds":1e400}', "application/json", 400, ""),
        (b"", "application/json", 422, "invalid-request"),
    ],
)
def test_bodies_that_are_no_wish(
    served: Api, content: bytes, kind: str, status: int, code: str
) -> None:
    headers = {"idempotency-key": "a"} | ({"content-type": kind} if kind else {})
    for sent in (content, iter([content[:50], content[50:]])):
        answer = served.ask("POST", "/line/commands", "admin", content=sent, headers=headers)
        assert answer.status_code == status, answer.text
        assert code in {"", answer.json()["code"]}
    assert stops(served) == []


def test_a_request_id_is_taken_if_it_is_harmless(served: Api) -> None:
    good = served.get("/me", **{"x-request-id": "abc-1.2:3_4"})
    assert good.headers["x-request-id"] == "abc-1.2:3_4"
    for bad in ("a b", "x" * 65, "<script>", "a\tb", "%0a"):
        given = served.get("/me", **{"x-request-id": bad}).headers["x-request-id"]
        assert given.startswith("req_"), bad


def test_a_fault_says_nothing_but_the_requests_id(
    served: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> list[Any]:
        raise RuntimeError("the secret is swordfish")

    monkeypatch.setattr(search.view, "read", broken)
    answer = served.get("/search?q=x", **{"x-request-id": "mine"})
    assert (answer.status_code, answer.json()["request_id"]) == (500, "mine")
    assert "swordfish" not in answer.text
    assert any("mine" in r.getMessage() and r.exc_info for r in caplog.records)


def test_a_webhook_is_made_told_and_ended(served: Api) -> None:
    wish = {"name": "chat", "url": "https://chat.example.com/hooks", "events": "release.*"}
    for who in ("viewer", "operator"):
        assert served.post("/webhooks", wish, who).status_code == 403
        assert served.get("/webhooks", who).status_code == 403
    made = served.post("/webhooks", wish, **{"idempotency-key": "w"}).json()
    assert made["secret"].startswith("whsec_")
    assert served.post("/webhooks", wish, **{"idempotency-key": "w"}).json()["secret"] == ""
    seen = served.get("/webhooks/chat")
    assert (unfit("/webhooks/{webhook}", seen), seen.json()["state"]) == ("", "active")
    paused = {"command": "pause", "reason": "they move house"}
    tag = seen.headers["etag"]
    assert served.post("/webhooks/chat/commands", paused, **{"if-match": tag}).status_code == 202
    assert served.post("/webhooks/chat/commands", paused, **{"if-match": tag}).status_code == 412
    assert served.get("/webhooks").json()["items"][0]["state"] == "paused"
    assert served.get("/webhooks/chat/deliveries").json() == {"items": [], "next": None}
    ends = served.post("/webhooks/chat/commands", {"command": "delete", "reason": "over"})
    assert unfit("/webhooks/{webhook}/commands", ends) == ""
    assert served.get("/webhooks/chat").status_code == 404
    private = wish | {"url": "http://127.0.0.1:1/x"}
    assert served.post("/webhooks", private).json()["code"] == "private-address"


def test_an_alert_is_taken_care_of(served: Api) -> None:
    now = time.time()
    for service in ("shop", "other"):
        symptom = Symptom("rollout_failed", service, "production", "it failed", now)
        member = Member("rollout_failed", "ticket", "it failed", now, now)
        trouble = begin(f"alr_{service}", symptom, member)
        alert = replace(trouble, alert=replace(trouble.alert, state="firing"))
        with served.headway.tx() as tx:
            alerts.put(tx, alert, now + 3600)
    assert [a["id"] for a in served.get("/alerts", "shop").json()["items"]] == ["alr_shop"]
    listed = served.get("/alerts?state=firing")
    assert (unfit("/alerts", listed), len(listed.json()["items"])) == ("", 2)
    take = {"command": "acknowledge", "reason": "looking at it"}
    assert served.post("/alerts/alr_other/commands", take, "shop").status_code == 404
    assert served.post("/alerts/alr_shop/commands", take, "viewer").status_code == 403
    taken = served.post("/alerts/alr_shop/commands", take, "shop")
    assert (taken.status_code, taken.json()["state"], taken.json()["by"]) == (
        202, "acknowledged", "shop",
    )  # fmt: skip
    assert unfit("/alerts/{alert}/commands", taken) == ""
