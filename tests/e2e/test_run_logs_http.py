"""Logs of a real run over HTTP: followed, cut off, gone on with; slow clients; who may read."""

import asyncio
import hashlib
import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest
from tests.fakes.job_runner import FakeWatch
from tests.support.served import Served, job, workflow
from tests.support.serving import serving

from headway import workbench
from headway.adapters.linux import logs
from headway.api import run_logs
from headway.api.app import app
from headway.flows import pipeline
from headway.model.job import Line
from headway.model.job_settings import JobSettings, Retry

MANY = 50_000


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with Served() as made:
        gate = made.scratch / "gate"
        made.repo.write(
            ci=workflow(
                "push",
                job(
                    "for i in 1 2 3 4 5; do echo early $i; done; "
                    f"while [ ! -e {gate} ]; do sleep 0.05; done; "
                    "echo ::group::G; echo ::error::bad; echo in; echo ::endgroup::; echo late",
                    "printf 'a\\r\\n\\n\\303\\274\\n'; seq 1 200",
                    name="talks",
                ),
                job(f"seq 1 {MANY}", name="big"),
                job(f"echo held; while [ ! -e {gate}2 ]; do sleep 0.05; done", name="held"),
            )
        )
        made.up()
        made.repo.push()
        made.eventually(lambda: made.runs() and "held" in made.runs()[0].orders)
        yield made


def token(served: Served) -> dict[str, str]:
    return {"authorization": f"Bearer {(served.home / 'token').read_text()}"}


def door(served: Served, job: str, address: str = "") -> str:
    return f"{address or served.address}/api/v1/runs/{served.runs()[0].spec.id}/jobs/{job}/logs"


@dataclass
class Client:
    """As a browser does it: remembers the last id, and comes back with it."""

    address: str
    headers: dict[str, str]
    last: str = ""
    lines: list[dict[str, Any]] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    end: dict[str, Any] | None = None
    comments: int = 0

    def listen(self, most: int = 10**9, **query: str) -> None:
        """Until the end, or until so many lines came: then the connection is cut."""
        resumed = {"last-event-id": self.last} if self.last else {}
        with httpx.stream(
            "GET", self.address, params=query, headers=self.headers | resumed, trust_env=False,
            timeout=30,
        ) as answer:  # fmt: skip
            assert answer.status_code == 200, answer.read()
            assert answer.headers["content-type"].startswith("text/event-stream")
            event: dict[str, str] = {}
            for row in answer.iter_lines():
                if row:
                    name, _, value = row.partition(": ")
                    event[name] = value
                    self.comments += row == ":"
                    continue
                most -= self._take(event)
                event = {}
                if most <= 0:
                    return

    def _take(self, event: dict[str, str]) -> int:
        self.last = event.get("id", self.last)
        data = json.loads(event.get("data", "null"))
        if event.get("event") == "line":
            self.lines.append(data)
        elif event.get("event") == "step":
            self.steps.append(data)
        elif event.get("event") == "end":
            assert self.end is None
            self.end = data
        return event.get("event") == "line"


def sealed(served: Served, key: str) -> list[tuple[int, Line]]:
    """What lies on disk, by another reader than the endpoint's."""
    run = served.runs()[0]
    folder = served.home / "runs" / run.spec.id / key
    found = sorted(s.log for s in run.ended[key].steps)
    return [(n + 1, line) for n in found for line in logs.lines(folder, n)]


def test_a_run_is_followed_while_it_prints_and_gone_on_with_after_each_cut(served: Served) -> None:
    client = Client(door(served, "talks"), token(served))
    client.listen(4)
    assert client.end is None
    assert "talks" not in served.runs()[0].ended, "it was followed while it ran"
    (served.scratch / "gate").touch()
    for most in (1, 2, 1, 50, 3, 100, 10**9):
        client.listen(most)
    assert client.end == {"job": "talks", "outcome": "success", "because": "", "reused": ""}
    assert [
        (x["step"], Line(x["at"], x["text"], x["group"], x["level"])) for x in client.lines
    ] == sealed(served, "talks")
    said = [x["text"] for x in client.lines]
    assert [said.count(f"early {n}") for n in range(1, 6)] == [1] * 5
    assert [(x["text"], x["level"], x["group"]) for x in client.lines if x["group"]][-1] == (
        "in", "", 1,
    )  # fmt: skip
    assert all(x["at"] > time.time() - 600 for x in client.lines)
    assert [(s["step"], s["try"]) for s in client.steps] == [(1, 1), (2, 1)]
    # after the end there is only the end
    over = Client(client.address, client.headers, client.last)
    over.listen()
    assert (over.lines, over.steps, over.end) == ([], [], client.end)
    asked = Client(client.address, client.headers)
    asked.listen(after=client.last)
    assert (asked.lines, asked.end) == ([], client.end)


