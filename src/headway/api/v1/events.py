"""GET /events: the event log, as a list or, with `Accept: text/event-stream`, as it grows."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from headway.api.followers import Wanted
from headway.api.guard import Reader
from headway.api.live import events

router = APIRouter(tags=["events"])


@router.get("/events", response_class=Response)
def list_events(request: Request, who: Reader, service: str = "", kind: str = "") -> Response:
    """Events."""
    return events(request, Wanted(service=service, kind=kind), who)
