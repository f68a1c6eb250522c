"""Webhooks over the wire: real server, real database, real repository; runs are collected."""

import base64
import hashlib
import hmac
import json
import logging
import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.fakes.job_runner import FakeWatch
from tests.support.forges import SHA, TOKEN, forge
from tests.support.serving import serving
from tests.support.triggering import Repository, workflow
from tests.unit.pipeline_trigger import forge_payloads as sent

from headway.api import webhook
from headway.api.app import app
from headway.flows import pipeline, trigger_status
from headway.model.connection import Connection
from headway.pipeline.run.state import RunSpec, RunState
from headway.pipeline.trigger.hooks import KINDS
from headway.store import connections, triggers
from headway.store.triggers import Started
from headway.wiring import Headway, locate
from headway.workbench import bench

SECRET = "hook-S3CRET-0123456789"
KIND_NAMES = tuple(kind for kind in KINDS if kind != "cdevents")
FORGES = ("github", "gitlab", "gitea", "forgejo")
EVENTS = {"github": "push", "gitea": "push", "forgejo": "push", "gitlab": "Push Hook"}


@dataclass
class Server:
    """A running server whose hooks are named after their kinds."""

    headway: Headway
    address: str
    started: list[RunSpec] = field(default_factory=list)

    def post(
        self, kind: str, body: bytes, headers: dict[str, str], name: str = ""
    ) -> httpx.Response:
        url = f"{self.address}/hooks/{kind}/{name or kind}"
        return httpx.post(url, content=body, headers=headers, timeout=60, trust_env=False)

    def tell(self, kind: str, payload: object, **more: str) -> httpx.Response:
        body = sent.raw(payload)
        return self.post(kind, body, headers(kind, body, **more))

    def seen(self) -> list[triggers.Seen]:
        with self.headway.reading() as connection:
            return triggers.newest(connection, 1000)


def headers(
    kind: str, body: bytes, event: str = "", delivery: str = "d-1", secret: str = SECRET
) -> dict[str, str]:
    """What the sender would send."""
    known = KINDS[kind]
    proof = secret if known.plain else hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    found = {"content-type": "application/json", known.signatures[0]: f"{known.prefix}{proof}"}
    if known.event:
        found[known.event] = event or EVENTS[kind]
        found[known.deliveries[0]] = delivery
    return found


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "shop")


@contextmanager
def running(home: Path, repo: str) -> Iterator[Server]:
    headway = Headway(locate(home, {}))
    for kind in KIND_NAMES:
        connections.put(headway.home, Connection(kind, kind, repo, {"secret": SECRET}))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(webhook, "BURST", 10_000)
        with serving(app(headway, "t")) as address:
            yield Server(headway, address)


