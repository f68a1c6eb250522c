"""GET /live: that something changed, as server-sent events. For pages and dashboards."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from headway.api.guard import Reader
from headway.api.live import changes

router = APIRouter(tags=["events"])


@router.get("/live", response_class=Response)
def follow_changes(
    request: Request,
    who: Reader,
    on: Annotated[list[str], Query(description="Topics, as `rollout:rol_1`.", max_length=20)],
) -> Response:
    """`event: change` with the newest event's number, at most twice a second, whenever something of
    a topic changed: `rollout:ID`, `delivery:ID`, `release:NAME`, `service:NAME`,
    `place:SERVICE/ENVIRONMENT`, `run:ID` or `all`.
    """
    del who
    return changes(request, on)
