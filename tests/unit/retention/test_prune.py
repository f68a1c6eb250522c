"""What is old goes, what is needed stays, and a kill in between leaves nothing half."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from headway.adapters.oci.artifact_store import OciLayout
from headway.flows import pipeline
from headway.flows.build import content_folder
from headway.model.artifact import Envelope, Signature
from headway.model.errors import Drifted, HeadwayError, Invalid
from headway.model.event import Fact
from headway.retention.round import DAY, Ask, Pruned, prune
from headway.retention.settings import Kept, read
from headway.store import database, log, records, tables
from headway.store.database import Tx, lock
from headway.store.keeping import keeping
from headway.store.log import About

NOW = 1_800_000_000.0
OLD = NOW - 200 * DAY
KEPT = Kept(releases=2)
SIGNED = Signature("key", b"sig")

CHILD = """\
import os, signal, sys
from pathlib import Path
from tests.unit.retention.test_prune import Home, NOW
home, at = Home(Path(sys.argv[1])), int(sys.argv[2])
left = at
def hit(event, args):
    global left
    if event in ("os.remove", "os.rename", "os.rmdir") and str(sys.argv[1]) in str(args):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hit)
home.prune()
"""


class Home:
    """A home whose releases are old."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        url = f"sqlite:///{folder / 'headway.db'}"
        database.prepare(url)
        self.db = database.connect(url)
        self.store = OciLayout(folder / "artifacts")

    @contextmanager
    def tx(self, now: float = NOW) -> Iterator[Tx]:
        with self.db.begin() as connection:
            lock(connection)
            yield Tx(connection, now)

    def prune(self, *, dry_run: bool = False, **kept: int) -> Pruned:
        ask = Ask(self.folder, self.tx, replace(KEPT, **kept), "ana", NOW)
        return prune(ask, dry_run=dry_run)

    def release(self, number: int, *, at: float = OLD, state: str = "done") -> str:
        """Pack an artifact, sign it, unpack it, record its release; gives the digest."""
        work = self.folder / "work" / str(number)
        work.mkdir(parents=True)
        (work / "app").write_text(f"version {number}")
        digest = self.store.pack(str(work), {}).digest
        self.store.attach(digest, Envelope("application/vnd.in-toto+json", b"{}", (SIGNED,)))
        self.store.unpack(digest, str(content_folder(self.folder, digest)))
        name = f"shop-{number}"
        row = {c.name: "" for c in tables.releases.columns}
        row |= {"name": name, "service": "shop", "number": number, "digest": digest}
        delivery = {c.name: "" for c in tables.deliveries.columns}
        delivery |= {"id": f"del_{number}", "state": state, "requested_at": at, "finished_at": at}
        with self.tx(at) as tx:
            released = {"delivery": f"del_{number}", "created_at": at}
            tx.connection.execute(tables.releases.insert().values(**(row | released)))
            gone = {"digest": digest, "release": name}
            tx.connection.execute(tables.deliveries.insert().values(**(delivery | gone)))
            about = About(f"del_{number}", "shop", "production", name)
            log.append(tx, about, Fact("release.released", f"rol_{number}", 0, {}))
        return digest

    def charge(self, number: int) -> None:
        with self.tx() as tx:
            place = records.place(tx.connection, "shop", "production")
            records.put_place(tx, records.changed(place, stable=f"shop-{number}"))

    def age(self) -> None:
        for path in [*self.folder.rglob("*"), self.folder]:
            os.utime(path, (OLD, OLD), follow_symlinks=False)

    def there(self) -> set[str]:
        return {one.artifact.digest for one in self.store.list()}

    def events(self) -> list[dict[str, object]]:
        with self.db.connect() as connection:
            found = log.after(connection, 0, kind="installation.pruned")
            return [e.data for e in found]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "h")


def test_only_what_nothing_needs_goes(home: Home) -> None:
    digests = {n: home.release(n, state="building" if n == 3 else "done") for n in range(1, 9)}
    fresh = home.release(9, at=NOW - DAY)
    home.charge(5)
    with home.tx(NOW - DAY) as tx:  # somebody approved 2 yesterday: evidence
        about = About("del_2", "shop", "production", "shop-2")
        log.append(tx, about, Fact("approval.decided", "shop-2", 0, {}))
    home.age()
    seen = home.prune(dry_run=True)
    assert home.there() == {*digests.values(), fresh}
    assert home.events() == []
    # in charge: 5; the last two released: 9, 8; newest two: 9, 8; open: 3; spoken of: 2
    stay = {digests[n] for n in (2, 3, 5, 8)} | {fresh}
    done = home.prune()
    assert done == seen
    assert done.artifacts == done.unpacked == 4
    assert home.there() == stay
    for digest in stay:
        home.store.verify(digest)
        assert len(home.store.attached(digest)) == 1
        assert content_folder(home.folder, digest).is_dir()
    for digest in set(digests.values()) - stay:
        assert not content_folder(home.folder, digest).exists()
        with pytest.raises(Invalid, match="missing"):
            home.store.verify(digest)
    assert [e["artifacts"] for e in home.events()] == [4]
    assert home.prune().nothing
    assert len(home.events()) == 1


