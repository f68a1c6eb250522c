"""Live: that something changed, as server-sent events. For pages and dashboards."""

from typing import Annotated, Any

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from headway.api.guard import Reader
from headway.api.live import changes
from headway.api.v1.common import noun

router = noun("events")
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events: `change`, at last `end`.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.get("/live", response_class=Response, responses=_STREAM)
def follow_changes(
    request: Request,
    who: Reader,
    on: Annotated[list[str], Query(description="Topics, as `rollout:rol_1`.", max_length=20)],
    after: Annotated[str, Query(description="Number of the last event seen.")] = "",
) -> Response:
    """`event: change` with the newest event's number, at most twice a second, whenever something of
    a topic changed: `rollout:ID`, `delivery:ID`, `release:NAME`, `service:NAME`,
    `place:SERVICE/ENVIRONMENT`, `run:ID` or `all`.
    """
    del who, after
    return changes(request, on)