@pytest.fixture
def server(tmp_path: Path, repo: Repository) -> Iterator[Server]:
    with running(tmp_path / "home", str(repo.folder)) as made:
        yield made


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests after which nothing was stored."""
    with running(tmp_path_factory.mktemp("closed"), "/nowhere") as made:
        yield made
        assert made.seen() == []


def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def push_to(kind: str, repo: Repository, sha: str, **more: Any) -> dict[str, Any]:
    if kind == "gitlab":
        return sent.gitlab_push(after=sha, checkout_sha=sha, before=sent.ZERO, **more)
    return sent.push(after=sha, before=sent.ZERO, head_commit={"id": sha, "message": "x"}, **more)


@pytest.mark.parametrize("kind", FORGES)
def test_a_push_at_a_forge_starts_its_workflow(server: Server, repo: Repository, kind: str) -> None:
    sha = repo.workflow("  push:")
    with server.headway.triggers(server.started.append):
        answer = server.tell(kind, push_to(kind, repo, sha))
        assert answer.status_code == 202
        assert answer.json()["status"] == "accepted"
        eventually(lambda: server.started)
        again = server.tell(kind, push_to(kind, repo, sha))
        assert (again.status_code, again.json()["status"]) == (200, "known")
        eventually(lambda: server.seen()[0].state == "started")
    (run,) = server.started
    assert (run.sha, run.event, run.ref) == (sha, "push", "refs/heads/main")
    assert run.payload["repository"]["default_branch"] == "main"
    (seen,) = server.seen()
    assert seen.runs == (run.id,)


def test_an_artifact_pushed_to_a_registry_starts_its_workflow(
    server: Server, repo: Repository
) -> None:
    sha = repo.workflow("  registry_package:\n    types: [published]")
    with server.headway.triggers(server.started.append):
        answer = server.tell("registry", sent.registry(sent.manifest(), sent.manifest(id="e-2")))
        assert (answer.status_code, len(answer.json()["triggers"])) == (202, 2)
        assert server.tell("registry", sent.registry()).json()["status"] == "known"
        eventually(lambda: len(server.started) == 2)
    run = server.started[0]
    assert (run.sha, run.event) == (sha, "registry_package")
    assert run.payload["registry_package"]["package_version"]["version"] == "sha256:" + "c" * 64


def test_a_forks_pull_request_runs_by_the_bases_rules_without_secrets(
    server: Server, repo: Repository
) -> None:
    repo.workflow("  pull_request:", "check")
    repo.git("checkout", "-q", "-b", "topic")
    head = repo.workflow("  pull_request:", "thief")
    repo.git("checkout", "-q", "main")
    payload = sent.pull_request(head={"id": 2, "full_name": "eve/shop"})
    payload["pull_request"]["head"]["sha"] = head
    with server.headway.triggers(server.started.append):
        assert server.tell("github", payload, event="pull_request").status_code == 202
        eventually(lambda: server.seen()[0].state == "started")
    assert [(s.workflow, s.sha, s.trusted) for s in server.started] == [
        (".github/workflows/check.yml", head, False)
    ]


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_who_cannot_prove_it_gets_one_answer_whatever_is_wrong(closed: Server, kind: str) -> None:
    body = sent.raw(sent.push())
    good = headers(kind, body, event="push")
    signature = KINDS[kind].signatures[0]
    nobody = Connection("open", kind, "/x", {})
    connections.put(closed.headway.home, nobody)
    other = "gitlab" if kind != "gitlab" else "github"
    answers = [
        closed.post(kind, body, headers(kind, body, event="push", secret="wrong")),
        closed.post(kind, body + b" ", good) if not KINDS[kind].plain else None,
        closed.post(kind, body, {k: v for k, v in good.items() if k != signature}),
        closed.post(kind, body, good | {signature: ""}),
        closed.post(kind, body, good | {signature: good[signature][:-1]}),
        closed.post(kind, body, good, name="nobody"),
        closed.post(kind, body, good, name="...x"),
        closed.post(kind, body, headers(kind, body, event="push", secret="nobody"), name="open"),
        closed.post(kind, body, good, name=other),
        closed.post(kind, b"not json", headers(kind, b"x", event="push")) if not KINDS[kind].plain
        else None,
    ]  # fmt: skip
    found = {(a.status_code, a.text) for a in answers if a is not None}
    assert len(found) == 1
    assert found.pop()[0] == 401
    assert closed.seen() == []


def test_no_secret_is_in_any_log_or_answer(
    server: Server, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    with caplog.at_level(logging.DEBUG):
        body = sent.raw(sent.push())
        texts = [
            server.post("github", body, headers("github", body, secret="wr0ng-secret")).text,
            server.post("gitlab", body, headers("gitlab", body, secret="wr0ng-secret")).text,
            server.tell("github", sent.push()).text,
            server.tell("gitlab", {"x": 1}).text,
        ]
    logs = [p.read_text() for p in (server.headway.home / "log").glob("*")]
    whole = caplog.text + "".join(texts + logs)
    assert SECRET not in whole
    assert "wr0ng-secret" not in whole
    assert "wrong signature" in caplog.text
    (row,) = server.seen()
    assert SECRET not in repr(row)
    mode = (server.headway.home / "connections/github.json").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    database = (server.headway.home / "headway.db").read_bytes()
    assert SECRET.encode() not in database


def test_a_replay_under_another_id_is_known(server: Server) -> None:
    """The signature does not cover the id: the body does."""
    assert server.tell("github", sent.push(), delivery="d-1").status_code == 202
    answer = server.tell("github", sent.push(), delivery="d-2")
    assert (answer.status_code, answer.json()["status"]) == (200, "known")
    assert server.tell("github", sent.push(extra=1), delivery="d-3").status_code == 202
    dispatch = sent.push(action="go")
    for delivery in ("d-4", "d-5"):
        told = server.tell("github", dispatch, event="repository_dispatch", delivery=delivery)
        assert told.status_code == 202
    again = server.tell("github", dispatch, event="repository_dispatch", delivery="d-5")
    assert again.json()["status"] == "known"
    assert len(server.seen()) == 4


def test_an_old_signed_delivery_of_gitlab_is_refused(server: Server, repo: Repository) -> None:
    key = b"0123456789abcdef0123456789abcdef"
    secret = "whsec_" + base64.b64encode(key).decode()
    connections.put(
        server.headway.home, Connection("signed", "gitlab", str(repo.folder), {"secret": secret})
    )
    body = sent.raw(sent.gitlab_push())

    def post(stamp: int, id: str) -> int:
        signed = f"{id}.{stamp}.".encode() + body
        proof = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        given = {"webhook-id": id, "webhook-timestamp": str(stamp), "x-gitlab-event": "Push Hook"}
        told = given | {"webhook-signature": f"v1,{proof}", "content-type": "application/json"}
        return server.post("gitlab", body, told, name="signed").status_code

    now = int(time.time())
    assert post(now - 1000, "a") == 401
    assert post(now, "a") == 202
    assert post(now, "a") == 200


def test_the_same_delivery_from_many_at_once_is_one(server: Server) -> None:
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda _: server.tell("github", sent.push()).status_code, range(16)))
    assert sorted(codes) == [200] * 15 + [202]
    assert len(server.seen()) == 1


@pytest.mark.parametrize(
    ("body", "more", "status"),
    [
        (b"", {}, 400),
        (b"{", {}, 400),
        (b"\xff\xfe", {}, 400),
        (b"[]", {}, 400),
        (b'"x"', {}, 400),
        (b'{"ref": "main"}', {}, 202),
        (b"[" * 200_000, {}, 400),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, {}, 400),
        (b'{"ref": "\\ud800"}', {}, 400),
        (b"payload=%7B%7D", {"content-type": "application/x-www-form-urlencoded"}, 415),
        (b'{"zen": "x"}', {"x-github-event": "ping"}, 202),
        (b"{}", {"x-github-event": "\xff" * 3000}, 202),
    ],
)
def test_odd_bodies_have_a_reason(
    closed: Server, body: bytes, more: dict[str, str], status: int
) -> None:
    given = {k: v.encode("latin-1") for k, v in (headers("github", body) | more).items()}
    answer = closed.post("github", body, given)  # type: ignore[arg-type]
    assert answer.status_code == status
    assert len(answer.json()["because"]) > 10
    assert closed.seen() == []


def test_deep_or_odd_payloads_that_are_events_can_be_stored(server: Server) -> None:
    deep: Any = {}
    for _ in range(400):
        deep = {"x": [deep]}
    odd = {
        "deep": deep,
        "big": 2**63,
        "bigger": 2**80,
        "tiny": 1e-300,
        "nul": "\0",
        "text": "ü" * 999,
    }
    answer = server.tell("github", sent.push(extra=odd))
    assert answer.status_code in {202, 400}
    assert answer.json()
    with server.headway.reading() as connection:
        assert len(triggers.waiting(connection, time.time())) == (answer.status_code == 202)


def test_too_much_is_refused_before_it_is_read(server: Server) -> None:
    limit = 25 << 20
    big = json.dumps(sent.push(extra="x" * (limit - 2000))).encode()
    assert len(big) < limit
    assert server.post("github", big, headers("github", big)).status_code == 202
    assert _declared(server, limit + 1) == b"HTTP/1.1 413"
    with httpx.Client(timeout=60, trust_env=False) as client:

        def endless() -> Iterator[bytes]:
            for _ in range(26):
                yield b"x" * (1 << 20)

        try:
            answer = client.post(f"{server.address}/hooks/github/github", content=endless())
        except httpx.WriteError:
            return  # the server hung up first, which is as good
        assert answer.status_code == 413


def _declared(server: Server, length: int) -> bytes:
    """What is answered to a request that only says how much it would send."""
    url = httpx.URL(server.address)
    with socket.create_connection((url.host, url.port or 80), timeout=60) as wire:
        head = "POST /hooks/github/github HTTP/1.1\r\nHost: localhost\r\n"
        head += f"Content-Length: {length}\r\n\r\n"
        wire.sendall(head.encode())
        return wire.recv(100)[:12]


def test_other_addresses(closed: Server) -> None:
    body = sent.raw(sent.push())
    assert closed.post("bitbucket", body, {}, name="x").status_code == 404
    got = httpx.get(f"{closed.address}/hooks/github/github", trust_env=False)
    assert got.status_code in {404, 405}
    assert closed.post("github", body, {}, name="a/b").status_code == 404


def test_a_hook_is_for_its_own_repository(server: Server) -> None:
    url = "https://git.example.com/team/shop.git"
    connections.put(server.headway.home, Connection("far", "gitea", url, {"secret": SECRET}))
    body = sent.raw(sent.push(repository={**sent.REPOSITORY, "full_name": "team/other"}))
    answer = server.post("gitea", body, headers("gitea", body), name="far")
    assert (answer.status_code, answer.json()["status"]) == (202, "ignored")
    body = sent.raw(sent.push(repository={**sent.REPOSITORY, "full_name": "Team/Shop"}))
    assert server.post("gitea", body, headers("gitea", body), name="far").status_code == 202
    assert len(server.seen()) == 1


def test_too_many_are_told_to_come_again(
    tmp_path: Path, repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "BURST", 5)
    monkeypatch.setattr(webhook, "PER_SECOND", 0.001)
    headway = Headway(locate(tmp_path / "home", {}))
    connections.put(headway.home, Connection("github", "github", "/x", {"secret": SECRET}))
    with serving(app(headway, "t")) as address:
        server = Server(headway, address)
        strangers = [server.post("github", b"{}", {}, name=f"n{n}") for n in range(7)]
        assert [a.status_code for a in strangers] == [401] * 5 + [429] * 2
        assert int(strangers[-1].headers["retry-after"]) > 0
        # who guesses names does not keep the known ones out, and each has its own measure
        told = [server.tell("github", sent.push(n=n), delivery=str(n)) for n in range(7)]
        assert [a.status_code for a in told] == [202] * 5 + [429] * 2


def test_a_database_that_is_away_is_told_so_that_the_sender_comes_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.truncate(server.headway.home / "headway.db", 0)
    assert server.tell("github", sent.push()).status_code == 503


def test_what_comes_of_a_run_goes_back_to_the_forge(server: Server) -> None:
    with forge("gitea") as gitea:
        known = Connection(
            "far", "gitea", f"{gitea.url}/team/shop.git", {"secret": SECRET, "token": TOKEN}
        )
        connections.put(server.headway.home, known)
        with server.headway.tx() as tx:
            origin = Started("run_1", "t", "far", "team/shop", SHA, "ci.yml")
            triggers.link(tx, [origin])
            status: Any = (trigger_status.context("CI"), "success", "https://ci/run_1", "3 jobs")
            assert trigger_status.tell(tx, known, "run_1", status)
        with server.headway.triggers(server.started.append):
            eventually(lambda: gitea.shown)
        assert gitea.shown["team/shop", SHA, "headway / CI"]["state"] == "success"


def test_what_a_webhook_started_runs_to_its_end(server: Server, repo: Repository) -> None:
    """The whole way with the real runner: a fork's code by the base's workflow, without secrets."""
    jobs = (
        "jobs:\n  a:\n    runs-on: ubuntu-latest\n    timeout-minutes: 1\n    steps:\n"
        "      - uses: actions/checkout@v4\n"
        '      - run: echo "got=$(cat x) ${{ secrets.KEY }} $TITLE" >> "$GITHUB_OUTPUT"\n'
        "        id: o\n        env: {TITLE: '${{ github.event.pull_request.title }}'}\n"
        "    outputs: {got: '${{ steps.o.outputs.got }}'}\n"
    )
    text = workflow("  pull_request:", jobs)
    repo.commit(_dot_github__workflows__ci_dot_yml=text, x="base")
    repo.git("checkout", "-q", "-b", "topic")
    head = repo.commit(_dot_github__workflows__ci_dot_yml=workflow("  push:"), x="fork")
    repo.git("checkout", "-q", "main")
    payload = sent.pull_request(head={"id": 2, "full_name": "eve/shop"})
    payload["pull_request"]["head"]["sha"] = head
    payload["pull_request"]["title"] = "$(touch pwned) `id`"
    made = bench(server.headway.home, secrets={"KEY": "no-s3cret"})
    ended: list[RunState] = []

    def start(spec: RunSpec) -> None:
        pipeline.create(made, spec)
        ended.append(pipeline.run(made, spec.id, FakeWatch()))

    with server.headway.triggers(start):
        assert server.tell("github", payload, event="pull_request").status_code == 202
        eventually(lambda: server.seen()[0].state != "waiting")
    (run,) = ended
    assert run.phase == "success"
    assert [r.outputs for r in run.ended.values()] == [{"got": "fork  $(touch pwned) `id`"}]
    assert server.seen()[0].runs == (run.spec.id,)


NODE = os.environ.get("HEADWAY_NODE_MODULES", "")


@pytest.mark.skipif(not NODE, reason="HEADWAY_NODE_MODULES: with @octokit/webhooks-examples")
def test_every_real_payload_gets_an_answer_over_the_wire(server: Server) -> None:
    file = Path(NODE) / "@octokit/webhooks-examples/api.github.com/index.json"
    found: dict[str, int] = {}
    for one in json.loads(file.read_text()):
        for n, payload in enumerate(one["examples"]):
            told = server.tell("github", payload, event=one["name"], delivery=f"{one['name']}-{n}")
            assert told.status_code in {200, 202}, told.text
            found[told.json()["status"]] = found.get(told.json()["status"], 0) + 1
    assert sum(found.values()) >= 274
    assert found["accepted"] == len(server.seen()) >= 100
    wrong = server.post("github", b"{}", headers("github", b"{}", secret="wrong"))
    assert wrong.status_code == 401
