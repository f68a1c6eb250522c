"""What each role may do. One table: routes, pages, commands and documentation ask here.

A permission is `noun.verb`. Deny by default: what no line names, nobody may do. Whoever operates
does not approve by that (separation of duty), and whoever develops may stop the line but not start
it again.
"""

from typing import Literal, get_args

Role = Literal["viewer", "developer", "approver", "operator", "admin", "worker"]

ROLES: tuple[Role, ...] = get_args(Role)

_EVERYBODY = frozenset[Role]({"viewer", "developer", "approver", "operator", "admin"})
_DEVELOPERS = frozenset[Role]({"developer", "operator", "admin"})
_OPERATORS = frozenset[Role]({"operator", "admin"})
_ADMINS = frozenset[Role]({"admin"})

PERMISSIONS: dict[str, frozenset[Role]] = {
    "service.read": _EVERYBODY,
    "audit.read": _EVERYBODY,
    "delivery.start": _DEVELOPERS,
    "delivery.cancel": _OPERATORS,
    "run.start": _DEVELOPERS,
    "run.cancel": _DEVELOPERS,
    "repository.push": _DEVELOPERS,
    "event.write": _DEVELOPERS,
    "metric.read": _EVERYBODY,
    "metric.write": _DEVELOPERS,
    "approval.decide": frozenset[Role]({"approver", "admin"}),
    "rollout.command": _OPERATORS,
    "release.rollback": _OPERATORS,
    "quarantine.clear": _OPERATORS,
    "line.stop": _DEVELOPERS,
    "line.start": _OPERATORS,
    "alert.acknowledge": _OPERATORS | {"developer"},
    "variable.manage": _OPERATORS,
    "notification.manage": _OPERATORS,
    "webhook.manage": _ADMINS,
    "account.read": _ADMINS,
    "account.manage": _ADMINS,
    "setting.read": _OPERATORS,
    "setting.manage": _ADMINS,
    "work.take": frozenset[Role]({"worker"}),
}
"""The roles that have each permission."""

EVERYWHERE = frozenset({
    "account.read", "account.manage", "setting.read", "setting.manage", "webhook.manage",
    "notification.manage",
})  # fmt: skip
"""What concerns the whole installation: a role in one service or environment does not give these.
Else whoever administers one service could make themselves administrators of all.
"""


def least(permission: str) -> Role:
    """The smallest role that has the permission. Raises KeyError for one that does not exist."""
    return next(role for role in ROLES if role in PERMISSIONS[permission])


def allowed(role: Role, permission: str) -> bool:
    """Whether the role has the permission. Raises KeyError for one that does not exist."""
    return role in PERMISSIONS[permission]
