"""Copies a whole database into an empty one of either kind. Called by cli/db.py.

The source is only read. Each table is one transaction of the target, which reads it back before it
commits; a move that is killed goes on with the first table that is not done. Until all is there and
equal the target is marked (`moving`), and no Headway acts on it.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict

import sqlalchemy as sa

from headway.model.errors import Drifted, Failed, Refused
from headway.model.event import Fact
from headway.record import dataclass
from headway.store import database, installation, log, pool_tables, rows, rows_fill, tables
from headway.store.database import Tx
from headway.store.log import About
from headway.store.place import Place, shown
from headway.store.rows import Counted, Sum
from headway.store.rows_fill import Told

ROUNDS = 3
ALIVE_SECONDS = 30.0
NOTED = tables.installation.name

Prepare = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Moved:
    """What was copied, by table; `resumed`: tables that an earlier, cut-off move had done."""

    tables: dict[str, Counted]
    resumed: int
    seq: int
    digest: str


@dataclass(frozen=True, slots=True)
class Pair:
    """One table in both databases, and the columns that both have."""

    source: sa.Table
    target: sa.Table
    columns: tuple[str, ...]


class Side:
    """The databases of one place, opened; tables by name, each with its connections' maker."""

    def __init__(self, place: Place) -> None:
        self.engines: dict[str, sa.Engine] = {}
        self.tables: dict[str, sa.Table] = {}
        self._where: dict[str, sa.Engine] = {}
        for url, own in rows.databases(place).items():
            self.engines[url] = database.connect(url)
            with self.engines[url].connect() as connection:
                found = rows.found(connection, own)
            self.tables |= found
            self._where |= dict.fromkeys(found, self.engines[url])
        self.main = self.engines[place.database]

    def engine(self, table: str) -> sa.Engine:
        """Where the table is."""
        return self._where[table]

    def close(self) -> None:
        """Give the connections back."""
        for engine in self.engines.values():
            engine.dispose()


def move(source: Place, target: Place, prepare: Prepare, mine: str) -> Moved:
    """Copy, and compare by reading back. `prepare` makes the engine's tables at a URL; `mine`: the
    executor whose beat does not count. The caller holds the home's lock.

    Raises Refused (`not-empty`, `still-alive`, `cannot-keep`, `newer-schema`), Drifted (`changed`),
    Failed (`not-equal`), Unreachable.
    """
    for place in (source, target):
        for url, own in rows.databases(place).items():
            for each in own:
                database.prepare_for(url, each, "the database does not answer")
        prepare(place.database)
    with _sides(source, target) as (old, new):
        _quiet(old, mine)
        done = _begin(old, new, shown(source.database))
        resumed = len(done)
        paired = {name: _pair(name, old, new) for name in old.tables if name != NOTED}
        pairs = {name: pair for name, pair in paired.items() if pair is not None}
        for _ in range(ROUNDS):
            for name, pair in pairs.items():
                if name not in done:
                    done[name] = _copy(name, pair, old, new)
                    _note(new, done)
            changed = [name for name, pair in pairs.items() if not _equal(name, pair, old, new)]
            if not changed:
                return _finish(old, new, done, resumed)
            done = {name: held for name, held in done.items() if name not in changed}
    raise Drifted(
        "the database changes while it is copied",
        why=f"{changed[0]} was not twice the same",
        next="stop every process of Headway that uses it, and try again",
        code="changed",
    )


@contextmanager
def _sides(source: Place, target: Place) -> Iterator[tuple[Side, Side]]:
    with ExitStack() as stack:
        old, new = Side(source), Side(target)
        stack.callback(old.close)
        stack.callback(new.close)
        yield old, new


def _quiet(old: Side, mine: str) -> None:
    """Raises Refused (`still-alive`) if another process works with the source."""
    since = time.time() - ALIVE_SECONDS
    w, p = tables.workers, pool_tables.workers
    with old.main.connect() as connection:
        executors = sa.select(w.c.executor).where(w.c.beat_at > since, w.c.executor != mine)
        names = list(connection.execute(executors).scalars())
        beats = sa.select(p.c.id).where(p.c.beat_at > since)
        names += list(connection.execute(beats).scalars())
    if names:
        raise Refused(
            "another process works with this database",
            why=f"{names[0]} was alive in the last {ALIVE_SECONDS:.0f} s",
            next="stop every server and worker that uses it, and try again",
            code="still-alive",
        )


