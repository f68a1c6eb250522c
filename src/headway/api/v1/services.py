"""GET /services: what runs where, since when, by whom, and what waits."""

from fastapi import APIRouter
from starlette.requests import Request

from headway.access.principal import services
from headway.api.guard import Reader
from headway.store.views import status as view
from headway.store.views.status import Status

router = APIRouter(tags=["services"])


@router.get("/services")
def list_services(request: Request, who: Reader) -> Status:
    """Every place that may be seen, and every open delivery."""
    with request.app.state.headway.reading() as connection:
        return view.seen(view.read(connection), services(who))
