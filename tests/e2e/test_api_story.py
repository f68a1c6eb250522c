"""A delivery over the API of a real server, from its start to its end: followed live, told a
command in its canary, its server killed in the middle of a write.
"""

import contextlib
import json
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.support.api_schema import unfit
from tests.support.stage import CANARY, Stage, config, eventually


class Client:
    """As the owner of the home."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.http = httpx.Client(trust_env=False, timeout=30)

    @property
    def url(self) -> str:
        address = json.loads((self.stage.home / "server.json").read_text())["address"]
        return f"{address}/api/v1"

    @property
    def bearer(self) -> dict[str, str]:
        return {"authorization": f"Bearer {(self.stage.home / 'token').read_text()}"}

    def get(self, path: str) -> Any:
        answer = self.http.get(self.url + path, headers=self.bearer)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: dict[str, Any], key: str) -> httpx.Response:
        headers = self.bearer | {"idempotency-key": key}
        return self.http.post(self.url + path, json=body, headers=headers)

    def until(self, path: str, test: Any, within: float = 90) -> Any:
        """What the address gives, once the test says yes."""
        found: list[Any] = []

        def there() -> bool:
            found[:] = [self.get(path)]
            return bool(test(found[0]))

        eventually(there, lambda: json.dumps(found)[:2000], within)
        return found[0]


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as made:
        yield made


def follow(client: Client, kinds: list[str], over: threading.Event) -> None:
    """Every event's type, across the death of the server."""
    last = "0"
    while not over.is_set():
        headers = client.bearer | {"accept": "text/event-stream", "last-event-id": last}
        with contextlib.suppress(httpx.HTTPError, OSError, ValueError), httpx.stream(
            "GET", f"{client.url}/events?service=shop", headers=headers, timeout=5,
            trust_env=False,
        ) as answer:  # fmt: skip
            for line in answer.iter_lines():
                if line.startswith("id: "):
                    last = line[4:]
                if line.startswith("data: ") and "specversion" in line:
                    kinds.append(json.loads(line[6:])["type"].removeprefix("dev.headway."))
                if over.is_set():
                    return
        time.sleep(0.2)


def test_a_delivery_from_its_start_to_its_end(stage: Stage) -> None:
    bare = stage.headway.host("shop")
    stage.commit(config(CANARY, staging=False))
    # a branch that no push delivers
    stage.git("push", "-q", str(bare), "HEAD:refs/heads/try")
    client, kinds, over = Client(stage), [], threading.Event()
    wish = {"service": "shop", "revision": "try"}
    with stage.server() as process:
        follower = threading.Thread(target=follow, args=(client, kinds, over))
        follower.start()
        first = client.post("/deliveries", wish, "first")
        assert first.status_code == 202, first.text
        process.send_signal(signal.SIGKILL)
        process.wait()
        (stage.home / "server.json").unlink()
    with stage.server():
        again = client.post("/deliveries", wish, "first")
        assert (again.status_code, again.json()) == (202, first.json())
        id = first.json()["delivery"]
        told = client.until(f"/deliveries/{id}", lambda d: d["state"] == "done")
        assert told["outcome"] == "delivered", told
        assert len(client.get("/deliveries?service=shop")["items"]) == 1

        stage.commit(config(CANARY, staging=False))
        stage.git("push", "-q", str(bare), "HEAD:refs/heads/try")
        second = client.post("/deliveries", wish, "second").json()["delivery"]
        rollout = client.until(
            "/rollouts?service=shop&outcome=running", lambda page: page["items"]
        )["items"][0]["id"]
        client.until(f"/rollouts/{rollout}", lambda r: r["step"] >= 0)
        said = {"command": "abort", "reason": "wrong prices"}
        done = client.post(f"/rollouts/{rollout}/commands", said, "third")
        assert unfit("/rollouts/{rollout}/commands", done) == ""
        ended = client.until(f"/deliveries/{second}", lambda d: d["state"] == "done")
        assert ended["outcome"] == "rolled_back"
        found = client.get(f"/rollouts/{rollout}")
        assert "wrong prices" in found["because"]
        (place,) = client.get("/deployments?service=shop&environment=production")["items"]
        assert {i["release"] for i in place["instances"]} == {"shop-1"}
        assert place["release"] == "shop-1"
        evidence = client.get("/artifacts/shop-1/evidence")["items"]
        assert ("provenance" in evidence[0]["kind"], evidence[0]["trusted"]) == (True, True)
        eventually(lambda: "rollout.rolled_back" in kinds, lambda: str(kinds[-9:]), 20)
        over.set()
        follower.join(20)
    assert [kinds.count(k) for k in ("release.released", "delivery.requested")] == [1, 2]