def _begin(old: Side, new: Side, named: str) -> dict[str, Counted]:
    """What an earlier move of the same source has done; none in an empty database."""
    with new.main.begin() as connection:
        database.lock(connection)
        marked = installation.get(connection, "moving")
        if marked is not None and marked["from"] == named:
            return {k: Counted(**v) for k, v in marked["done"].items()}
    for name, table in new.tables.items():
        with new.engine(name).connect() as connection:
            asked = sa.select(sa.literal(1)).select_from(table).limit(1)
            if not (_made(name) or connection.execute(asked).first() is None):
                raise Refused(
                    "the database to move to is not empty",
                    why=f"there are rows in {name}",
                    next="an empty database, or a file that is not there yet",
                    code="not-empty",
                )
    assert set(old.tables) - {NOTED}
    with new.main.begin() as connection:
        database.lock(connection)
        installation.put(connection, "moving", {"from": named, "done": {}})
    return {}


def _made(name: str) -> bool:
    """What is in these was made with the tables."""
    return name == NOTED or name in {"engine.application_versions", "engine.queues"}


def _note(new: Side, done: Mapping[str, Counted]) -> None:
    with new.main.begin() as connection:
        database.lock(connection)
        marked = installation.get(connection, "moving") or {}
        marked["done"] = {k: asdict(v) for k, v in done.items()}
        installation.put(connection, "moving", marked)


def _pair(name: str, old: Side, new: Side) -> Pair | None:
    """None: the engine has this table on one system only, and it is empty."""
    target = new.tables.get(name)
    source = old.tables[name]
    if target is None:
        with old.engine(name).connect() as connection:
            if connection.execute(sa.select(sa.func.count()).select_from(source)).scalar():
                raise Refused(f"the new database has no table {name}", code="cannot-keep")
        return None
    both = tuple(sorted(set(source.columns.keys()) & set(target.columns.keys())))
    return Pair(source, target, both)


def _copy(name: str, pair: Pair, old: Side, new: Side) -> Counted:
    """One transaction: empty the table, fill it, read it back."""
    total = Sum()
    with rows.snapshot(old.engine(name)) as reading, new.engine(name).begin() as writing:
        database.lock(writing)
        writing.execute(pair.target.delete())
        _nothing_else(name, pair, reading)

        def told() -> Iterator[bytes]:
            for line in rows.lines(reading, pair.source, pair.columns):
                total.add(line)
                yield line

        rows_fill.fill(writing, pair.target, Told(name, pair.columns, told()))
        back = rows.count(writing, pair.target, pair.columns)
        if back != total.counted():
            raise Failed(
                f"{name} reads otherwise than it was written",
                why=f"{total.rows} rows were written, {back.rows} are there, or they differ",
                next="headway doctor",
                code="not-equal",
            )
    return back


def _nothing_else(name: str, pair: Pair, reading: sa.Connection) -> None:
    """Columns that only the source has must be empty."""
    for column in pair.source.columns:
        if column.name not in pair.columns:
            asked = sa.select(sa.func.count()).where(column.is_not(None))
            if reading.execute(asked).scalar():
                raise Refused(f"{name}.{column.name} has no place there", code="cannot-keep")


def _equal(name: str, pair: Pair, old: Side, new: Side) -> bool:
    with old.engine(name).connect() as one, new.engine(name).connect() as other:
        first = rows.count(one, pair.source, pair.columns)
        return first == rows.count(other, pair.target, pair.columns)


def _finish(old: Side, new: Side, done: dict[str, Counted], resumed: int) -> Moved:
    """Both logs have one digest; what is noted of the installation goes along; the mark goes."""
    with old.main.connect() as one, new.main.begin() as other:
        database.lock(other)
        seq = log.last_seq(one)
        digest = log.digest(one, seq)
        if digest != log.digest(other, seq):
            raise Failed("the event logs differ", next="headway db move again", code="not-equal")
        for name in installation.CARRIED:
            noted = installation.get(one, name)
            if noted is not None:
                installation.put(other, name, noted)
        installation.forget(other, "moving")
        data: dict[str, object] = {"from": one.dialect.name, "to": other.dialect.name}
        fact = Fact("installation.moved", "installation", seq + 1, data | {"digest": digest})
        log.append(Tx(other, time.time()), About(), fact)
    return Moved(done, resumed, seq, digest)