def test_what_is_young_stays(home: Home) -> None:
    home.release(1)
    for number in (2, 3, 4):
        home.release(number)
    now = time.time()
    ask = Ask(home.folder, home.tx, KEPT.within(1), "ana", now)
    assert prune(ask, dry_run=False).artifacts == 0
    assert len(home.there()) == 4


def test_rows_of_what_ended_long_ago_go(home: Home) -> None:
    with home.tx() as tx:
        for name, ended in (("old", OLD - 300 * DAY), ("new", NOW - DAY), ("open", 0.0)):
            row: dict[str, object] = {c.name: "" for c in tables.rollouts.columns}
            row |= {"id": name, "started_at": OLD, "finished_at": ended}
            tx.connection.execute(tables.rollouts.insert().values(**row))
            window = {"rollout": name, "index": 1, "window": "{}", "finding": "{}"}
            tx.connection.execute(tables.windows.insert().values(**window))
        for number, state in enumerate(("sent", "dead", "waiting")):
            row = {c.name: "" for c in tables.alert_messages.columns if c.name != "seq"}
            row |= {"key": str(number), "state": state, "created_at": OLD, "attempts": 0}
            tx.connection.execute(
                tables.alert_messages.insert().values(**(row | {"next_at": 0, "sent_at": 0}))
            )
    done = home.prune()
    assert (done.windows, done.messages) == (1, 2)
    with home.db.connect() as connection:
        left = set(connection.execute(sa.select(tables.windows.c.rollout)).scalars())
        waiting = connection.execute(sa.select(tables.alert_messages.c.state)).scalars().all()
        kept = connection.execute(sa.select(sa.func.count()).select_from(tables.rollouts)).scalar()
    assert (left, waiting, kept) == ({"new", "open"}, ["waiting"], 3)


def test_runs_that_ended_go_with_what_they_left(home: Home) -> None:
    runs = home.folder / "runs"
    for name in ("del_1-production-journeys", "del_7-production-journeys", "orphan"):
        (runs / name / "job").mkdir(parents=True)
        (runs / name / "job" / "big").write_bytes(b"x" * 1000)
    (runs / "broken").mkdir()
    (runs / "broken" / "log.jsonl").write_text("no log\nat all\n")
    home.release(7, state="building")
    home.age()
    done = home.prune()
    assert (done.runs, done.run_bytes) == (2, 2000)
    assert {p.name for p in runs.glob("[!.]*")} == {"del_7-production-journeys", "broken"}
    assert list((runs / ".trash").iterdir()) == []
    with pytest.raises(HeadwayError):
        pipeline.show(home.folder, "broken")


@pytest.mark.parametrize("at", [1, 4, 9, 14])
def test_a_kill_in_between_leaves_nothing_half(home: Home, at: int) -> None:
    digests = [home.release(n) for n in range(1, 7)]
    home.charge(6)
    (home.folder / "runs" / "orphan").mkdir(parents=True)
    (home.folder / "runs" / "orphan" / "log").write_text("x")
    home.age()
    child = [sys.executable, "-c", CHILD, str(home.folder), str(at)]
    root = Path(__file__).parents[3]
    killed = subprocess.run(
        child, cwd=root, capture_output=True, text=True, check=False, timeout=60
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    for digest in home.there():
        home.store.verify(digest)
    home.prune()
    assert home.there() == set(digests[4:])
    for digest in digests[4:]:
        home.store.verify(digest)
        assert len(home.store.attached(digest)) == 1
    blobs = {p.name for p in (home.folder / "artifacts" / "blobs" / "sha256").iterdir()}
    assert not blobs & {d.removeprefix("sha256:") for d in digests[:4]}
    assert not (home.folder / "runs" / "orphan").exists()
    assert home.events()


def test_nothing_goes_while_a_backup_is_made(home: Home) -> None:
    with keeping(home.folder, alone=False), pytest.raises(Drifted):
        home.prune()


@pytest.mark.parametrize(
    "text",
    [
        "runs_day: 3",
        "runs_days: 0",
        "runs_days: true",
        "releases: 1",
        "- 1",
        "a: [",
        "runs_days: x",
    ],
)
def test_a_file_that_cannot_be_read_prunes_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "retention.yaml").write_text(text)
    with pytest.raises(Invalid) as refused:
        read(tmp_path)
    assert refused.value.code == "retention"


def test_settings_have_defaults(tmp_path: Path) -> None:
    assert read(tmp_path) == Kept()
    (tmp_path / "retention.yaml").write_text("# all as it is\n")
    assert read(tmp_path) == Kept()
    (tmp_path / "retention.yaml").write_text("runs_days: 7\nreleases: 5\n")
    assert read(tmp_path) == Kept(runs_days=7, releases=5)
    assert Kept().within(3).messages_days == 3
