"""Verdicts of judges, and what gates said."""

from typing import Literal

from starlette.requests import Request

from headway.api.guard import Reader
from headway.api.v1.common import about, noun, reading
from headway.api.v1.paging import Page, Spanned
from headway.store.views import judged
from headway.store.views.judged import GateRow, VerdictRow

router = noun("verdicts")


@router.get("/verdicts")
def list_verdicts(  # noqa: PLR0913  one parameter for each field
    request: Request,
    who: Reader,
    span: Spanned,
    service: str = "",
    environment: str = "",
    release: str = "",
    delivery: str = "",
    rollout: str = "",
    outcome: Literal["", "PASS", "WAIT", "FAIL"] = "",
) -> Page[VerdictRow]:
    """What the judge held of each window, newest first."""
    place = {"service": service, "environment": environment, "release": release}
    asked = about(who, span, delivery=delivery, rollout=rollout, outcome=outcome, **place)
    with reading(request) as connection:
        found = judged.verdicts(connection, asked)
    return span.page(found, lambda v: str(v.seq))


@router.get("/gates", tags=["gates"])
def list_gates(  # noqa: PLR0913  one parameter for each field
    request: Request,
    who: Reader,
    span: Spanned,
    service: str = "",
    environment: str = "",
    release: str = "",
    delivery: str = "",
) -> Page[GateRow]:
    """What the gates of an environment said to a delivery, whenever it was new; newest first."""
    place = {"service": service, "environment": environment, "release": release}
    with reading(request) as connection:
        found = judged.gates(connection, about(who, span, delivery=delivery, **place))
    return span.page(found, lambda g: str(g.seq))
