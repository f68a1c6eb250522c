"""A backup of a server under load becomes the same home elsewhere, which acts at a word."""

import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.conftest import end_all
from tests.support.postgres import postgres
from tests.support.stage import CANARY, Stage, clear, config, eventually

from headway.backup.make import make
from headway.backup.restore import Wish, restore
from headway.backup.sealing import Identity, Recipient
from headway.backup.verify import verify
from headway.flows import commands
from headway.flows.adopt import JUMP, adopt
from headway.flows.journal import prepare
from headway.model.delivery import Delivery
from headway.model.errors import Refused
from headway.store import database, log, records
from headway.store.place import Place, locate
from headway.wiring import Headway


def digest(url: str, seq: int) -> str:
    engine = database.connect(url)
    try:
        with engine.connect() as connection:
            return log.digest(connection, seq)
    finally:
        engine.dispose()


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder whose path is short; what runs below it is ended after."""
    base = Path(tempfile.mkdtemp(prefix="hwb"))
    yield base
    for home in (one for one in base.iterdir() if one.is_dir()):
        clear(home)
        end_all(home)
    shutil.rmtree(base, ignore_errors=True)


def artifacts(place: Place) -> dict[str, str]:
    """Releases with their digests, each checked with its signature, as a deploy does."""
    headway = Headway(place)
    try:
        with headway.reading() as connection:
            rows = connection.execute(sa.text("SELECT name, digest FROM headway_release")).all()
        world = headway.world
        for _, found in rows:
            world.artifacts.verify(found)
            for envelope in world.artifacts.attached(found):
                assert world.signer.verify(envelope)
            return dict(tuple(r) for r in rows)
    finally:
        headway.db.dispose()


def test_backups_under_load_are_whole_and_a_copy_is_held(elsewhere: Path) -> None:
    with Stage() as stage:
        with stage.server():
            shop = stage.headway.host("shop")
            first = stage.commit()
            stage.git("push", "-q", str(shop), "main")
            stage.happened("delivery.finished")
            place = locate(str(stage.home), {})
            made = []
            with stage.load(60) as load:
                for number in range(3):
                    stage.commit()
                    stage.git("push", "-q", str(shop), "main")
                    stage.happened("delivery.requested")
                    made.append(make(place, elsewhere / f"{number}.backup", None))
            assert load.tally().failed == 0
        for one in made:
            assert stat.S_IMODE(one.file.stat().st_mode) == 0o600
            seen = verify(one.file, None)
            assert seen.absent == ()
            assert seen.log.digest == digest(place.database, seen.log.seq)
        assert made[0].manifest.log.seq < made[2].manifest.log.seq
        done = stage.cli("backup", "verify", str(made[2].file))
        assert done.returncode == 0, done.stderr
        copy = elsewhere / "h"
        back = stage.cli("restore", str(made[2].file), "--home", str(copy))
        assert back.returncode == 0, back.stderr
        there = locate(str(copy), {})
        assert digest(there.database, made[2].manifest.log.seq) == made[2].manifest.log.digest
        copied, live = artifacts(there), artifacts(place)
        assert copied == {name: live[name] for name in copied}
        assert "shop-1" in copied
        pushed = subprocess.run(
            ["git", "-C", str(copy / "git" / "shop.git"), "log", "--format=%H", "main"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        assert first in pushed
        with pytest.raises(Refused) as held, Headway(there).engine():
            pass
        assert held.value.code == "held"
        assert not (copy / "instances").exists()


def keypair(folder: Path) -> tuple[Path, Path]:
    private, public = folder / "key.pem", folder / "key.pub"
    run = ["openssl", "genpkey", "-algorithm", "X25519", "-out", str(private)]
    subprocess.run(run, check=True, capture_output=True)
    run = ["openssl", "pkey", "-in", str(private), "-pubout", "-out", str(public)]
    subprocess.run(run, check=True, capture_output=True)
    return private, public


@pytest.mark.soak
def test_a_copy_made_amid_a_canary_acts_only_once_adopted(elsewhere: Path) -> None:
    private, public = keypair(elsewhere)
    with Stage() as stage, postgres() as url:
        place = locate(str(stage.home), {})
        with stage.engine():
            assert stage.deliver(stage.commit(config(CANARY))).outcome == "delivered"
            candidate = stage.request(stage.commit(config(CANARY)))
            stage.happened("rollout.shifted", delivery=candidate)
            made = make(place, elsewhere / "mid.backup", Recipient(public))
        with pytest.raises(Refused, match="cannot be opened"):
            verify(made.file, None)
        copy = Place(elsewhere / "h", url)
        done = restore(Wish(made.file, copy, Identity(private), prepare, "ana"))
        assert done.manifest == made.manifest
        assert digest(url, made.manifest.log.seq) == made.manifest.log.digest
        headway = Headway(copy)
        with pytest.raises(Refused, match="held"), headway.engine():
            pass
        with headway.reading() as connection:
            assert records.delivery(connection, candidate).state != "done"
        ended = adopt(headway.tx, headway.outbox, "ana", "the old disk is broken")
        assert ended.deliveries == 1
        with headway.reading() as connection:
            gone = records.delivery(connection, candidate)
            now = records.place(connection, "shop", "production")
        assert (gone.state, gone.outcome) == ("done", "cancelled")
        assert now.generation >= JUMP
        assert (now.stable, now.holder, now.candidate) == ("shop-1", "", "")
        back = make(copy, elsewhere / "back.backup", None)  # of Postgres, into a file
        third = restore(Wish(back.file, locate(str(elsewhere / "t"), {}), None, prepare, "ana"))
        assert digest(f"sqlite:///{third.home / 'headway.db'}", back.manifest.log.seq) == (
            back.manifest.log.digest
        )
        with headway.engine():
            eventually(lambda: shares(headway) == {"shop-1": 1.0}, lambda: str(shares(headway)))
            again = request(stage, headway)
            eventually(lambda: delivery(headway, again).state == "done", lambda: again, 90)
        assert delivery(headway, again).outcome == "delivered", delivery(headway, again)
        assert delivery(headway, again).release == "shop-3"
        headway.outbox.close()
        headway.db.dispose()


def shares(headway: Headway) -> dict[str, float]:
    routed = headway.world.router.observe("shop", "production")
    return {} if routed is None else {r: s for r, s in routed.shares.items() if s}


def delivery(headway: Headway, id: str) -> Delivery:
    with headway.reading() as connection:
        return records.delivery(connection, id)


def request(stage: Stage, headway: Headway) -> str:
    sha = stage.commit()
    commit = headway.world.source.commit(str(stage.repo), sha)
    with headway.tx() as tx:
        return commands.request(tx, headway.outbox, commands.Request("shop", commit, "ana"))
