"""A BlobStore in the database: what jobs on different machines leave each other. Serves
ports/blob_store; used by the worker for its jobs and by the server that gives and takes.

Bytes are rows of at most CHUNK_BYTES, read and written one at a time. Chunks are written first,
under a name of their own; the blob is there when its one row is, so whole or not at all.
"""

import hashlib
import os
import tempfile
from collections.abc import Collection, Iterator
from typing import BinaryIO

import sqlalchemy as sa

from headway.model.errors import Failed, Invalid
from headway.pipeline.cache.eviction import CACHE_SCOPES, Kept, victims
from headway.ports.blob_store import BlobStore
from headway.store.database import Tx
from headway.store.pool_place import tx
from headway.store.pool_tables import blobs, chunks, names

CHUNK_BYTES = 1 << 20
CACHE_BYTES = 10 * 1024**3
GRACE_SECONDS = 3600.0
"""How long a blob that nothing means is kept: whoever put it may still be about to name it."""
_LONGEST = 2048
_LONGEST_SCOPE = 600


class PoolBlobs(BlobStore):
    """Any number of processes of any number of machines, with one database."""

    def __init__(self, engine: sa.Engine, cache_bytes: int = CACHE_BYTES) -> None:
        self._engine = engine
        self._cache_bytes = cache_bytes

    def put(self, source: BinaryIO) -> str:
        """Keep the bytes; gives their digest. Bytes that are there are not sent again.

        Raises Failed (`storage-full`) from the database's refusal; what reading raises goes
        through.
        """
        known = self._known(source)
        if known:
            return known
        part, hashed, size, number = os.urandom(16).hex(), hashlib.sha256(), 0, 0
        try:
            while data := _chunk(source):
                hashed.update(data)
                with tx(self._engine) as one:
                    row = {"part": part, "number": number, "data": data, "at": one.now}
                    one.connection.execute(chunks.insert().values(row))
                size, number = size + len(data), number + 1
            return self._publish(part, f"sha256:{hashed.hexdigest()}", size)
        except BaseException as error:
            self._drop([part])
            if isinstance(error, sa.exc.OperationalError) and "full" in str(error.orig):
                raise Failed("the database is full", code="storage-full") from error
            raise

    def open(self, digest: str) -> BinaryIO:
        """The bytes in a file that nobody else has, checked before it is given."""
        with tx(self._engine) as one:
            found = one.connection.execute(sa.select(blobs).where(blobs.c.digest == digest)).first()
            if found is None:
                raise _no_blob(digest)
            _used(one, digest)
        file = tempfile.TemporaryFile()  # noqa: SIM115  the caller closes it
        try:
            hashed = hashlib.sha256()
            for data in self._read(found.part):
                hashed.update(data)
                file.write(data)
            if f"sha256:{hashed.hexdigest()}" != digest:
                self._forget(digest)
                raise Failed(f"the blob {digest} is damaged", code="damaged")
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file

    def has(self, digest: str) -> bool:
        """Whether the bytes are here; they are for a while then."""
        with tx(self._engine) as one:
            return _used(one, digest)

    def point(self, scope: str, name: str, digest: str) -> bool:
        """As the port says. Raises Invalid (`no-blob`, `bad-name`)."""
        row_id = _id(scope, name)
        with tx(self._engine) as one:
            if not _used(one, digest):
                raise _no_blob(digest)
            there = one.connection.execute(
                sa.select(names.c.digest).where(names.c.id == row_id)
            ).scalar()
            if there is not None and _size(one, there) is not None:
                return False
            one.connection.execute(names.delete().where(names.c.id == row_id))
            made = _insert_name(one, row_id, (scope, name), digest)
        if made and scope.startswith(CACHE_SCOPES):
            self._evict()
        return made

    def pointed(self, scope: str, prefix: str) -> Iterator[tuple[str, str, float]]:
        """As the port says."""
        asked = (
            sa.select(names.c.name, names.c.digest, names.c.at)
            .join(blobs, blobs.c.digest == names.c.digest)
            .where(names.c.scope == _bytes(scope))
            .order_by(names.c.at.desc(), names.c.name)
        )
        with self._engine.connect() as connection:
            found = list(connection.execute(asked))
        begins = _bytes(prefix)
        for row in found:
            if row.name.startswith(begins):
                yield row.name.decode("utf-8", "surrogatepass"), row.digest, row.at

    def forget_scope(self, scope: str) -> None:
        """Names of the scope mean nothing any longer."""
        with tx(self._engine) as one:
            one.connection.execute(names.delete().where(names.c.scope == _bytes(scope)))

    def scopes(self, prefix: str) -> list[str]:
        """Every scope that begins so."""
        with self._engine.connect() as connection:
            found = connection.execute(sa.select(names.c.scope).distinct()).scalars().all()
        texts = (raw.decode("utf-8", "surrogatepass") for raw in found)
        return sorted(text for text in texts if text.startswith(prefix))

    def collect(self, kept: Collection[str]) -> int:
        """Drop blobs that no name means, that are not among `kept`, and that nobody used for
        GRACE_SECONDS; gives how many.
        """
        with tx(self._engine) as one:
            old = blobs.c.used_at < one.now - GRACE_SECONDS
            free = blobs.c.digest.not_in(sa.select(names.c.digest))
            found = one.connection.execute(sa.select(blobs.c.digest, blobs.c.part).where(old, free))
            gone = [row for row in found if row.digest not in kept]
            digests = [row.digest for row in gone]
            one.connection.execute(blobs.delete().where(blobs.c.digest.in_(digests), old))
            lost = chunks.c.at < one.now - 24 * GRACE_SECONDS
            used = sa.select(blobs.c.part)
            one.connection.execute(chunks.delete().where(lost, chunks.c.part.not_in(used)))
        self._drop([row.part for row in gone])
        return len(gone)

    def _known(self, source: BinaryIO) -> str:
        """The digest, if these bytes are here and can be read twice."""
        if not source.seekable():
            return ""
        start = source.tell()
        digest = f"sha256:{_hash(source)}"
        source.seek(start)
        return digest if self.has(digest) else ""

    def _publish(self, part: str, digest: str, size: int) -> str:
        try:
            with tx(self._engine) as one:
                row = {"digest": digest, "part": part, "size": size, "used_at": one.now}
                one.connection.execute(blobs.insert().values(row))
        except sa.exc.IntegrityError:  # somebody put the same bytes meanwhile
            self._drop([part])
        return digest

    def _read(self, part: str) -> Iterator[bytes]:
        number = 0
        asked = sa.select(chunks.c.data).where(chunks.c.part == part)
        while True:
            with self._engine.connect() as connection:
                data = connection.execute(asked.where(chunks.c.number == number)).scalar()
            if data is None:
                return
            yield data
            number += 1

    def _forget(self, digest: str) -> None:
        """Out of the way, so that the same bytes can be put again."""
        with tx(self._engine) as one:
            one.connection.execute(blobs.delete().where(blobs.c.digest == digest))

    def _drop(self, parts: list[str]) -> None:
        with tx(self._engine) as one:
            one.connection.execute(chunks.delete().where(chunks.c.part.in_(parts)))

    def _evict(self) -> None:
        """Bound the caches."""
        asked = sa.select(
            names.c.id, names.c.scope, names.c.digest, names.c.at, blobs.c.size, blobs.c.used_at
        ).join(blobs, blobs.c.digest == names.c.digest)
        with tx(self._engine) as one:
            rows = list(one.connection.execute(asked))
            caches = [r for r in rows if r.scope.startswith(CACHE_SCOPES.encode())]
            entries = [Kept(r.id, r.digest, r.size, max(r.used_at, r.at)) for r in caches]
            gone = victims(entries, self._cache_bytes)
            for each in gone:
                one.connection.execute(names.delete().where(names.c.id == each.id))
            left = {r.digest for r in rows if r.id not in {each.id for each in gone}}
            digests = {each.digest for each in gone} - left
            parts = list(
                one.connection.execute(
                    sa.select(blobs.c.part).where(blobs.c.digest.in_(digests))
                ).scalars()
            )
            one.connection.execute(blobs.delete().where(blobs.c.digest.in_(digests)))
        self._drop(parts)


