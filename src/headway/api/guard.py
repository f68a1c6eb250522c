"""What a route asks before it answers: a permission somewhere, then the permission right there.

Every route names its permission with `needs`; a test walks all routes and reads it from there.
Whatever is shown of one service passes `see`: what one may not read does not exist.
"""

from typing import Annotated

from fastapi import Depends
from fastapi.params import Depends as Dependency
from starlette.requests import Request

from headway.access.principal import Principal, anywhere, may
from headway.access.roles import least
from headway.api.problems import Denied, Missing
from headway.api.who import Doorkeeper


class Needs:
    """A dependency that lets in whoever has the permission somewhere, and gives who it is."""

    def __init__(self, permission: str) -> None:
        self.permission = permission

    def __call__(self, request: Request) -> Principal:
        """Raises Denied."""
        door: Doorkeeper = request.app.state.doorkeeper
        who = door.who(request)
        if not who.known:
            raise Denied("this needs a login", 401, next="headway token create")
        if not anywhere(who, self.permission):
            raise denied(who, self.permission)
        if not door.is_own(request):
            raise forged()
        return who


def needs(permission: str) -> Dependency:
    """`who: Annotated[Principal, needs("service.read")]`."""
    found: Dependency = Depends(Needs(permission))
    return found


Reader = Annotated[Principal, needs("service.read")]


def denied(who: Principal, permission: str, service: str = "", environment: str = "") -> Denied:
    """The refusal that names what is missing."""
    where = "/".join(filter(None, (service, environment))) or "every service"
    return Denied(f"{who.name} may not do this", 403, why=f"it needs `{permission}` in {where}",
                  next=f"ask an administrator for the role {least(permission)}")  # fmt: skip


def forged() -> Denied:
    """The refusal of what does not come from a page of this server."""
    return Denied("this form is out of date", 403, why="it was not made for this session",
                  next="load the page again")  # fmt: skip


def must(who: Principal, permission: str, service: str = "", environment: str = "") -> None:
    """Raises Denied without the permission right there; Missing if not even reading is allowed."""
    if service:
        see(who, service)
    if not may(who, permission, service, environment):
        raise denied(who, permission, service, environment)


def see(who: Principal, service: str) -> None:
    """Raises Missing unless something of the service may be read."""
    if not any(g.service in {"", service} and g.gives("service.read") for g in who.grants):
        raise Missing("there is none by that name", code="unknown-name")
