"""A run on a real server over the API: its job that waits for a person is in the inbox and is
decided there; what its jobs kept is downloaded.
"""

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.e2e.test_server_gates import HEADWAY, waits
from tests.support.api_schema import unfit
from tests.support.served import STEP, Hosted, Served, job, workflow

from headway.access.principal import Grant
from headway.access.scope import Scope
from headway.flows import accounts
from headway.flows.accounts import Wish
from headway.store.access import Account, Holder

UPLOAD = """\
      - uses: actions/upload-artifact@v4
        with: {name: dist, path: out}
"""


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with Served() as made:
        made.up()
        yield made


@pytest.fixture(scope="module")
def repo(served: Served) -> Hosted:
    made = served.another("shop")
    kept = job("mkdir -p out/deep && echo hi > out/a.txt && echo x > out/deep/b", name="a") + UPLOAD
    live = job("true", name="live").replace(
        STEP, f"    needs: a\n    environment: production\n{STEP}"
    )
    (made.folder / "headway.yaml").write_text(HEADWAY)
    made.write(ci=workflow("push", kept, live))
    made.push()
    return made


@pytest.fixture(scope="module")
def tokens(served: Served) -> dict[str, str]:
    found = {}
    with served.headway.tx() as tx:
        for name, one in {
            "approver": Grant("approver", "shop"),
            "viewer": Grant("viewer"),
            "other": Grant("approver", "other"),
        }.items():
            accounts.add(tx, "test", Account(name, "service"))
            accounts.grant(tx, "test", Holder("account", name), one)
            wish = Wish(name, "t", Scope((one.role,), "", ""))
            found[name] = accounts.create_token(tx, "test", wish)[1]
    return found


def ask(served: Served, token: str, method: str, path: str, **more: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}"} | more.pop("headers", {})
    url = f"{served.address}/api/v1{path}"
    return httpx.request(method, url, headers=headers, timeout=30, trust_env=False, **more)


def test_a_job_that_waits_is_decided_and_what_the_run_kept_comes_down(
    served: Served, repo: Hosted, tokens: dict[str, str]
) -> None:
    (run,) = waits(served, repo)
    id = run.spec.id
    _decide(served, tokens, id)
    served.ended(1, repo)
    (seen,) = served.runs(repo)
    assert (seen.phase, seen.decided[0].by, len(seen.decided)) == ("success", "approver", 1)
    _download(served, tokens, id)


def _decide(served: Served, tokens: dict[str, str], id: str) -> None:
    listed = ask(served, tokens["approver"], "GET", "/approvals")
    assert unfit("/approvals", listed) == ""
    (one,) = listed.json()["items"]
    assert (one["kind"], one["run"], one["environment"], one["service"]) == (
        "job", id, "production", "shop",
    )  # fmt: skip
    assert (one["needed"], one["because"], one["release"]) == (1, "live: 0 of 1", "")
    assert ask(served, tokens["other"], "GET", "/approvals").json()["items"] == []
    path = f"/approvals/{id}/production"
    shown = ask(served, tokens["viewer"], "GET", path)
    assert shown.json() == one
    assert ask(served, tokens["other"], "GET", path).status_code == 404

    body = {"run": id, "environment": "production", "decision": "approve", "reason": "fine"}

    def decide(who: str, key: str, **more: Any) -> httpx.Response:
        sent = {"json": body | more.pop("body", {}), "headers": {"idempotency-key": key} | more}
        return ask(served, tokens[who], "POST", "/approvals", **sent)

    assert decide("viewer", "1").status_code == 403
    hidden = decide("other", "1")
    assert hidden.status_code == 404, hidden.text
    assert decide("approver", "1", body={"release": "shop-1"}).status_code == 422
    elsewhere = decide("approver", "1", body={"environment": "staging"})
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (409, "nothing-waits")
    stale = decide("approver", "2", **{"if-match": '"other"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "changed")
    first, again = (decide("approver", "3", **{"if-match": shown.headers["etag"]}) for _ in "ab")
    assert (first.status_code, again.content) == (202, first.content), first.text
    assert first.json()["decision"] == "approved"


def _download(served: Served, tokens: dict[str, str], id: str) -> None:
    listed = ask(served, tokens["viewer"], "GET", f"/runs/{id}/files")
    assert unfit("/runs/{run}/files", listed) == ""
    (one,) = listed.json()["items"]
    assert (one["job"], one["kind"], one["name"], one["problem"]) == ("a", "upload", "dist", "")
    path = f"/runs/{id}/files/{one['id']}"
    got = ask(served, tokens["viewer"], "GET", path)
    assert got.headers["content-type"] == "application/zip"
    assert got.headers["content-disposition"].startswith('attachment; filename="dist.zip"')
    assert got.headers["x-content-type-options"] == "nosniff"
    found = zipfile.ZipFile(io.BytesIO(got.content))
    assert {n: found.read(n) for n in found.namelist()} == {"a.txt": b"hi\n", "deep/b": b"x\n"}
    same = ask(
        served, tokens["viewer"], "GET", path, headers={"if-none-match": got.headers["etag"]}
    )
    assert (same.status_code, same.content) == (304, b"")
    for who, asked, status in (
        ("other", path, 404),
        ("viewer", f"/runs/{id}/files/fil_0", 404),
        ("nobody", path, 401),
    ):
        assert ask(served, tokens.get(who, who), "GET", asked).status_code == status
    page = httpx.get(
        f"{served.address}/runs/{id}",
        headers={"authorization": f"Bearer {tokens['viewer']}"},
        trust_env=False,
        timeout=30,
    )
    assert f'href="/api/v1{path}" download>dist.zip</a>' in page.text