def _chunk(source: BinaryIO) -> bytes:
    """CHUNK_BYTES, or less at the end: what is read may come in small pieces."""
    data = bytearray()
    while len(data) < CHUNK_BYTES and (more := source.read(CHUNK_BYTES - len(data))):
        data += more
    return bytes(data)


def _hash(source: BinaryIO) -> str:
    hashed = hashlib.sha256()
    while data := source.read(CHUNK_BYTES):
        hashed.update(data)
    return hashed.hexdigest()


def _used(tx: Tx, digest: str) -> bool:
    """The blob counts as used now; False if there is none."""
    change = blobs.update().where(blobs.c.digest == digest).values(used_at=tx.now)
    return tx.connection.execute(change).rowcount == 1


def _size(tx: Tx, digest: str) -> int | None:
    asked = sa.select(blobs.c.size).where(blobs.c.digest == digest)
    return tx.connection.execute(asked).scalar()


def _insert_name(tx: Tx, row_id: str, named: tuple[str, str], digest: str) -> bool:
    scope, name = (_bytes(text) for text in named)
    row = {"id": row_id, "scope": scope, "name": name, "digest": digest, "at": tx.now}
    try:
        with tx.connection.begin_nested():
            tx.connection.execute(names.insert().values(row))
    except sa.exc.IntegrityError:
        return False
    return True


def _id(scope: str, name: str) -> str:
    """Raises Invalid (`bad-name`)."""
    for what in (scope, name):
        if not 0 < len(what) <= _LONGEST or "\0" in what:
            raise Invalid(f"{what[:80]!r} cannot name a blob", code="bad-name")
    if len(_bytes(scope)) > _LONGEST_SCOPE:
        raise Invalid(f"the scope {scope[:80]!r} is too long", code="bad-name")
    return hashlib.sha256(_bytes(scope) + b"\0" + _bytes(name)).hexdigest()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _no_blob(digest: str) -> Invalid:
    return Invalid(f"there is no blob {digest[:80]!r}", code="no-blob")
