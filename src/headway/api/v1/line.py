"""The line: one act that holds every rollout it covers, and lets them go on."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field
from starlette.requests import Request

from headway.access.principal import Principal, anywhere, services
from headway.api.guard import Reader, denied, must, needs
from headway.api.v1.common import WRITES, headway, noun, reading
from headway.api.v1.route import unchanged
from headway.api.v1.writing import Body, IfMatch, Key, Reason, Write
from headway.flows import line as flow
from headway.flows.line import Said
from headway.model.line import Scope
from headway.store.database import Tx
from headway.store.views import line as view
from headway.store.views.line import LineView

router = noun("line")


@dataclass(frozen=True, slots=True)
class LineTold:
    """`changed`: whether it was otherwise before."""

    command: str
    service: str
    environment: str
    tier: str
    by: str
    reason: str
    changed: bool


class LineCommand(Body):
    """`stop` or `start` what the names say; nothing named is everything. `seconds`: the stop ends
    by itself after so long; 0: somebody has to start the line.
    """

    command: Literal["stop", "start"]
    reason: Reason
    service: Annotated[str, Field(max_length=100)] = ""
    environment: Annotated[str, Field(max_length=100)] = ""
    tier: Literal["", "development", "staging", "production"] = ""
    seconds: Annotated[int, Field(ge=0, le=31_536_000)] = 0


@router.get("/line")
def show_line(request: Request, who: Reader, service: str = "") -> LineView:
    """Whether it is stopped, by whom, why, and what that holds."""
    with reading(request) as connection:
        return _seen(view.read(connection, service), services(who))


@router.post("/line/commands", status_code=202, responses=WRITES)
def command_line(
    request: Request,
    who: Annotated[Principal, needs("line.stop")],
    body: LineCommand,
    key: Key,
    if_match: IfMatch = "",
) -> LineTold:
    """Stop the line, or start it again."""
    del if_match
    permission = f"line.{body.command}"
    if not anywhere(who, permission):
        raise denied(who, permission)
    must(who, permission, body.service, body.environment)
    scope = Scope(body.service, body.environment, body.tier)

    def do(tx: Tx) -> LineTold:
        unchanged(request, _seen(view.read(tx.connection), services(who)))
        said, outbox = Said(who.id, body.reason, float(body.seconds)), headway(request).outbox
        if body.command == "stop":
            flow.stop(tx, outbox, scope, said)
            changed = True
        else:
            changed = flow.start(tx, outbox, scope, said) is not None
        told = (body.command, body.service, body.environment, body.tier, who.id, body.reason)
        return LineTold(*told, changed)

    return Write(request, who, key, body).once(do)


def _seen(found: LineView, seen: frozenset[str] | None) -> LineView:
    """Without what is held of services that may not be seen, and stops of those alone."""
    if seen is None:
        return found
    stops = tuple(
        replace(s, held=tuple(h for h in s.held if h.service in seen))
        for s in found.stops
        if s.service == "" or s.service in seen
    )
    because = "; ".join(s.because for s in stops)
    return LineView(bool(stops), because, stops, ())
