"""Commits that were to be delivered, and what became of them."""

from starlette.requests import Request

from headway.access.principal import services
from headway.api.guard import Reader
from headway.api.problems import Missing
from headway.api.v1.common import filtered, noun, private, reading
from headway.api.v1.paging import Page, Spanned
from headway.store.views import commits, trace
from headway.store.views.commits import CommitRow
from headway.store.views.trace import Trace

router = noun("commits")


@router.get("/commits")
def list_commits(
    request: Request, who: Reader, span: Spanned, service: str = ""
) -> Page[CommitRow]:
    """The one asked for last first."""
    with reading(request) as connection:
        found = commits.read(connection, filtered(who, span, service=service))
    return span.page(found, lambda c: c.delivery)


@router.get("/commits/{commit}")
def show_commit(request: Request, who: Reader, commit: str) -> Trace:
    """Everything that happened with it: a commit, or the beginning of its hash."""
    with reading(request) as connection, private(who):
        return visible(trace.read(connection, commit), services(who))


def visible(found: Trace, seen: frozenset[str] | None) -> Trace:
    """What of it may be seen. Raises Missing if nothing."""
    if seen is None:
        return found
    told = tuple(d for d in found.deliveries if d.service in seen)
    if not told:
        raise Missing("there is none by that name", code="unknown-subject")
    artifacts = tuple(a for a in found.artifacts if a.service in seen)
    return Trace(found.kind, found.value, artifacts, told)
