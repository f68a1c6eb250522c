"""Runs over the API of a real server: started once for each key, seen, cancelled, run again."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.support.api_schema import unfit
from tests.support.served import Served, job, workflow


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with Served() as made:
        gate = made.scratch / "gate"
        made.repo.write(
            ci=workflow("workflow_dispatch", job(f"until [ -e {gate} ]; do sleep 0.05; done")),
        )
        made.repo.push()
        made.up()
        yield made


def ask(served: Served, method: str, path: str, key: str = "", body: Any = None) -> httpx.Response:
    headers = {"authorization": f"Bearer {(served.home / 'token').read_text()}"}
    headers |= {"idempotency-key": key} if key else {}
    url = f"{served.address}/api/v1{path}"
    return httpx.request(method, url, json=body, headers=headers, timeout=30, trust_env=False)


def test_a_run_is_started_cancelled_and_run_again(served: Served) -> None:
    wish = {"repository": "plain", "workflow": "ci.yml"}
    first, again = (ask(served, "POST", "/runs", "start", wish) for _ in range(2))
    assert (first.status_code, first.content) == (202, again.content), first.text
    run = first.json()["run"]
    served.eventually(
        lambda: ask(served, "GET", f"/runs/{run}").json()["run"]["state"] == "running"
    )
    shown = ask(served, "GET", f"/runs/{run}")
    assert unfit("/runs/{run}", shown) == ""
    assert (shown.json()["run"]["service"], shown.json()["run"]["number"]) == ("plain", 1)
    listed = ask(served, "GET", "/runs?service=plain&workflow=ci")
    assert unfit("/runs", listed) == ""
    assert [r["run"] for r in listed.json()["items"]] == [run]
    jobs = ask(served, "GET", f"/runs/{run}/jobs")
    assert unfit("/runs/{run}/jobs", jobs) == ""
    assert [j["id"] for j in jobs.json()["items"]] == ["a"]

    cancel = {"command": "cancel", "reason": "wrong branch"}
    told = [ask(served, "POST", f"/runs/{run}/commands", "cancel", cancel) for _ in range(2)]
    assert [t.status_code for t in told] == [202, 202], told[0].text
    served.ended()
    (asked,) = served.events(kind="run.cancel_requested")
    assert (asked.subject, asked.service, asked.data["reason"]) == (run, "plain", "wrong branch")
    ended = ask(served, "GET", f"/runs/{run}").json()["run"]
    assert ended["outcome"] == "cancelled"
    assert "wrong branch" in ended["because"]
    late = ask(served, "POST", f"/runs/{run}/commands", "late", cancel)
    assert (late.status_code, late.json()["code"]) == (409, "has-ended")

    (served.scratch / "gate").touch()
    rerun = {"command": "rerun", "reason": "once more", "failed_only": True}
    told = [ask(served, "POST", f"/runs/{run}/commands", "again", rerun) for _ in range(3)]
    next_run = told[0].json()["run"]
    assert {t.content for t in told} == {told[0].content}
    assert next_run == f"{run}.2"
    served.ended(2)
    assert ask(served, "GET", f"/runs/{next_run}").json()["run"]["outcome"] == "success"
    page = ask(served, "GET", "/runs?limit=1").json()
    rest = ask(served, "GET", f"/runs?limit=1&cursor={page['next']}").json()
    assert [r["run"] for r in page["items"] + rest["items"]] == [next_run, run]
    for path, status in (("/runs/run_0", 404), ("/runs/..", 404), ("/runs/%2e%2e%2fx", 404)):
        assert ask(served, "GET", path).status_code == status, path
    for body in (wish | {"repository": "none"}, wish | {"workflow": "none.yml"}):
        assert ask(served, "POST", "/runs", str(body["workflow"]), body).status_code == 404
