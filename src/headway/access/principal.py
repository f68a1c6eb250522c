"""Who asks, and whether they may. Used by the API, the pages and the command line."""

from typing import Literal

from headway.access.roles import EVERYWHERE, PERMISSIONS, Role
from headway.record import dataclass

Kind = Literal["anonymous", "user", "service", "worker"]
DECISION = "approval.decide"


@dataclass(frozen=True, slots=True)
class Grant:
    """A role, in one service and one environment; empty: in all. `only`: of what the role may,
    these permissions alone; empty: every one.
    """

    role: Role
    service: str = ""
    environment: str = ""
    only: frozenset[str] = frozenset()

    def gives(self, permission: str) -> bool:
        """Whether the permission is among its own. Raises KeyError for one that does not exist."""
        return self.role in PERMISSIONS[permission] and (not self.only or permission in self.only)


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or program. `id` is what the audit trail says: the name of the account; `via`:
    session, token or nothing; `grants`: its own and those of its teams, already cut down to what
    its token allows.
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
    return any(
        g.service in {"", service} and g.environment in {"", environment}
        for g in _giving(who, permission)
    )


def anywhere(who: Principal, permission: str) -> bool:
    """Whether there is a place where it has the permission."""
    return bool(_giving(who, permission))


def services(who: Principal, permission: str = "service.read") -> frozenset[str] | None:
    """The services in which it has the permission in some environment; None: in every one."""
    found = {g.service for g in _giving(who, permission)}
    return None if "" in found else frozenset(found)


def _giving(who: Principal, permission: str) -> list[Grant]:
    """The grants that give the permission somewhere; of what concerns everything only those that
    hold everywhere.

    An approval is a person's word. A program gives one only if it was made an approver by that
    name: being an administrator is not enough.
    """
    found = [g for g in who.grants if g.gives(permission)]
    if permission in EVERYWHERE:
        return [g for g in found if not (g.service or g.environment)]
    if permission == DECISION and who.kind != "user":
        return [g for g in found if g.role == "approver"]
    return found
