"""Commits through the database: the server lays them ready, workers put them together again.

A pack holds what the pack below it lacks; after DEPTH packs a whole one is made. A worker keeps one
store of objects for each repository, so that it fetches what is new only. Called by flows/pool_away
and flows/pool_task.
"""

import hashlib
import threading
from pathlib import Path

import msgspec
import sqlalchemy as sa

from headway import typed
from headway.model.errors import Failed
from headway.ports.source_packs import SourceNotes, SourcePacks
from headway.store import pool_sources
from headway.store.pool_blobs import PoolBlobs
from headway.store.pool_place import tx
from headway.store.pool_sources import Source

DEPTH = 50


class Sources:
    """Commits that lie ready in one database. `packs` makes and takes them."""

    def __init__(self, engine: sa.Engine, blobs: PoolBlobs, packs: SourcePacks) -> None:
        self._engine, self._blobs, self._packs = engine, blobs, packs
        self._lock = threading.Lock()

    def ready(self, name: str, repo: str, sha: str) -> None:
        """Lay the commit of the repository `repo` on this machine ready under `name`.

        Raises Invalid (no such commit), Failed.
        """
        with self._lock:
            with self._engine.connect() as connection:
                known = pool_sources.get(connection, name, sha)
                newest = pool_sources.newest(connection, name)
            if known is None or not self._whole(known):
                self._lay(name, (repo, sha), newest)

    def fetch(self, name: str, sha: str, folder: Path) -> str:
        """A repository on this machine with that commit and its history, below `folder`.

        Raises Failed (`no-source`, `git-failed`).
        """
        store = str(folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.git")
        with self._lock:
            wanted = source = self._get(name, sha)
            missing = []
            while not self._packs.has(store, source.sha):
                missing.append(source)
                if not source.base:
                    break
                source = self._get(name, source.base)
            for each in reversed(missing):
                with self._blobs.open(each.digest) as pack:
                    self._packs.take(store, each.sha, pack)
            return self._packs.show(store, sha, typed.loads(wanted.meta, SourceNotes))

    def _get(self, name: str, sha: str) -> Source:
        with self._engine.connect() as connection:
            found = pool_sources.get(connection, name, sha)
        if found is None:
            raise Failed(f"commit {sha[:12]} does not lie ready for workers", code="no-source")
        return found

    def _whole(self, source: Source) -> bool:
        """Whether every pack of the chain is there; all count as used now."""
        each: Source | None = source
        while each is not None and self._blobs.has(each.digest):
            with tx(self._engine) as one:
                pool_sources.used(one, each.repo, each.sha)
                if not each.base:
                    return True
                each = pool_sources.get(one.connection, each.repo, each.base)
        return False

    def _lay(self, name: str, where: tuple[str, str], newest: Source | None) -> None:
        repo, sha = where
        fits = (
            newest is not None
            and newest.depth < DEPTH
            and newest.sha != sha
            and self._packs.has(repo, newest.sha)
            and self._whole(newest)
        )
        base = newest if fits else None
        pack, notes = self._packs.pack(repo, sha, base.sha if base else "")
        with pack:
            digest = self._blobs.put(pack)
        made = Source(
            repo=name,
            sha=sha,
            base=base.sha if base else "",
            depth=base.depth + 1 if base else 0,
            digest=digest,
            meta=msgspec.json.encode(notes).decode(),
        )
        with tx(self._engine) as one:
            pool_sources.put(one, made)
