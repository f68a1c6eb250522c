"""Environments: where services run, and how releases come in there."""

from starlette.requests import Request

from headway.api.guard import Reader, see
from headway.api.problems import Missing
from headway.api.v1.common import filtered, noun, reading
from headway.api.v1.paging import Page, Spanned
from headway.store.views import lists
from headway.store.views.lists import EnvironmentRow
from headway.store.views.paging import Filter

router = noun("environments")


@router.get("/environments")
def list_environments(
    request: Request, who: Reader, span: Spanned, service: str = "", environment: str = ""
) -> Page[EnvironmentRow]:
    """By service, in the order of the path."""
    asked = filtered(who, span, service=service, environment=environment)
    with reading(request) as connection:
        found = lists.list_environments(connection, asked)
    names = [_key(e) for e in found]
    start = names.index(span.after) + 1 if span.after in names else 0
    return span.page(found[start : start + span.reach], _key)


@router.get("/environments/{service}/{environment}")
def show_environment(
    request: Request, who: Reader, service: str, environment: str
) -> EnvironmentRow:
    """One service in one environment."""
    see(who, service)
    with reading(request) as connection:
        found = lists.list_environments(connection, Filter(service, environment))
    if not found:
        raise Missing("there is none by that name", code="unknown-name")
    return found[0]


def _key(row: EnvironmentRow) -> str:
    return f"{row.service}/{row.environment}"
