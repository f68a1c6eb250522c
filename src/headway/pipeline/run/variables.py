"""Variables (`vars`) that a home keeps for its runs: their names, where they hold, which one wins.

A variable holds for the whole home, for a repository or for a service, there for everything or for
the jobs of one environment. Names: docs.github.com, "Variables reference". Called by
flows/variables, which reads them, and by the command line, which sets them.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from headway.model.errors import Invalid
from headway.pipeline.run.state import RunSpec
from headway.record import dataclass

MOST_BYTES = 48 * 1024
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_RANKS = {"": 0, "repo": 1, "service": 2}


@dataclass(frozen=True, slots=True)
class Variable:
    """One value. `scope`: "" (the home), `repo:ADDRESS` or `service:NAME`; `environment`: without
    case, "" for every job. `name` in upper case.
    """

    scope: str
    environment: str
    name: str
    value: str


def checked(name: str) -> str:
    """The name as it is kept: in upper case, because case means nothing in an expression.

    Raises Invalid (`bad-name`).
    """
    if not _NAME.fullmatch(name) or name.upper().startswith("GITHUB_"):
        raise Invalid(
            f"{name[:80]!r} cannot name a variable",
            why="letters, digits and `_`; no digit first, and not `GITHUB_`; at most 255",
            next="headway vars set LOG_LEVEL debug",
            code="bad-name",
        )
    return name.upper()


def fits(value: str) -> str:
    """The value, if it can be kept. Raises Invalid (`too-large`, `bad-value`)."""
    if "\0" in value:
        raise Invalid("a variable holds no NUL character", code="bad-value")
    size = len(value.encode("utf-8", "surrogatepass"))
    if size > MOST_BYTES:
        raise Invalid(
            f"the value has {size:,} bytes; a variable holds at most {MOST_BYTES:,}",
            next="keep it in a file of the repository",
            code="too-large",
        )
    return value


def with_variables(
    spec: RunSpec,
    known: Iterable[Variable],
    holds: Callable[[str], bool],
    environment: str = "",
) -> RunSpec:
    """The spec with what `holds` (by its scope) for it. What the spec says already wins; then an
    environment's, a service's, a repository's, the home's. `environment`: the run as a whole is of
    that one. A fork's run is given none.
    """
    if not spec.trusted:
        return spec
    given = {name.casefold() for name in spec.vars}
    mine = [v for v in known if holds(v.scope) and v.name.casefold() not in given]
    levels: dict[str, dict[str, str]] = {}
    for one in sorted(mine, key=lambda v: _RANKS[v.scope.partition(":")[0]]):
        levels.setdefault(one.environment, {})[one.name] = one.value
    plain = {**levels.pop("", {}), **levels.get(environment.casefold(), {})}
    return replace(spec, vars={**plain, **spec.vars}, environment_vars=levels)
