"""What a token may: what its owner may, cut down to what the token was made for.

A token never gives more than its owner has at the moment of the question. Called by store/access.
"""

from collections.abc import Iterable

from headway.access.principal import Grant
from headway.access.roles import PERMISSIONS, ROLES, allowed
from headway.model.errors import Invalid
from headway.record import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """`allows`: names of roles and permissions, at least one; an empty place means everywhere."""

    allows: tuple[str, ...]
    service: str = ""
    environment: str = ""


def permissions(scope: Scope) -> frozenset[str]:
    """Every permission that its words name. Raises Invalid (`role`)."""
    found: set[str] = set()
    for word in scope.allows:
        if word in PERMISSIONS:
            found.add(word)
        elif role := next((r for r in ROLES if r == word), None):
            found |= {p for p in PERMISSIONS if allowed(role, p)}
        else:
            known = ", ".join((*ROLES, *PERMISSIONS))
            raise Invalid(f"`{word}` is no role and no permission", why=f"known: {known}",
                          code="role")  # fmt: skip
    if not found:
        raise Invalid("a token says what it is for", next="headway token create --allow developer",
                      code="role")  # fmt: skip
    return frozenset(found)


def cut(own: Iterable[Grant], scope: Scope) -> tuple[Grant, ...]:
    """What is left of the owner's grants: in each, the place and the permissions that both have.

    Raises Invalid (`role`).
    """
    wanted = permissions(scope)
    left = []
    for grant in own:
        kept = frozenset(p for p in wanted if grant.gives(p))
        meets = _meet(grant.service, scope.service), _meet(grant.environment, scope.environment)
        if kept and None not in meets:
            left.append(Grant(grant.role, meets[0] or "", meets[1] or "", kept))
    return tuple(left)


def _meet(one: str, other: str) -> str | None:
    """The place that both name, "" for every place; None if there is none."""
    if one and other and one != other:
        return None
    return one or other
