"""Search: from the beginning of a name, commit, digest or id to what it may be."""

from typing import Annotated

from fastapi import Query
from starlette.requests import Request

from headway.access.principal import services
from headway.api.guard import Reader
from headway.api.v1.common import noun, reading
from headway.api.v1.paging import Page
from headway.store.views import search as view
from headway.store.views.search import Hit

router = noun("search")


@router.get("/search")
def search(
    request: Request,
    who: Reader,
    q: Annotated[str, Query(min_length=1, max_length=200, description="What it begins with.")],
) -> Page[Hit]:
    """At most five of each kind; `next` is null."""
    with reading(request) as connection:
        return Page(tuple(view.read(connection, q, services(who))), None)
