"""The API over a home with a past: every noun, as its document says; pages, filters, ETags; what
may be seen; what is refused, in one form.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support import api_home
from tests.support.api import Api, api, tell
from tests.support.api_schema import document, unfit

PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    home = tmp_path_factory.mktemp("api") / "h"
    api_home.make(home)
    with api(home) as made:
        yield made


def names(served: Api, path: str, key: str, who: str = "admin") -> list[str]:
    return [item[key] for item in served.get(path, who).json()["items"]]


@pytest.fixture(scope="module")
def known(served: Api) -> dict[str, str]:
    """What stands for each part of an address."""
    release = names(served, "/releases?service=shop", "name")[1]
    assert release == "shop-2"
    return {
        "service": "shop",
        "environment": "production",
        "commit": api_home.SECOND,
        "digest": served.get(f"/releases/{release}").json()["digest"],
        "release": release,
        "delivery": served.get(f"/releases/{release}").json()["delivery"],
        "rollout": names(served, "/rollouts?service=shop&environment=production", "id")[0],
        "account": "viewer",
    }


def address(path: str, known: dict[str, str]) -> str:
    """The path of the document with what is known; empty if something is not."""
    parts = path.strip("/").split("/")
    filled = [known.get(p[1:-1], "") if p.startswith("{") else p for p in parts]
    return "/" + "/".join(filled) if all(filled) else ""


def test_every_list_and_every_single_thing_is_as_the_document_says(
    served: Api, known: dict[str, str]
) -> None:
    seen = set()
    for path, operations in document()["paths"].items():
        asked = address(path, known)
        if (
            "get" not in operations
            or not asked
            or path in {"/live", "/approvals/{release}/{environment}"}
        ):
            continue
        query = {"/search": "?q=shop", "/evidence": f"?digest={known['digest']}"}.get(path, "")
        answer = served.get(asked + query)
        assert answer.status_code == 200, answer.text
        assert unfit(path, answer) == ""
        seen.add(path)
    assert len(seen) >= 28
    waiting = served.get("/approvals/shop-3/production")
    assert (waiting.status_code, waiting.json()["kind"]) == (200, "approval")
    assert unfit("/approvals/{release}/{environment}", waiting) == ""


def test_what_was_delivered_is_told(served: Api, known: dict[str, str]) -> None:
    rollout = served.get(f"/rollouts/{known['rollout']}").json()
    assert (rollout["outcome"], rollout["strategy"]) == ("released", "canary")
    assert served.get(f"/rollouts/{known['rollout']}/windows").json()["items"][0]["candidate"]
    judged = served.get(f"/verdicts?rollout={known['rollout']}&outcome=PASS").json()["items"]
    assert judged
    assert {v["rollout"] for v in judged} == {known["rollout"]}
    gates = served.get("/gates?service=shop&environment=production").json()["items"]
    assert gates[0]["outcome"] == "WAIT"
    assert "approval" in {g["judge"] for g in gates[0]["gates"]}
    assert (
        served.get(f"/commits/{api_home.SECOND[:9]}").json()["deliveries"][0]["release"] == "shop-2"
    )
    assert names(served, "/commits?service=shop", "commit") == [
        api_home.THIRD, api_home.SECOND, api_home.FIRST,
    ]  # fmt: skip
    evidence = served.get(f"/artifacts/{known['digest']}/evidence").json()["items"]
    assert isinstance(evidence, list)
    assert names(served, "/deliveries?state=waiting", "commit") == [api_home.THIRD]
    assert names(served, f"/deliveries?commit={api_home.FIRST}&by=ana", "outcome") == ["delivered"]
    assert [h["id"] for h in served.get("/search?q=shop-2").json()["items"]] == ["shop-2"]
    me = served.get("/me", "shop").json()
    assert me["grants"] == [{"role": "operator", "service": "shop", "environment": ""}]


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/deliveries", "id"), ("/releases", "name"), ("/rollouts", "id"), ("/artifacts", "digest"),
        ("/commits", "commit"), ("/events", "sequence"), ("/verdicts", "seq"), ("/gates", "seq"),
        ("/deployments", "environment"), ("/accounts", "name"),
        ("/environments", "environment"),
    ],
)  # fmt: skip
def test_pages_give_each_item_once_while_others_are_added(served: Api, path: str, key: str) -> None:
    whole = [i[key] for i in served.get(f"{path}?limit=200").json()["items"]]
    assert len(whole) > 1
    found, cursor = [], ""
    for number in itertools.count():
        page = served.get(f"{path}?limit=1{cursor}").json()
        assert len(page["items"]) == 1
        found += [i[key] for i in page["items"]]
        tell(served.headway, "late.told", f"{path}-{number}", service="late")
        if page["next"] is None or len(found) >= 12:
            break
        cursor = f"&cursor={page['next']}"
    assert found == whole[: len(found)]
    assert len(found) == min(len(whole), 12)


def test_a_cursor_is_of_its_list_and_of_nobody_who_changed_it(served: Api) -> None:
    cursor = served.get("/deliveries?limit=1&service=shop").json()["next"]
    assert served.get(f"/deliveries?limit=2&service=shop&cursor={cursor}").status_code == 200
    changed = [cursor[:-2] + "AA", "A" + cursor[1:], cursor + "A", "x", "%01", "é", "=" * 9]
    others = [
        *(f"/deliveries?limit=1&service=shop&cursor={c}" for c in changed),
        f"/deliveries?limit=1&cursor={cursor}",
        f"/rollouts?limit=1&service=shop&cursor={cursor}",
    ]
    for path in others:
        answer = served.get(path)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad-cursor"), path


def test_time_is_told_with_its_offset(served: Api) -> None:
    first = served.get("/deliveries?service=shop").json()["items"][-1]
    then = first["requested_at"]
    assert names(served, f"/deliveries?service=shop&until={then}", "id") == []
    assert first["id"] in names(served, f"/deliveries?service=shop&since={then}", "id")
    for bad in ("2026-01-01", "2026-01-01T00:00:00", "1700000000", "now", "2026-13-01T00:00:00Z"):
        answer = served.get(f"/deliveries?since={bad}")
        assert answer.status_code == 422, bad
        assert answer.json()["errors"][0]["path"] == "query.since"


def test_an_answer_that_is_known_is_not_sent_again(served: Api, known: dict[str, str]) -> None:
    path = f"/deliveries/{known['delivery']}"
    first = served.get(path)
    tag = first.headers["etag"]
    again = served.get(path, **{"if-none-match": f'"x", W/{tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert served.get(path, **{"if-none-match": '"x"'}).status_code == 200
    other = served.get("/releases/shop-1")
    assert other.headers["etag"] != tag
    body = {"command": "start", "environment": "production", "reason": "now"}
    stale = served.post("/releases/shop-2/commands", body, **{"if-match": tag})
    assert (stale.status_code, stale.json()["code"]) == (412, "changed")


def test_of_other_services_nothing_is_seen_not_even_that_it_is_there(
    served: Api, known: dict[str, str]
) -> None:
    assert set(names(served, "/deliveries", "service", "shop")) == {"shop"}
    assert "other" in names(served, "/deliveries", "service")
    for path in ("/services", "/releases", "/rollouts", "/artifacts", "/commits", "/environments"):
        assert set(names(served, f"{path}?limit=200", "service", "shop")) == {"shop"}, path
    for path in ("/events", "/gates", "/verdicts"):
        assert set(names(served, f"{path}?limit=200", "service", "shop")) <= {"shop"}, path
    hidden = {
        "/services/{}": "other", "/releases/{}": "other-1", "/deliveries/{}": "del_" + "0" * 26,
        "/rollouts/{}": "rol_" + "0" * 26, "/artifacts/{}": "sha256:" + "f" * 64,
        "/commits/{}": "f" * 40, "/rollouts/{}/windows": "other-1",
        "/environments/{}/production": "other", "/deployments/{}/production": "other",
    }  # fmt: skip
    for path, id in hidden.items():
        there, not_there = (served.get(path.format(x), "shop") for x in (id, f"{id[:-1]}e"))
        assert there.status_code == 404, path
        same = [
            {k: v for k, v in a.json().items() if k != "request_id"} for a in (there, not_there)
        ]
        assert same[0] == same[1]
    assert [h["kind"] for h in served.get("/search?q=other", "shop").json()["items"]] == []
    for path in ("/accounts", "/accounts/viewer", "/tokens?account=admin"):
        assert served.get(path, "viewer").status_code == 403


def test_who_may_what_is_asked_right_there(served: Api, known: dict[str, str]) -> None:
    said: dict[str, Any] = {"command": "pause", "reason": "lunch"}
    rollout = f"/rollouts/{known['rollout']}/commands"
    for who, status in (("nobody", 401), ("nothing", 403), ("viewer", 403), ("developer", 403)):
        answer = served.post(rollout, said, who)
        assert answer.status_code == status
        assert answer.headers["content-type"] == PROBLEM
        if who == "viewer":
            assert "rollout.command" in answer.json()["detail"]
    done = served.post(rollout, said, "shop")
    assert (done.status_code, done.json()["code"]) == (409, "done")
    foreign = served.post("/rollouts/rol_" + "0" * 26 + "/commands", said, "shop")
    assert foreign.status_code == 404
    whole = served.post("/line/commands", {"command": "stop", "reason": "fire"}, "shop")
    assert whole.status_code == 403


def test_an_approval_is_given_and_counts(served: Api) -> None:
    (one,) = served.get("/approvals?service=shop", "approver").json()["items"]
    decision = {"release": "shop-3", "environment": "production", "decision": "approve"}
    said = {**decision, "reason": "looked at the numbers"}
    tag = served.get("/approvals/shop-3/production").headers["etag"]
    for who, status in (("viewer", 403), ("shop", 403)):
        assert served.post("/approvals", said, who).status_code == status
    done = served.post("/approvals", said, "approver", **{"if-match": tag})
    assert done.status_code == 202, done.text
    assert unfit("/approvals", done) == ""
    stale = served.post("/approvals", said, "approver", **{"if-match": tag})
    assert stale.status_code == 412
    (now,) = served.get("/approvals?service=shop", "approver").json()["items"]
    assert [(g["by"], g["approved"]) for g in now["given"]] == [("approver", True)]
    assert one["given"] == []
    assert served.get("/approvals?mine=true", "approver").json()["items"] == []
    history = served.get("/approvals/history").json()["items"]
    assert [(h["by"], h["release"]) for h in history] == [("approver", "shop-3")]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "unknown-address"),
        ("GET", "/../../etc/passwd", 404, ""),
        ("PUT", "/services", 405, "method"),
        ("GET", "/services?colour=red", 422, "unknown-parameter"),
        ("GET", "/services?limit=0", 422, "invalid-request"),
        ("GET", "/services?limit=201", 422, "invalid-request"),
        ("GET", "/services?limit=1&limit=2", 422, "repeated-parameter"),
        ("GET", "/verdicts?outcome=maybe", 422, "invalid-request"),
        ("GET", "/releases/%00", 404, "unknown-name"),
        ("GET", "/rollouts/%F0%9F%9A%80", 404, "unknown-rollout"),
        ("GET", "/commits/%", 404, "unknown-subject"),
        ("GET", "/runs/..%2f..%2ftoken", 404, ""),
    ],
)
def test_every_refusal_has_one_form(
    served: Api, method: str, path: str, status: int, code: str
) -> None:
    answer = served.ask(method, path, "admin")
    assert answer.status_code == status, answer.text
    if code:
        said = answer.json()
        assert answer.headers["content-type"] == PROBLEM
        assert (said["status"], said["code"], said["type"]) == (
            status, code, f"urn:headway:error:{code}",
        )  # fmt: skip
        assert said["title"]
        assert said["request_id"] == answer.headers["x-request-id"]
    if status == 405:
        assert answer.headers["allow"] == "GET"
