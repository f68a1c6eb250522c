"""From groups at an OpenID provider to teams and roles here. Called by flows/sso.

A connection says it in options `group.NAME=team:TEAM` or `group.NAME=role:ROLE[:SERVICE[/ENV]]`,
several with commas. A group that no option names gives nothing.
"""

from collections.abc import Iterable, Mapping

from headway.access.principal import Grant
from headway.access.roles import ROLES
from headway.model.errors import Invalid
from headway.record import dataclass

PREFIX = "group."


@dataclass(frozen=True, slots=True)
class Mapped:
    """What somebody's groups give."""

    teams: frozenset[str] = frozenset()
    grants: frozenset[Grant] = frozenset()

    @property
    def nothing(self) -> bool:
        """Whether no group gives anything."""
        return not (self.teams or self.grants)


def mapped(options: Mapping[str, str], groups: Iterable[str]) -> Mapped:
    """What these groups give. Raises Invalid (`sso-mapping`)."""
    teams: set[str] = set()
    grants: set[Grant] = set()
    for group in groups:
        for word in filter(None, options.get(f"{PREFIX}{group}", "").split(",")):
            found = rule(word.strip())
            if isinstance(found, Grant):
                grants.add(found)
            else:
                teams.add(found)
    return Mapped(frozenset(teams), frozenset(grants))


def check(options: Mapping[str, str]) -> None:
    """Every rule can be read. Raises Invalid (`sso-mapping`)."""
    mapped(options, [key.removeprefix(PREFIX) for key in options if key.startswith(PREFIX)])


def rule(word: str) -> Grant | str:
    """A grant, or the name of a team. Raises Invalid (`sso-mapping`)."""
    kind, _, rest = word.partition(":")
    role, _, where = rest.partition(":")
    known = next((r for r in ROLES if r == role), None)
    if kind == "role" and known:
        service, _, environment = where.partition("/")
        return Grant(known, service, environment)
    if kind == "team" and rest:
        return rest.strip().lower()
    raise Invalid(
        "this is no rule for a group",
        why="team:TEAM or role:ROLE[:SERVICE[/ENV]]",
        next="headway connection add --help",
        code="sso-mapping",
    )
