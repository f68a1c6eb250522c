"""Contracts of consumers: recorded per version, and which versions are in an environment.

A version is what the consumer's build calls itself: a commit, a release's name or an artifact's
digest. Of a consumer that Headway delivers, the environment's releases tell which are there; of
others somebody says so. Called by flows/contracts and cli/contract.
"""

import hashlib
from dataclasses import dataclass

import sqlalchemy as sa

from headway.contract.interaction import Contract
from headway.model.errors import Drifted
from headway.model.event import Fact
from headway.store import records
from headway.store.contract_tables import contracts, present, texts
from headway.store.database import Tx
from headway.store.log import About, append
from headway.store.tables import places

SHORTEST = 7
"""Least characters by which a recorded commit is known, as git writes them."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One version's contract with one provider. `at`: Unix seconds."""

    consumer: str
    version: str
    provider: str
    digest: str
    interactions: int
    by: str
    at: float


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose contract it is, and who publishes it."""

    consumer: str
    version: str
    by: str


def publish(tx: Tx, contract: Contract, content: bytes, origin: Origin) -> bool:
    """Record it; False if that version's contract is there already and the same.

    Raises Drifted (`contract-changed`): a version's contract never changes.
    """
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    known = {(r.consumer, r.version): r.digest for r in listed(tx.connection, contract.provider)}
    before = known.get((origin.consumer, origin.version))
    if before == digest:
        return False
    if before is not None:
        raise Drifted(
            f"{origin.consumer} {origin.version} has published another contract with "
            f"{contract.provider}",
            why=f"{before[:19]} is recorded, this is {digest[:19]}",
            next="publish it under a version of its own",
            code="contract-changed",
        )
    if (
        tx.connection.execute(sa.select(texts.c.digest).where(texts.c.digest == digest)).first()
        is None
    ):
        tx.connection.execute(texts.insert().values(digest=digest, content=content))
    row = {
        "consumer": origin.consumer,
        "version": origin.version,
        "provider": contract.provider,
        "digest": digest,
        "interactions": len(contract.interactions),
        "by": origin.by,
        "at": tx.now,
    }
    tx.connection.execute(contracts.insert().values(**row))
    about = About(service=contract.provider)
    subject = f"{origin.consumer}@{origin.version}/{contract.provider}"
    append(tx, about, Fact("contract.published", subject, 0, {k: row[k] for k in row if k != "at"}))
    return True


def listed(connection: sa.Connection, provider: str = "", consumer: str = "") -> list[Recorded]:
    """What is recorded, newest first; of one provider or consumer if it is named."""
    t = contracts
    query = sa.select(
        t.c.consumer, t.c.version, t.c.provider, t.c.digest, t.c.interactions, t.c.by, t.c.at
    ).order_by(t.c.id.desc())
    if provider:
        query = query.where(t.c.provider == provider)
    if consumer:
        query = query.where(t.c.consumer == consumer)
    return [Recorded(*row) for row in connection.execute(query)]


def text(connection: sa.Connection, digest: str) -> bytes:
    """A contract's file as it was published. Raises KeyError."""
    found = connection.execute(sa.select(texts.c.content).where(texts.c.digest == digest)).scalar()
    if found is None:
        raise KeyError(digest)
    return bytes(found)


def say_present(tx: Tx, origin: Origin, environment: str) -> None:
    """A version of a consumer that Headway does not deliver is in the environment now."""
    say_gone(tx, origin, environment)
    tx.connection.execute(
        present.insert().values(
            consumer=origin.consumer,
            environment=environment,
            version=origin.version,
            by=origin.by,
            at=tx.now,
        )
    )


def say_gone(tx: Tx, origin: Origin, environment: str) -> int:
    """It is there no longer; gives how many rows said that it was."""
    t = present
    return tx.connection.execute(
        t.delete().where(
            t.c.consumer == origin.consumer,
            t.c.environment == environment,
            t.c.version == origin.version,
        )
    ).rowcount


def deployed(
    connection: sa.Connection, provider: str, environment: str
) -> tuple[list[Recorded], list[str]]:
    """Contracts of consumer versions that are in the environment now; and, in words, consumers that
    are there in a version of which nothing is recorded.
    """
    found: list[Recorded] = []
    unknown: list[str] = []
    recorded = listed(connection, provider)
    for consumer in sorted({r.consumer for r in recorded}):
        of_it = [r for r in recorded if r.consumer == consumer]
        for names in _here(connection, consumer, environment):
            mine = next((r for r in of_it if _is(r.version, names)), None)
            if mine is None:
                unknown.append(f"{consumer} {names[0]}")
            elif mine not in found:
                found.append(mine)
    return found, unknown


def _here(connection: sa.Connection, consumer: str, environment: str) -> list[tuple[str, ...]]:
    """What each version that is there may be called."""
    t = present
    said = connection.execute(
        sa.select(t.c.version).where(t.c.consumer == consumer, t.c.environment == environment)
    ).scalars()
    found: list[tuple[str, ...]] = [(version,) for version in said]
    row = connection.execute(
        sa.select(places.c.stable, places.c.candidate).where(
            places.c.service == consumer, places.c.environment == environment
        )
    ).first()
    for name in row or ():
        if name:
            release = records.release(connection, name)
            found.append((release.name, release.sha, release.digest))
    return found


def _is(version: str, names: tuple[str, ...]) -> bool:
    short = len(version) >= SHORTEST and len(names) > 1 and names[1].startswith(version)
    return version in names or short
