"""Which commits lie ready for workers, each as a blob. Used by flows/pool_source.

Commits of one repository form chains: each pack holds what its `base` lacks.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from headway.store.database import Tx
from headway.store.pool_tables import sources

KEPT_SECONDS = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Source:
    """One commit. `depth`: how many packs lie below it; `meta`: its SourceNotes as JSON."""

    repo: str
    sha: str
    base: str
    depth: int
    digest: str
    meta: str


def get(connection: sa.Connection, repo: str, sha: str) -> Source | None:
    """The commit, if it lies ready."""
    asked = sa.select(sources).where(sources.c.repo == repo, sources.c.sha == sha)
    row = connection.execute(asked).first()
    return _source(row) if row else None


def newest(connection: sa.Connection, repo: str) -> Source | None:
    """The commit of the repository that was used last."""
    asked = sa.select(sources).where(sources.c.repo == repo)
    row = connection.execute(asked.order_by(sources.c.used_at.desc()).limit(1)).first()
    return _source(row) if row else None


def put(tx: Tx, source: Source) -> None:
    """The commit lies ready; what was said of it before is replaced."""
    mine = (sources.c.repo == source.repo, sources.c.sha == source.sha)
    tx.connection.execute(sources.delete().where(*mine))
    tx.connection.execute(
        sources.insert().values(
            repo=source.repo,
            sha=source.sha,
            base=source.base,
            depth=source.depth,
            digest=source.digest,
            meta=source.meta,
            used_at=tx.now,
        )
    )


def used(tx: Tx, repo: str, sha: str) -> None:
    """It is used now."""
    mine = (sources.c.repo == repo, sources.c.sha == sha)
    tx.connection.execute(sources.update().where(*mine).values(used_at=tx.now))


def digests(connection: sa.Connection) -> set[str]:
    """The blobs that are packs of commits."""
    return set(connection.execute(sa.select(sources.c.digest)).scalars())


def forget(tx: Tx) -> None:
    """Drop what was not used for long and nothing builds on; called often enough, whole chains."""
    below = sources.alias()
    builds = sa.exists().where(below.c.repo == sources.c.repo, below.c.base == sources.c.sha)
    old = sources.c.used_at < tx.now - KEPT_SECONDS
    tx.connection.execute(sources.delete().where(old, ~builds))


def _source(row: sa.Row[tuple[object, ...]]) -> Source:
    found = row._mapping
    return Source(**{name: found[name] for name in Source.__slots__})
