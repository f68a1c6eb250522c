"""Who asks, and whether they may. Used by the API, the pages and the command line."""

from typing import Literal

from headway.access.roles import PERMISSIONS, Role
from headway.record import dataclass

Kind = Literal["anonymous", "user", "service", "worker"]


@dataclass(frozen=True, slots=True)
class Grant:
    """A role, in one service and one environment; empty: in all."""

    role: Role
    service: str = ""
    environment: str = ""


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or program. `id` is what the audit trail says; `via`: session, token or nothing;
    `grants`: its own and those of its teams, already cut down to what its token allows.
    """

    id: str
    name: str
    kind: Kind
    grants: tuple[Grant, ...] = ()
    teams: tuple[str, ...] = ()
    via: str = ""

    @property
    def known(self) -> bool:
        """Whether it has said who it is."""
        return self.kind != "anonymous"


NOBODY = Principal("", "nobody", "anonymous")


def may(who: Principal, permission: str, service: str = "", environment: str = "") -> bool:
    """Whether it has the permission there; an empty place means everywhere, so that a grant for
    one service does not cover it. Raises KeyError for a permission that does not exist.
    """
    roles = PERMISSIONS[permission]
    return any(
        g.role in roles and g.service in {"", service} and g.environment in {"", environment}
        for g in who.grants
    )


def anywhere(who: Principal, permission: str) -> bool:
    """Whether there is a place where it has the permission."""
    return any(g.role in PERMISSIONS[permission] for g in who.grants)


def services(who: Principal, permission: str = "service.read") -> frozenset[str] | None:
    """The services in which it has the permission in some environment; None: in every one."""
    found = {g.service for g in who.grants if g.role in PERMISSIONS[permission]}
    return None if "" in found else frozenset(found)
