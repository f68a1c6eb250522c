"""Tests in quarantine: who put them there, who mends them, until when. Called by cli/test and
store/tests.py. Every change is an event, because it changes what may be delivered.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from headway.model.errors import Invalid
from headway.model.event import Fact
from headway.store.database import Tx
from headway.store.log import About, append
from headway.store.test_tables import quarantines, tests
from headway.testing.quarantine import Quarantine
from headway.testing.result import TestId
from headway.testing.tripwire import Episode


@dataclass(frozen=True, slots=True)
class Held:
    """A quarantine with its service."""

    service: str
    quarantine: Quarantine


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks for. `until`: Unix seconds."""

    owner: str
    by: str
    reason: str
    until: float


def put(tx: Tx, number: int, wish: Wish, told: Sequence[Episode]) -> Quarantine:
    """Put the test there, from now on; a former quarantine of it ends. `told`: its past."""
    _end(tx, number, wish.by, "put there again")
    bad = sum(e.failures > 0 for e in told)
    row = tx.connection.execute(
        quarantines.insert().values(
            test=number, owner=wish.owner, by=wish.by, reason=wish.reason, at=tx.now,
            until=wish.until, runs=len(told), bad=bad, ended_at=0.0, ended_by="", ended_reason="",
        )
    )  # fmt: skip
    generation: int = row.inserted_primary_key[0] if row.inserted_primary_key else 0
    service, test = _who(tx.connection, number)
    data: dict[str, object] = {
        "test": str(test), "owner": wish.owner, "by": wish.by, "reason": wish.reason,
        "until": wish.until, "runs": len(told), "failed": bad,
    }  # fmt: skip
    append(tx, About(service=service), Fact("test.quarantined", _subject(number), generation, data))
    return Quarantine(test, wish.owner, wish.by, wish.reason, tx.now, wish.until, len(told), bad)


def lift(tx: Tx, number: int, by: str, reason: str) -> None:
    """End it. Raises Invalid (`not-quarantined`)."""
    service, test = _who(tx.connection, number)
    generation = _end(tx, number, by, reason)
    if generation is None:
        raise Invalid(
            f"{test} is not in quarantine",
            next="headway test quarantine",
            code="not-quarantined",
        )
    data: dict[str, object] = {"test": str(test), "by": by, "reason": reason}
    append(
        tx, About(service=service), Fact("test.unquarantined", _subject(number), generation, data)
    )


def _end(tx: Tx, number: int, by: str, reason: str) -> int | None:
    """The number of the quarantine that ended; None if there was none."""
    open_ = (quarantines.c.test == number) & (quarantines.c.ended_at == 0)
    found = tx.connection.execute(sa.select(quarantines.c.id).where(open_)).scalar()
    ended = {"ended_at": tx.now, "ended_by": by, "ended_reason": reason}
    tx.connection.execute(quarantines.update().where(open_).values(ended))
    return found


def of(connection: sa.Connection, numbers: Mapping[int, TestId]) -> dict[int, Quarantine]:
    """The quarantines that nobody lifted, expired ones too, by the test's number."""
    rows = connection.execute(_open()).mappings()
    return {r["test"]: _quarantine(r) for r in rows if r["test"] in numbers}


def every(connection: sa.Connection, service: str) -> list[Held]:
    """Those that nobody lifted, of the service or of all (''); what ends first comes first."""
    query = _open() if not service else _open().where(tests.c.service == service)
    rows = connection.execute(query.order_by(quarantines.c.until)).mappings()
    return [Held(r["service"], _quarantine(r)) for r in rows]


def every_test() -> "sa.Select[tuple[int]]":
    """The numbers of all tests that ever were in quarantine, as a query."""
    return sa.select(quarantines.c.test)


def _open() -> "sa.Select[Any]":
    c = tests.c
    query = sa.select(quarantines, c.service, c.suite, c.classname, c.name)
    joined = quarantines.join(tests, c.id == quarantines.c.test)
    return query.select_from(joined).where(quarantines.c.ended_at == 0)


def _quarantine(row: "sa.RowMapping") -> Quarantine:
    kept: Iterable[str] = ("owner", "by", "reason", "at", "until", "runs", "bad")
    test = TestId(row["suite"], row["classname"], row["name"])
    return Quarantine(test, **{name: row[name] for name in kept})


def _who(connection: sa.Connection, number: int) -> tuple[str, TestId]:
    row = connection.execute(sa.select(tests).where(tests.c.id == number)).mappings().one()
    return row["service"], TestId(row["suite"], row["classname"], row["name"])


def _subject(number: int) -> str:
    return f"test_{number}"
