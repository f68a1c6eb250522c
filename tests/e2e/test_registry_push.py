"""What is pushed to a real registry starts its delivery: told by it, or found by asking it."""

import json
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
from tests.support.other_ci import BUILDERS, OtherCi
from tests.support.registry import NOTIFY, Registry, free_port, registry
from tests.support.stage import Stage, config, eventually

from headway.flows import handover_push, trigger_work
from headway.flows.trigger_work import Desk
from headway.model.connection import Connection
from headway.model.delivery import Delivery
from headway.store import connections, polls, records, triggers
from headway.store.views import lists
from headway.store.views.paging import Filter

YAML = config(more=BUILDERS, staging=False)
SECRET = "a token that only the registry knows"


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as made:
        yield made


@pytest.fixture
def ci(stage: Stage) -> OtherCi:
    made = OtherCi(stage.base / "ci")
    made.trusted_by(stage.home)
    return made


def made(stage: Stage, ci: OtherCi, images: Registry, *, signed: bool = True) -> str:
    """A commit in the hosted repository and what the other CI built of it; gives the digest."""
    sha = stage.commit(YAML)
    stage.git("push", "--quiet", str(stage.headway.host("shop")), "main:refs/heads/elsewhere")
    files = {"app.py": (stage.repo / "app.py").read_bytes(), "ci.txt": sha.encode()}
    digest = images.push("team/shop", ci.tar(files, zipped=True), gzipped=True)
    if signed:
        images.attest("team/shop", digest, ci.sign(digest, sha))
    return digest


def delivered(stage: Stage) -> list[Delivery]:
    """Every delivery so far, the oldest first."""
    with stage.headway.reading() as connection:
        rows = lists.list_deliveries(connection, Filter())
        return [records.delivery(connection, d.id) for d in reversed(rows)]


def known_as(url: str, **options: str) -> Connection:
    meant = {"service": "shop", "repository": "team/shop", "tags": "v*"}
    return Connection("images", "registry", url, meant | options)


@pytest.mark.seed("S-006")
def test_a_push_to_the_registry_is_told_and_delivered_once(stage: Stage, ci: OtherCi) -> None:
    port = free_port()
    connections.put(stage.home, known_as(f"http://127.0.0.1:{port}", secret=SECRET))
    with stage.server():
        address = json.loads((stage.home / "server.json").read_text())["address"]
        hook = f"{address}/hooks/registry/images"
        with registry(NOTIFY.format(url=hook, token=SECRET), port) as images:
            digest = made(stage, ci, images)
            images.name("team/shop", digest, "v1")
            eventually(lambda: bool(delivered(stage)), lambda: str(seen(stage)), 60)
            done = stage.ended(delivered(stage)[0].id)
            assert (done.outcome, done.digest) == ("delivered", digest), done.because
            assert done.by == "registry/images"

            images.name("team/shop", digest, "v1.0")
            images.name("team/shop", digest, "latest")
            said = {"events": [{"id": "x", "action": "push", "target": {}}]}
            wrong = httpx.post(hook, json=said, headers={"authorization": "Bearer no"})
            assert wrong.status_code == 401
            eventually(lambda: "v1.0" in str(seen(stage)), lambda: str(seen(stage)), 60)
            assert len(delivered(stage)) == 1

            other = made(stage, ci, images)
            images.name("team/shop", other, "v1")
            eventually(lambda: len(delivered(stage)) == 2, lambda: str(seen(stage)), 60)
            assert stage.ended(delivered(stage)[1].id).digest == other
            (moved,) = stage.events(kind="artifact.tag_moved")
            assert moved.data == {"tag": "v1", "from": digest, "to": other}


def seen(stage: Stage) -> list[str]:
    with stage.headway.reading() as connection:
        return [f"{t.state}: {t.because}" for t in triggers.newest(connection)]


class Asking:
    """The server's rounds, one by one."""

    def __init__(self, stage: Stage, connection: Connection) -> None:
        self.stage, self.connection = stage, connection
        headway = stage.headway
        connections.put(stage.home, connection)
        self.desk = Desk(
            headway.world, headway.tx, headway.reading, lambda _name: self.connection, print
        )

    def poll(self) -> str:
        """Ask the registry as if it were time, then work on what it told."""
        headway = self.stage.headway
        with headway.tx() as tx:
            known = polls.get(tx.connection, "images", self.connection.url)
            polls.put(tx, replace(known, next_at=0.0))
        said = handover_push.poll(headway.tx, headway.reading, headway.world, self.connection)
        trigger_work.work(self.desk)
        return said


@pytest.mark.seed("S-006")
def test_a_registry_that_is_asked(stage: Stage, ci: OtherCi) -> None:
    with stage.engine(), registry() as images:
        asking = Asking(stage, known_as(images.url, every="10"))
        images.name("team/shop", made(stage, ci, images), "v0")
        assert asking.poll() == ""
        assert delivered(stage) == []  # what was there before is no news

        digest = made(stage, ci, images, signed=False)
        images.name("team/shop", digest, "v1")
        asking.poll()
        assert delivered(stage) == []
        assert "nothing is signed about" in seen(stage)[0]

        good = made(stage, ci, images)
        images.name("team/shop", good, "v2")
        images.name("team/shop", good, "nightly")
        asking.poll()
        asking.poll()
        (asked,) = delivered(stage)
        assert asked.subject == "team/shop:v2"
        assert stage.ended(asked.id).outcome == "delivered"
        told = stage.run("connection", "test", "images")
        assert "3 of 6 tags of team/shop are meant" in told.output
    assert "does not answer" in asking.poll()
    assert asking.poll() == ""
    assert len(delivered(stage)) == 1