def test_a_whole_log_as_text_has_the_digest_of_the_report(served: Served) -> None:
    (served.scratch / "gate").touch()
    served.eventually(lambda: "talks" in served.runs()[0].ended)
    whole = b""
    for step in served.runs()[0].ended["talks"].steps:
        query = {"format": "text", "step": str(step.log + 1)}
        answer = httpx.get(
            door(served, "talks"), params=query, headers=token(served), trust_env=False
        )
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert hashlib.sha256(answer.content).hexdigest() == step.digest
        whole += answer.content
    assert b"late\n" in whole
    assert b"200\n" in whole
    all_of_it = httpx.get(
        door(served, "talks"), params={"format": "text"}, headers=token(served), trust_env=False
    )
    assert all_of_it.content == whole


def test_fifty_thousand_lines_reach_one_client_while_another_takes_nothing(served: Served) -> None:
    host, port = served.address.removeprefix("http://").split(":")
    path = door(served, "big").removeprefix(served.address)
    with socket.create_connection((host, int(port))) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        auth = token(served)["authorization"]
        slow.sendall(
            f"GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: {auth}\r\n\r\n".encode()
        )
        client = Client(door(served, "big"), token(served))
        client.listen()
        said = [x["text"] for x in client.lines]
        assert said[-MANY:] == [str(n) for n in range(1, MANY + 1)]
        numbers = [x["number"] for x in client.lines if x["step"] == client.lines[-1]["step"]]
        assert numbers[-MANY:] == list(range(numbers[-1] - MANY + 1, numbers[-1] + 1))
        slow.settimeout(20)
        got = b""
        while b"event: end" not in got[-400:]:
            chunk = slow.recv(1 << 20)
            assert chunk, got[-400:]
            got += chunk
        assert got.count(b"event: line") == len(client.lines)


def test_what_is_there_without_waiting(served: Served) -> None:
    served.eventually(
        lambda: b"held\n" in logs.tail(served.home / "runs" / served.runs()[0].spec.id / "held", 0)
    )
    client = Client(door(served, "held"), token(served))
    client.listen(follow="false")
    assert client.lines[-1]["text"] == "held"
    assert client.end is not None
    assert client.end["outcome"] == "running"


