"""Contracts between two small real services: recorded, replayed, and a stage that blocks."""

import http.client
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.support.stage import AT_ONCE, Stage, config

SHOP = """
import json, os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

FIELD = {field!r}
prices = {{}}

class Shop(BaseHTTPRequestHandler):
    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        at = urlsplit(self.path)
        if at.path == "/health":
            return self.answer(200, {{}})
        wanted = parse_qs(at.query).get("sku", [])
        if at.path != "/prices" or not all(s in prices for s in wanted):
            return self.answer(404, {{"error": "no such thing"}})
        self.answer(200, {{"items": [{{"sku": s, FIELD: prices[s]}} for s in wanted]}})

    def do_POST(self):
        said = json.loads(self.rfile.read(int(self.headers["content-length"])))
        prices.update(said["params"])
        self.answer(200, {{}})

    def log_message(self, *words):
        pass

ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Shop).serve_forever()
"""


def total(connection: http.client.HTTPConnection, sku: str) -> int:
    """What the consumer `web` does with the answer: it adds the prices up."""
    connection.request("GET", f"/prices?sku={sku}")
    told = json.loads(connection.getresponse().read())
    return sum(int(item["price"]) for item in told["items"])


def recorded() -> bytes:
    """The contract as the consumer's own test writes it: `total` against what it expects."""
    example = {"items": [{"sku": "tea", "price": 120}]}
    seen: list[str] = []

    class Mock(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(example).encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Mock)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=20)
        assert total(address, "tea") == 120
    finally:
        server.shutdown()
        server.server_close()
    assert seen == ["/prices?sku=tea"]
    rules = {
        "$.items": {"matchers": [{"match": "type", "min": 1}]},
        "$.items[*].price": {"matchers": [{"match": "integer"}]},
    }
    headers = {"Content-Type": "application/json"}
    one: dict[str, Any] = {
        "description": "the price of tea",
        "providerStates": [{"name": "tea has a price", "params": {"tea": 99}}],
        "request": {"method": "GET", "path": "/prices", "query": {"sku": ["tea"]}},
        "response": {
            "status": 200,
            "headers": headers,
            "body": example,
            "matchingRules": {"body": rules},
        },
    }
    document = {
        "consumer": {"name": "web"},
        "provider": {"name": "shop"},
        "interactions": [one],
        "metadata": {"pactSpecification": {"version": "3.0.0"}},
    }
    return json.dumps(document).encode()


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as made, made.engine():
        yield made


CONTRACTS = f"""{AT_ONCE}
    tests: [{{http: /health}}, {{contracts: {{states: /_states}}}}]"""


@pytest.mark.seed("S-027", "S-279")
def test_a_provider_that_breaks_a_consumer_is_not_promoted(stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "web-shop.json"
    file.write_bytes(recorded())
    for version in ("w1", "w2"):
        done = stage.run(
            "contract", "publish", str(file), "--consumer", "web", "--version", version
        )
        assert done.exit_code == 0, done.output
    here = ("--consumer", "web", "--version", "w1", "--env", "production")
    assert stage.run("contract", "deployed", *here).exit_code == 0
    yaml = config(CONTRACTS, staging=False)

    good = stage.deliver(stage.commit(yaml, files={"app.py": SHOP.format(field="price")}))
    assert good.outcome == "delivered", good.because
    evidence = [e for e in stage.events() if e.kind == "contracts.verified"]
    assert evidence[-1].data["outcome"] == "PASS"
    assert [c["version"] for c in evidence[-1].data["contracts"]] == ["w1"]

    bad = stage.deliver(stage.commit(yaml, files={"app.py": SHOP.format(field="amount")}))
    assert bad.outcome != "delivered"
    assert "breaks the contract of web w1" in bad.because
    assert stage.shares() == {good.release: 1.0}
    told = [e for e in stage.events() if e.kind == "contracts.verified"][-1].data["contracts"]
    assert told[0]["told"] == ["the price of tea: body $.items[0].price: expected 120, got nothing"]

    assert stage.run("contract", "deployed", *here, "--gone").exit_code == 0
    free = stage.deliver(stage.commit(yaml, files={"app.py": SHOP.format(field="amounts")}))
    assert free.outcome == "delivered", free.because


def test_what_was_published_never_changes(stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "web-shop.json"
    file.write_bytes(recorded())
    publish = ("contract", "publish", str(file), "--version", "w1")
    assert stage.run(*publish).exit_code == 0
    assert "was recorded already" in stage.run(*publish).output
    shown = stage.run("contract", "show", "web", "--version", "w1")
    assert "the price of tea, when tea has a price" in shown.output
    assert "GET /prices -> 200" in shown.output
    file.write_bytes(recorded().replace(b"tea", b"pot"))
    assert stage.run(*publish).exit_code == 7
    other = stage.run(*publish, "--consumer", "app")
    assert other.exit_code == 2
    listed = json.loads(stage.run("contract", "list", "--provider", "shop", "--json").output)
    assert [(i["consumer"], i["version"]) for i in listed["items"]] == [("web", "w1")]


@pytest.fixture
def provider() -> Iterator[str]:
    class Old(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"items": [{"sku": "tea", "price": "1.20"}]}'
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.send_response(204 if self.path == "/states" else 500)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Old)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_verify_names_what_differs(stage: Stage, tmp_path: Path, provider: str) -> None:
    file = tmp_path / "web-shop.json"
    file.write_bytes(recorded())
    words = ("contract", "verify", str(file), "--url", provider)
    done = stage.run(*words, "--states", f"{provider}/states")
    assert done.exit_code == 1
    assert "0 of 1 interactions hold" in done.output
    assert 'body $.items[0].price: expected an integer, got "1.20"' in done.output
    assert "no address that sets up states" in stage.run(*words).output
    assert "got status 500" in stage.run(*words, "--states", f"{provider}/other").output
    gone = stage.run("contract", "verify", str(file), "--url", "http://127.0.0.1:1", "--json")
    assert gone.exit_code == 1
    assert json.loads(gone.output)["outcome"] == "FAIL"
    none = stage.run("contract", "verify", "--provider", "shop", "--url", provider)
    assert none.exit_code == 2
