"""CDEvents of other systems over the wire: signed, each once, as triggers."""

import base64
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from standardwebhooks import Webhook
from tests.e2e.test_webhooks import Server, eventually, running
from tests.support.hooked import Hooked
from tests.support.triggering import Repository

from headway.cli.main import main
from headway.flows import webhooks
from headway.model.connection import Connection
from headway.model.errors import Invalid
from headway.store import connections

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
PUBLISHED = "dev.cdevents.artifact.published"
LISTENS = f"  repository_dispatch:\n    types: [{PUBLISHED}]"


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "shop")


@pytest.fixture
def server(tmp_path: Path, repo: Repository) -> Iterator[Server]:
    with running(tmp_path / "home", str(repo.folder)) as made:
        known = Connection("ci", "cdevents", str(repo.folder), {"secret": SECRET})
        connections.put(made.headway.home, known)
        yield made


def cdevent(type: str = f"{PUBLISHED}.0.3.0", id: str = "e-1", **context: str) -> dict[str, Any]:
    return {
        "context": {"specversion": "0.5.1", "id": id, "source": "/other/ci", "type": type,
                    "timestamp": "2026-11-01T10:00:00Z", **context},
        "subject": {"id": "pkg:oci/shop@sha256%3Aab", "content": {"user": "bot"}},
        "customData": {"more": 1},
    }  # fmt: skip


def cloud(event: dict[str, Any], **more: object) -> dict[str, Any]:
    context = event["context"]
    return {"specversion": "1.0", "id": context["id"], "source": context["source"],
            "type": context["type"], "data": event, **more}  # fmt: skip


def signed(body: bytes, id: str, secret: str = SECRET, at: float = 0.0) -> dict[str, str]:
    stamp = int(at or time.time())
    moment = datetime.fromtimestamp(stamp, UTC)
    proof = Webhook(secret).sign(id, moment, body.decode())
    return {"webhook-id": id, "webhook-timestamp": str(stamp), "webhook-signature": proof}


def tell(server: Server, payload: object, id: str = "m-1", **more: Any) -> tuple[int, str]:
    body = json.dumps(payload).encode()
    answer = server.post("cdevents", body, signed(body, id, **more), name="ci")
    return answer.status_code, answer.json()["status"]


def test_a_published_artifact_starts_what_listens_for_it_once(
    server: Server, repo: Repository
) -> None:
    sha = repo.workflow(LISTENS)
    repo.workflow("  repository_dispatch:\n    types: [other]", "other")
    with server.headway.triggers(server.started.append):
        assert tell(server, cdevent()) == (202, "accepted")
        assert tell(server, cdevent()) == (200, "known")
        assert tell(server, cdevent(), id="m-2") == (200, "known")
        assert tell(server, cloud(cdevent()), id="m-3") == (200, "known")
        assert tell(server, cloud(cdevent(id="e-2")), id="m-4") == (202, "accepted")
        eventually(lambda: len(server.started) == 2)
        eventually(lambda: {s.state for s in server.seen()} == {"started"})
    run = server.started[0]
    assert run.workflow.endswith("/ci.yml")
    assert run.event == "repository_dispatch"
    assert repo.git("merge-base", "--is-ancestor", sha, run.sha) == ""
    payload = run.payload["client_payload"]
    assert run.payload["action"] == PUBLISHED
    assert payload["type"] == f"{PUBLISHED}.0.3.0"
    assert payload["subject"]["id"] == "pkg:oci/shop@sha256%3Aab"
    assert payload["custom_data"] == {"more": 1}


@pytest.mark.parametrize("name", ["change.merged", "pipelinerun.finished"])
def test_what_else_is_heard(server: Server, name: str) -> None:
    assert tell(server, cdevent(f"dev.cdevents.{name}.0.4.0-draft")) == (202, "accepted")
    assert [s.name for s in server.seen()] == ["repository_dispatch"]


@pytest.mark.parametrize(
    "type", ["dev.cdevents.build.started.0.3.0", "dev.cdeventsx.acme-tool.ran.0.1.0"]
)
def test_what_is_not_heard_is_said_so(server: Server, type: str) -> None:
    assert tell(server, cdevent(type)) == (202, "ignored")
    assert server.seen() == []


def odd() -> list[object]:
    whole = cdevent()
    return [
        {}, [], "x", {"specversion": "1.0"}, cloud(whole, id="other"), cloud(whole, type="x"),
        {**whole, "context": {}}, {**whole, "subject": {}}, cdevent(id=""), cdevent(id="x" * 201),
        cdevent(id="a b"), cdevent("dev.cdevents.artifact.published"), cdevent(source=""),
    ]  # fmt: skip


def test_odd_ones_are_refused_with_a_reason(server: Server) -> None:
    for n, payload in enumerate(odd()):
        assert tell(server, payload, id=f"m-{n}") == (400, "refused"), payload
    assert server.seen() == []


def test_unsigned_old_and_foreign_ones_are_refused(server: Server) -> None:
    body = json.dumps(cdevent()).encode()
    good = signed(body, "m-1")
    plain = Connection("plain", "cdevents", "/x", {"secret": "no-whsec"})
    connections.put(server.headway.home, plain)
    answers = [
        server.post("cdevents", body, {}, name="ci"),
        server.post("cdevents", body + b" ", good, name="ci"),
        server.post("cdevents", body, good | {"webhook-id": "m-2"}, name="ci"),
        server.post("cdevents", body, good, name="nobody"),
        server.post("cdevents", body, good, name="github"),
        server.post("cdevents", body, {"authorization": "Bearer no-whsec"}, name="plain"),
        server.post("cdevents", body, {"x-hub-signature-256": "x"}, name="plain"),
        server.post("cdevents", body, signed(body, "m-1", at=time.time() - 400), name="ci"),
        server.post("cdevents", body, signed(body, "m-1", secret=SECRET[:-8] + "AAAA"), name="ci"),
    ]
    assert {(a.status_code, a.text) for a in answers} == {(401, answers[0].text)}
    assert server.seen() == []


def test_another_headway_s_webhook_is_heard(
    server: Server, repo: Repository, tmp_path: Path
) -> None:
    """Out as CDEvents here, in as CDEvents there, with the secret that `webhook add` showed."""
    repo.workflow(LISTENS)
    (tmp_path / "other").mkdir()
    home = Hooked(tmp_path / "other")
    made = home.add(f"{server.address}/hooks/cdevents/far", format="cdevents", events="release.*")
    far = Connection("far", "cdevents", str(repo.folder), {"secret": made.secret})
    connections.put(server.headway.home, far)
    home.happen("release.created", "release.quarantined")
    with server.headway.triggers(server.started.append):
        assert home.send() == 2
        with home.tx() as tx:
            webhooks.replay_since(tx, "chat", 0.0, "ana")
        assert home.send() == 2
        eventually(lambda: server.started)
        eventually(lambda: server.seen()[0].state == "started")
    assert [d.status for d in home.deliveries()] == [200, 202]
    assert len(server.started) == 1
    assert server.started[0].payload["client_payload"]["source"] == "urn:headway:home:h1"


def test_a_connection_for_cdevents_needs_a_signing_secret(tmp_path: Path) -> None:
    args = ["--home", str(tmp_path), "connection", "add", "ci", "--kind", "cdevents", "--url-stdin"]
    done = CliRunner().invoke(main, args, input="/repo\nsecret=abc\n")
    assert done.exit_code == Invalid.exit_code
    assert "whsec_" in done.output
    good = CliRunner().invoke(main, args, input=f"/repo\nsecret={SECRET}\n")
    assert good.exit_code == 0, good.output