@pytest.mark.parametrize(
    ("run", "job", "query", "status", "code"),
    [
        ("run_0", "talks", "", 404, "unknown-run"),
        ("RUN", "nosuch", "", 404, "unknown-job"),
        ("RUN", "talks", "?step=nosuch", 404, "unknown-step"),
        ("RUN", "talks", "?step=%C2%B2", 404, "unknown-step"),
        ("RUN", "talks", "?after=1-1-x", 400, "bad-position"),
        ("RUN", "talks", "?format=xml", 400, "bad-query"),
        ("RUN", "talks", "?follow=perhaps", 400, "bad-query"),
        ("%2e%2e", "talks", "", 404, "bad-name"),
        ("RUN", "%2e%2e", "", 404, "unknown-job"),
        ("RUN", ".tries", "", 404, "unknown-job"),
        ("RUN", "talks%00", "", 404, "unknown-job"),
        ("run_%0a", "talks", "", 404, "bad-name"),
    ],
)
def test_what_is_not_there_and_what_is_hostile(
    served: Served, run: str, job: str, query: str, status: int, code: str
) -> None:
    host, port = served.address.removeprefix("http://").split(":")
    named = run.replace("RUN", served.runs()[0].spec.id)
    # by hand, because clients tidy paths up
    with socket.create_connection((host, int(port)), timeout=10) as link:
        link.sendall(
            f"GET /api/v1/runs/{named}/jobs/{job}/logs{query} HTTP/1.1\r\nhost: {host}\r\n"
            f"authorization: {token(served)['authorization']}\r\nconnection: close\r\n\r\n".encode()
        )
        answer = b"".join(iter(lambda: link.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status, answer
    assert json.loads(body)["code"] == code


@pytest.mark.parametrize("path", ["../../token", "..%2f..%2ftoken", "x/../../../token"])
def test_a_path_that_leads_elsewhere_gives_nothing_of_it(served: Served, path: str) -> None:
    answer = httpx.get(door(served, path), headers=token(served), trust_env=False)
    assert answer.status_code in {401, 404}
    assert token(served)["authorization"][7:] not in answer.text


def test_without_the_token_there_is_nothing(served: Served) -> None:
    wrong = ({}, {"authorization": "Bearer x"}, {"authorization": "Basic Ong="})
    for headers in wrong:
        for named in ("talks", "nosuch"):
            answer = httpx.get(door(served, named), headers=headers, trust_env=False)
            assert (answer.status_code, answer.json()["code"]) == (401, "token")
    good = (served.home / "token").read_text()
    answer = httpx.get(
        door(served, "big"), params={"follow": "false"}, auth=("any", good), trust_env=False
    )
    assert answer.status_code == 200
    head = httpx.head(door(served, "held"), headers=token(served), trust_env=False, timeout=5)
    assert (head.status_code, head.content) == (200, b"")


def test_a_job_that_is_tried_again_is_followed_through_its_tries(served: Served) -> None:
    here = served.scratch
    line = (
        f"echo now; while [ ! -e {here}/gate3 ]; do sleep 0.02; done; echo then; "
        f"test -e {here}/once || {{ touch {here}/once; exit 1; }}"
    )
    spec = replace(
        served.runs()[0].spec,
        id="run_again",
        workflow="ci.yml",
        texts={"ci.yml": workflow("push", job(line))},
        settings={"a": JobSettings(retry=Retry(2, 0.0))},
        served=False,
    )
    bench = workbench.bench(served.home, 1, reuse=False)
    pipeline.create(bench, spec)
    run = threading.Thread(target=pipeline.run, args=(bench, "run_again", FakeWatch()))
    run.start()
    try:
        served.eventually(lambda: pipeline.show(served.home, "run_again").orders)
        client = Client(f"{served.address}/api/v1/runs/run_again/jobs/a/logs", token(served))
        while "now" not in [x["text"] for x in client.lines]:
            client.listen(1)
    finally:
        (here / "gate3").touch()
    while client.end is None:
        client.listen(1)
    run.join()
    assert client.end["outcome"] == "success"
    assert [s["try"] for s in client.steps] == [1, 2]
    said = [x["text"] for x in client.lines if x["text"] in {"now", "then"}]
    assert said == ["now", "then"] * 2


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One element for each time that a piece of a log was asked for in this process."""
    seen: list[int] = []
    turn = run_logs._Following.turn

    def counted(self: Any) -> Any:
        seen.append(1)
        return turn(self)

    monkeypatch.setattr(run_logs._Following, "turn", counted)
    return seen


def test_silence_is_broken_by_comments_and_a_gone_client_is_forgotten(
    served: Served, turns: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_logs, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(run_logs, "LOOK_SECONDS", 0.05)
    with serving(app(served.headway, "t")) as address:
        with httpx.stream(
            "GET", door(served, "held", address), headers={"authorization": "Bearer t"},
            trust_env=False, timeout=10,
        ) as answer:  # fmt: skip
            rows = answer.iter_lines()
            comments = 0
            while comments < 2:
                comments += next(rows) == ":"
        served.eventually(lambda: not _grows(turns), 10)


def _grows(turns: list[int]) -> bool:
    before = len(turns)
    time.sleep(5 * run_logs.LOOK_SECONDS)
    return len(turns) > before


def test_nothing_is_read_ahead_of_a_slow_client_and_a_server_that_ends_lets_it_go(
    served: Served, turns: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_logs, "LEAVE_SECONDS", 0.1)
    application = app(served.headway, "t")
    path = door(served, "big", "http://x").removeprefix("http://x")
    scope = {
        "type": "http", "method": "GET", "path": path, "query_string": b"", "root_path": "",
        "headers": [(b"host", b"localhost"), (b"authorization", b"Bearer t")], "client": None,
        "server": None, "scheme": "http", "http_version": "1.1",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
    }  # fmt: skip
    bodies: list[bytes] = []

    async def send(message: Any) -> None:
        bodies.append(message.get("body", b""))
        if len(turns) == 2:
            stuck.append(time.monotonic())
            await asyncio.sleep(3600)

    async def receive() -> Any:
        await asyncio.sleep(3600)

    stuck: list[float] = []
    application.state.leaving = lambda: bool(stuck) and time.monotonic() > stuck[0] + 0.3
    asyncio.run(asyncio.wait_for(application(scope, receive, send), 20))
    assert (len(stuck), len(turns)) == (1, 2)
    assert 0 < sum(map(len, bodies)) < 2**21


def test_the_server_ends_although_somebody_follows_and_another_takes_nothing(
    served: Served,
) -> None:
    host, port = served.address.removeprefix("http://").split(":")
    auth = token(served)["authorization"]
    client = Client(door(served, "held"), token(served))
    client.listen(follow="false")
    assert client.lines
    links = []
    for name in ("held", "big"):
        path = door(served, name).removeprefix(served.address)
        link = socket.create_connection((host, int(port)), timeout=20)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        head = f"GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: {auth}\r\n\r\n"
        link.sendall(head.encode())
        links.append(link)
    got = b""
    while b'"held"' not in got:
        got += links[0].recv(65536)
    began = time.monotonic()
    served.down(signal.SIGTERM)
    assert time.monotonic() - began < 15
    assert b"event: end" not in got + links[0].recv(65536)
    for link in links:
        link.close()
    assert "held" not in served.runs()[0].ended
    # positions hold at any other server of the home
    with serving(app(served.headway, "t")) as address:
        other = Client(door(served, "held", address), {"authorization": "Bearer t"}, client.last)
        other.listen(follow="false")
    assert (other.lines, other.end) == ([], client.end)
