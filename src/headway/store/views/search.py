"""From the beginning of whatever one knows to what it may be: the search box and GET /search.

Services, releases, commits, digests, deliveries, rollouts and runs of the server. Every kind is
asked by a prefix of an indexed column, so an answer takes as long with a million rows as with ten.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from headway.store.tables import deliveries, places, releases, rollouts, runs
from headway.store.views.indexed import begins
from headway.store.views.moments import at

Kind = Literal["service", "release", "commit", "artifact", "delivery", "rollout", "run"]
EACH = 5
LONGEST = 200
_HEX = re.compile(r"[0-9a-f]{4,64}")
_ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{4,26}")


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing found. `id` is what the other views take; `title` says what it is; `at`: when it
    came to be.
    """

    kind: Kind
    id: str
    title: str
    service: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class _Ask:
    """`text` as typed, without blanks; `services`: those that may be seen, None: all."""

    connection: sa.Connection
    text: str
    services: frozenset[str] | None

    def rows(self, query: "sa.Select[Any]", column: "sa.ColumnElement[str]", start: str) -> Any:
        """A few rows whose column begins so."""
        found = query.where(begins(self.connection, column, start))
        return self.connection.execute(found.limit(EACH))

    def seen(self, query: "sa.Select[Any]", service: "sa.ColumnElement[str]") -> "sa.Select[Any]":
        """Of services that may be seen."""
        return query if self.services is None else query.where(service.in_(sorted(self.services)))


def read(connection: sa.Connection, text: str, services: frozenset[str] | None = None) -> list[Hit]:
    """At most EACH of each kind that begin with the text; nothing for an empty or very long one."""
    wanted = text.strip()
    if not wanted or len(wanted) > LONGEST or "\0" in wanted:
        return []
    ask = _Ask(connection, wanted, services)
    return [hit for kind in _KINDS for hit in kind(ask)]


def _services(ask: _Ask) -> Iterator[Hit]:
    """By jumps from name to name in the index."""
    known: set[str] = set()
    for table in (places, deliveries):
        column, last = table.c.service, ""
        for _ in range(EACH):
            query = sa.select(sa.func.min(column)).where(
                begins(ask.connection, column, ask.text), column > last
            )
            found = ask.connection.execute(ask.seen(query, column)).scalar()
            if found is None:
                break
            last = str(found)
            known.add(last)
    yield from (Hit("service", n, n, n, None) for n in sorted(known)[:EACH])


def _releases(ask: _Ask) -> Iterator[Hit]:
    t = releases.c
    query = sa.select(t.name, t.service, t.sha, t.created_at).order_by(t.name)
    for r in ask.rows(ask.seen(query, t.service), t.name, ask.text):
        yield Hit("release", r.name, f"commit {r.sha[:7]}", r.service, at(r.created_at))


def _commits(ask: _Ask) -> Iterator[Hit]:
    if not _HEX.fullmatch(start := ask.text.lower()):
        return
    t = deliveries.c
    first = sa.func.min(t.requested_at).label("first")
    query = sa.select(t.sha, t.service, sa.func.max(t.subject).label("subject"), first)
    each: sa.Select[Any] = ask.seen(query, t.service).group_by(t.sha, t.service).order_by(t.sha)
    for r in ask.rows(each, t.sha, start):
        yield Hit("commit", r.sha, r.subject, r.service, at(r.first))


def _artifacts(ask: _Ask) -> Iterator[Hit]:
    bare = ask.text.lower().removeprefix("sha256:")
    if not _HEX.fullmatch(bare):
        return
    t = releases.c
    names = sa.func.min(t.name).label("release")
    query = sa.select(t.digest, t.service, names, sa.func.min(t.created_at).label("first"))
    each: sa.Select[Any] = ask.seen(query, t.service).group_by(t.digest, t.service)
    for r in ask.rows(each.order_by(t.digest), t.digest, f"sha256:{bare}"):
        yield Hit("artifact", r.digest, r.release, r.service, at(r.first))


def _deliveries(ask: _Ask) -> Iterator[Hit]:
    if not (start := _id(ask.text, "del_")):
        return
    t = deliveries.c
    query = sa.select(t.id, t.service, t.subject, t.requested_at).order_by(t.id.desc())
    for r in ask.rows(ask.seen(query, t.service), t.id, start):
        yield Hit("delivery", r.id, r.subject, r.service, at(r.requested_at))


def _rollouts(ask: _Ask) -> Iterator[Hit]:
    if not (start := _id(ask.text, "rol_")):
        return
    t = rollouts.c
    query = sa.select(t.id, t.service, t.release, t.environment, t.started_at).order_by(t.id.desc())
    for r in ask.rows(ask.seen(query, t.service), t.id, start):
        yield Hit("rollout", r.id, f"{r.release} in {r.environment}", r.service, at(r.started_at))


def _runs(ask: _Ask) -> Iterator[Hit]:
    """Runs that the server started; they belong to the service that their repository is named
    after.
    """
    if not (start := _id(ask.text, "run_")):
        return
    t = runs.c
    query = sa.select(t.id, t.repo, t.workflow, t.number, t.made_at).order_by(t.id.desc())
    for r in ask.rows(query, t.id, start):
        service = repository(r.repo)
        if ask.services is None or service in ask.services:
            yield Hit("run", r.id, f"{r.workflow} #{r.number}", service, at(r.made_at))


def repository(address: str) -> str:
    """The name of a repository: the last part of its address, without `.git`."""
    return address.rstrip("/").rpartition("/")[2].removesuffix(".git")


def _id(text: str, prefix: str) -> str:
    """What an id of that kind that is meant begins with; empty: none is meant."""
    bare = text.lower().removeprefix(prefix).upper()
    named = text.lower().startswith(prefix)
    return prefix + bare if named or _ULID.fullmatch(bare) else ""


_KINDS: tuple[Callable[[_Ask], Iterator[Hit]], ...] = (
    _services,
    _releases,
    _commits,
    _artifacts,
    _deliveries,
    _rollouts,
    _runs,
)
