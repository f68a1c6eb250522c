"""How the installation itself does: looks that `headway doctor` and /health/ready share.

Each look only reads, and says no secret. Times are Unix seconds.
"""

import shutil
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from headway.record import dataclass
from headway.store import access_tables, installation
from headway.store.place import Place
from headway.store.samples import location
from headway.store.tables import deliveries, events, workers

LEAST_BYTES, FULL_BYTES = 1 << 30, 256 << 20
BEAT_SECONDS = 30.0
AHEAD_SECONDS = 10.0
STUCK_SECONDS = 86_400.0
BACKUP_SECONDS = 7 * 86_400.0
SOON_SECONDS = 7 * 86_400.0
OURS = ("token", "results.key", "headway.db", "metrics.db")


@dataclass(frozen=True, slots=True)
class Look:
    """One thing looked at. `outcome`: ok, warning or failed; `fix`: the next command."""

    name: str
    outcome: str
    found: str
    fix: str = ""


def disk(place: Place) -> Look:
    """Free space against need: 1 GiB, and twice the databases, which a backup spools and a restore
    writes.
    """
    folder = place.home
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    files = [f for f in (place.home / "headway.db", place.home / "metrics.db") if f.exists()]
    need = LEAST_BYTES + 2 * sum(f.stat().st_size for f in files)
    found = f"{free / (1 << 30):.1f} GiB free in {folder}, {need / (1 << 30):.1f} GiB wanted"
    outcome = "ok" if free >= need else "warning" if free >= FULL_BYTES else "failed"
    return Look("disk", outcome, found, "headway prune --dry-run, or --home on another disk")


def owners_only(home: Path) -> Look:
    """Nobody but the owner may read keys, tokens, connections and the database."""
    named = [home / name for name in OURS]
    found = [*named, *(home / "keys").glob("*"), *(home / "connections").glob("*")]
    open_ones = [f for f in found if f.is_file() and f.stat().st_mode & 0o077]
    secret = [f for f in open_ones if f.suffix != ".pub"]
    if home.exists() and home.stat().st_mode & 0o077 == 0:
        return Look("secrets", "ok", "behind a home that only its owner may enter")
    if not secret:
        return Look("secrets", "ok", "only their owner may read them")
    first = secret[0].relative_to(home)
    return Look("secrets", "failed", f"{first} is open to others", f"chmod 700 {home}")


def integrity(place: Place) -> Look:
    """SQLite looks through its files; on Postgres that is the server's own work."""
    name = "database integrity"
    if place.file is None:
        return Look(name, "ok", "Postgres looks after its own pages")
    samples = Path(location(place.home, place.database).removeprefix("sqlite:///"))
    for file in (place.file, samples):
        if not file.exists():
            continue
        try:
            with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as read:
                said = str(read.execute("PRAGMA quick_check(1)").fetchone()[0])
        except sqlite3.DatabaseError as error:
            said = str(error)
        if said != "ok":
            fix = "stop the server; headway restore FILE --home NEW_DIR"
            return Look(name, "failed", f"{file.name}: {said[:200]}", fix)
    return Look(name, "ok", "every page can be read")


def log_is_whole(connection: sa.Connection) -> Look:
    """The event log has no gap."""
    asked = sa.select(sa.func.count(), sa.func.max(events.c.seq)).select_from(events)
    count, last = connection.execute(asked).one()
    if count != (last or 0):
        found = f"{(last or 0) - count} of {last} events are missing"
        return Look("event log", "failed", found, "headway restore FILE --home NEW_DIR")
    return Look("event log", "ok", f"{count} events, no gap")


def clock(connection: sa.Connection, now: float) -> Look:
    """This machine's clock beside the database's, and beside what was written before."""
    ahead = (connection.execute(sa.select(sa.func.max(events.c.at))).scalar() or 0.0) - now
    if connection.dialect.name == "postgresql":
        asked = sa.text("SELECT extract(epoch FROM clock_timestamp())")
        ahead = max(ahead, abs(float(connection.execute(asked).scalar_one()) - now))
    if ahead > AHEAD_SECONDS:
        return Look("clock", "warning", f"it is off by {ahead:.0f} s", "timedatectl set-ntp true")
    return Look("clock", "ok", "agrees with what was written")


