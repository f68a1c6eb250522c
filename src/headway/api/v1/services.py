"""Services: what runs where, since when, by whom, and what waits."""

from collections.abc import Iterable
from dataclasses import dataclass

from starlette.requests import Request

from headway.access.principal import services
from headway.api.guard import Reader, see
from headway.api.problems import Missing
from headway.api.v1.common import noun, reading
from headway.api.v1.paging import Page, Spanned
from headway.store.views import status as view
from headway.store.views.status import Here, Open, Status

router = noun("services")


@dataclass(frozen=True, slots=True)
class ServiceView:
    """A service with its places in the order of its path, and every delivery that has not ended."""

    service: str
    places: tuple[Here, ...]
    open: tuple[Open, ...]


@router.get("/services")
def list_services(request: Request, who: Reader, span: Spanned) -> Page[ServiceView]:
    """Every service that may be seen, by name."""
    with reading(request) as connection:
        found = by_service(view.seen(view.read(connection), services(who)))
    behind = [s for s in found if s.service > span.after]
    return span.page(behind[: span.reach], lambda s: s.service)


@router.get("/services/{service}")
def show_service(request: Request, who: Reader, service: str) -> ServiceView:
    """One service."""
    see(who, service)
    with reading(request) as connection:
        found = by_service(view.read(connection, service))
    if not found:
        raise Missing("there is none by that name", code="unknown-name")
    return found[0]


def by_service(status: Status) -> list[ServiceView]:
    """The same by service, sorted."""
    several: Iterable[Here | Open] = (*status.places, *status.open)
    return [
        ServiceView(
            name,
            tuple(p for p in status.places if p.service == name),
            tuple(o for o in status.open if o.service == name),
        )
        for name in sorted({s.service for s in several})
    ]
