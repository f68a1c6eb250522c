"""What several nouns share: reading, filters of who asks, headers of every route."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from fastapi import APIRouter
from pydantic.dataclasses import dataclass as checked
from starlette.requests import Request

from headway.access.principal import Principal, services
from headway.api.problems import Missing
from headway.api.v1.paging import Span
from headway.api.v1.route import Route
from headway.model.errors import Invalid
from headway.store.views.judged import About
from headway.store.views.paging import Filter
from headway.wiring import Headway


@checked
class Problem:
    """A refusal (RFC 9457). `errors`: what is wrong with which part, where there is more to say."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    next: str
    request_id: str
    errors: list[dict[str, str | int]] | None = None


_WORDS = {
    400: "It cannot be read.",
    401: "Nobody is known by these credentials.",
    403: "The permission is missing; `detail` names it.",
    404: "There is none, or none that may be seen.",
    409: "A rule or its state says no; `detail` says which.",
    412: "It has changed since it was read (`If-Match`).",
    413: "The body is larger than 1 MiB.",
    415: "The body is not application/json.",
    422: "A parameter or field makes no sense, or the key was used for another request.",
    429: "Too often; `Retry-After` says when again.",
    500: "A fault of Headway; its log has more under `request_id`.",
    503: "Something does not answer now.",
}
REPOSITORY = r"^[a-z][a-z0-9-]{0,38}[a-z0-9]$"
"""How a repository of this server may be called."""
_READ = (400, 401, 403, 404, 422, 429, 500, 503)
_WRITE = (*_READ, 409, 412, 413, 415)


def noun(name: str) -> APIRouter:
    """A router of one noun."""
    return APIRouter(tags=[name], route_class=Route, responses=answers(_READ))


def answers(statuses: tuple[int, ...]) -> dict[int | str, dict[str, object]]:
    """`responses` of refusals with these statuses."""
    shape = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        s: {"description": _WORDS[s], "content": {"application/problem+json": shape}}
        for s in sorted(statuses)
    }


WRITES = answers(_WRITE)
"""`responses` of a route that writes."""


def headway(request: Request) -> Headway:
    """Of the server that is asked."""
    found: Headway = request.app.state.headway
    return found


@contextmanager
def reading(request: Request) -> Iterator[sa.Connection]:
    """A connection that only reads."""
    with headway(request).reading() as connection:
        yield connection


@contextmanager
def private(who: Principal) -> Iterator[None]:
    """To who may not see every service, what is hidden and what is not there are the same, and no
    other's ids are named.
    """
    try:
        yield
    except Invalid as error:
        hides = error.code == "ambiguous" or error.code.startswith("unknown-")
        if services(who) is None or not hides:
            raise
        raise Missing("there is none by that name", code="unknown-name") from None


def filtered(who: Principal, span: Span, **fields: str) -> Filter:
    """What they ask for, of what they may see."""
    return Filter(
        seen=services(who),
        limit=span.reach,
        since=span.since,
        until=span.until,
        cursor=span.after,
        **fields,
    )


def about(who: Principal, span: Span, **fields: str) -> About:
    """The same of what judges and gates said."""
    return About(
        services=services(who),
        limit=span.reach,
        since=span.since,
        until=span.until,
        before=int(span.after or 0),
        **fields,
    )