def engine(connection: sa.Connection, now: float, executor: str) -> Look:
    """Whether the process that runs deliveries shows that it lives; "": none runs here."""
    if not executor:
        return Look("engine", "ok", "no server runs for this home", "headway server")
    asked = sa.select(workers.c.beat_at).where(workers.c.executor == executor)
    beat = connection.execute(asked).scalar()
    if beat is None or now - beat > BEAT_SECONDS:
        since = "never" if beat is None else f"{now - beat:.0f} s ago"
        fix = "headway server status; end it and start it again"
        return Look("engine", "failed", f"its last sign of life: {since}", fix)
    return Look("engine", "ok", "alive")


def held(connection: sa.Connection) -> Look:
    """Whether this installation may act."""
    if installation.get(connection, "moving") is not None:
        return Look("installation", "failed", "the database is half moved",
                    "headway db move --to URL, from the old database")  # fmt: skip
    if installation.get(connection, "held") is not None:
        return Look("installation", "warning", "restored from a backup, and held",
                    "headway restore --adopt, once the old one is gone")  # fmt: skip
    return Look("installation", "ok", "may act")


def stuck(connection: sa.Connection, now: float) -> Look:
    """Deliveries that are open, wait for nobody, and have told nothing for a day."""
    d, e = deliveries, events
    last = sa.select(sa.func.max(e.c.at)).where(e.c.delivery == d.c.id).scalar_subquery()
    asked = sa.select(d.c.id).where(
        d.c.state.not_in(("done", "waiting", "held")), last < now - STUCK_SECONDS
    )
    found = list(connection.execute(asked.order_by(d.c.id)).scalars())
    if found:
        said = f"{len(found)} deliveries have told nothing for a day: {found[0]}"
        return Look("deliveries", "warning", said, f"headway delivery show {found[0]}")
    return Look("deliveries", "ok", "none is stuck")


def tokens(connection: sa.Connection, now: float) -> Look:
    """Tokens that somebody still has and that have run out, or soon do."""
    t = access_tables.tokens
    mine = (t.c.revoked_at == 0, t.c.expires_at > 0)
    asked = sa.select(t.c.name).where(*mine, t.c.expires_at < now + SOON_SECONDS)
    found = list(connection.execute(asked.where(t.c.used_at > now - 30 * 86_400)).scalars())
    if found:
        said = f"{len(found)} tokens that were used lately have run out or do within a week"
        return Look("tokens", "warning", said, "headway token list")
    return Look("tokens", "ok", "none that is used runs out soon")


def backup(connection: sa.Connection, now: float) -> Look:
    """How old the last backup is."""
    fix = "headway backup DIR"
    asked = sa.select(sa.func.max(events.c.at)).where(events.c.kind == "installation.copied")
    at = connection.execute(asked).scalar()
    some = connection.execute(sa.select(deliveries.c.id).limit(1)).first()
    if at is None:
        outcome = "warning" if some else "ok"
        return Look("backup", outcome, "none was ever made", fix)
    days = (now - at) / 86_400
    outcome = "ok" if now - at < BACKUP_SECONDS else "warning"
    return Look("backup", outcome, f"the last one is {days:.0f} days old", fix)


def port(home: Path, number: int, *, runs: bool) -> Look:
    """Whether a server could listen where it does by default; one that runs does already."""
    if runs or (home / "server.json").exists():
        return Look("port", "ok", "a server of this home listens")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            said = f"somebody else listens at 127.0.0.1:{number}"
            return Look("port", "warning", said, "headway server --port 0")
    return Look("port", "ok", f"127.0.0.1:{number} is free")


ROWS: tuple[Callable[[sa.Connection, float], Look], ...] = (
    lambda connection, _: held(connection),
    lambda connection, _: log_is_whole(connection),
    clock,
    stuck,
    tokens,
    backup,
)
