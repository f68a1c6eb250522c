"""The whole API from its document, asked by every role and by nobody with what fits, what nearly
fits and what is hostile: no fault, no answer that the document does not have, no forbidden success.
"""

import json
import random
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.support import api_home
from tests.support.api import PEOPLE, Api, api
from tests.support.api_schema import document, unfit

from headway.access.roles import allowed
from headway.api.v1 import app as v1
from headway.api.v1.door import Limits

STREAM = "text/event-stream"
HOSTILE = (
    "", " ", "..", "../../etc/passwd", "%00", "\0", "' OR 1=1 --", "<script>alert(1)</script>",
    "🙂" * 20, "é", "\u202egnp.exe", "a" * 5000, "-1", "1e999", "NaN", "null", "[]", "{}",
    "\r\nx: y", "$(id)", "rol_", "del_", "sha256:", "shop/", "/", "?", "#", "%", "_", "9" * 40,
    "\x1b[31m", "\ufeff", "\ud7ff", "true",
)  # fmt: skip
KNOWN = (
    "shop", "other", "production", "staging", "shop-1", "shop-2", "shop-3", api_home.FIRST,
    "1111111", "viewer", "admin", "running", "released", "2026-01-01T00:00:00Z", "5",
)  # fmt: skip
WHO = (*PEOPLE, "nothing", "nobody")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    home = tmp_path_factory.mktemp("fuzz") / "h"
    api_home.make(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(v1, "LIMITS", Limits(10**9, 1e9, 10**9, 1e9))
        with api(home) as made:
            yield made


class Fuzz:
    """Requests by a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def text(self) -> str:
        return self.random.choice((*KNOWN, *KNOWN, *HOSTILE))

    def value(self, schema: dict[str, Any], depth: int = 0) -> Any:
        """What fits the schema; sometimes what does not."""
        r = self.random
        if r.random() < 0.08 or depth > 4:
            return r.choice([None, True, -1, 1.5, 10**30, "", [], {}, [[]], self.text()])
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return self.value(document()["components"]["schemas"][name], depth + 1)
        if "anyOf" in schema:
            return self.value(r.choice(schema["anyOf"]), depth + 1)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return r.choice(schema["enum"])
        match schema.get("type"):
            case "integer":
                low = int(schema.get("minimum", -2))
                return r.randint(low, min(int(schema.get("maximum", 10**6)), low + 1000))
            case "boolean":
                return r.random() < 0.5
            case "array":
                return [self.value(schema["items"], depth + 1) for _ in range(r.randint(0, 3))]
            case "object":
                return self.object(schema, depth)
        return self.text()

    def object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        needed = schema.get("required", [])
        made = {
            name: self.value(part, depth + 1)
            for name, part in schema.get("properties", {}).items()
            if (name in needed and self.random.random() < 0.95) or self.random.random() < 0.5
        }
        if self.random.random() < 0.05:
            made[self.text()] = self.text()
        return made

    def request(self, path: str, method: str) -> dict[str, Any]:
        """url, headers, params and json of one request."""
        one, r = document()["paths"][path][method], self.random
        url, query, headers = path, {}, {"idempotency-key": f"k{r.randrange(10**12)}"}
        for p in one.get("parameters", []):
            if p["in"] == "path":
                text = self.text() or "x"
                quoted = httpx.QueryParams({"x": text}).__str__()[2:].replace("+", "%20")
                url = url.replace(f"{{{p['name']}}}", quoted)
            elif p["in"] == "query" and (p.get("required") or r.random() < 0.25):
                given = self.value(p["schema"])
                plain = isinstance(given, str | int | list)
                query[p["name"]] = given if plain else json.dumps(given)
            elif r.random() < 0.1 and p["name"] != "Accept":
                headers[p["name"]] = self.text()
        if r.random() < 0.05:
            query[self.text() or "x"] = self.text()
        sent: dict[str, Any] = {"url": url, "params": query}
        if "requestBody" in one:
            shape = one["requestBody"]["content"]["application/json"]["schema"]
            sent["content"] = json.dumps(self.value(shape)).encode("utf-8", "surrogatepass")
            headers["content-type"] = "application/json"
        sent["headers"] = {k: v.encode("utf-8", "replace") for k, v in headers.items()}
        return sent


def ask(served: Api, client: httpx.Client, seed: int) -> Iterator[str]:
    """One request to each operation; gives what is wrong with the answers."""
    fuzz = Fuzz(seed)
    for path, operations in document()["paths"].items():
        for method, one in operations.items():
            who = fuzz.random.choice(WHO)
            sent = fuzz.request(path, method)
            sent["url"] = served.url + sent["url"]
            sent["headers"] |= served.bearer(who)
            if (path == "/events" and fuzz.random.random() < 0.3) or path == "/live":
                sent["headers"]["accept"] = STREAM
            try:
                request = client.build_request(method, **sent)
            except (httpx.InvalidURL, UnicodeError, ValueError):
                continue
            yield from looked_at(client, request, path, who, one.get("x-permission"))


def looked_at(
    client: httpx.Client, request: httpx.Request, path: str, who: str, permission: str | None
) -> Iterator[str]:
    try:
        answer = client.send(request, stream=True)
    except httpx.LocalProtocolError:
        return  # what no client can send
    try:
        status = answer.status_code
        story = f"{request.method} {request.url} as {who}: {request.content[:300]!r}"
        if status >= 500:
            yield f"{story}: {status}"
        good = who in PEOPLE and permission and allowed(PEOPLE[who].role, permission)
        if status < 400 and permission and not good and not _other(path, answer):
            yield f"{story}: {status} without {permission}"
        beside = path.endswith("/logs")  # served beside the API: a text, or events
        if answer.headers.get("content-type", "").startswith(STREAM) or beside:
            return
        answer.read()
        beyond = answer.status_code == 404 and "json" not in answer.headers["content-type"]
        if not beyond and (fault := unfit(path, answer)) and not _other(path, answer):
            yield f"{story}: {fault}"
    finally:
        answer.close()


def _other(path: str, answer: httpx.Response) -> bool:
    """The hostile name led to another address, which has an answer of its own: still a refusal, or
    the list above.
    """
    steps = answer.request.url.path.removeprefix("/api/v1/").rstrip("/").split("/")
    return len(steps) != len(path.strip("/").split("/")) or answer.status_code == 405


def sweep(served: Api, seeds: range) -> None:
    with httpx.Client(trust_env=False, timeout=30) as client:
        wrong = [fault for seed in seeds for fault in ask(served, client, seed)]
    assert not wrong, "\n".join(wrong[:10])


def test_no_request_breaks_it_or_gets_more_than_it_may(served: Api) -> None:
    sweep(served, range(4))


@pytest.mark.soak
def test_no_request_of_many_breaks_it_or_gets_more_than_it_may(served: Api) -> None:
    sweep(served, range(1000, 1200))
