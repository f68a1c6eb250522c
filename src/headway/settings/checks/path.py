"""Do the environments make a path that a release can go?"""

from collections.abc import Iterator
from itertools import combinations

from headway.document import Mapping, Path, quoted
from headway.model.errors import Problem
from headway.model.service import Environment, Service
from headway.settings.checks.places import Places
from headway.settings.sentences import near

MOST_ENVIRONMENTS = 50
_PRODUCTION = frozenset({"production", "prod"})
_BRANCH = frozenset(" ~^:?*[\\\t\n")


def many(root: Mapping, file: str) -> Iterator[Problem]:
    """More environments than anybody has: refused before each is compared with each."""
    environments = root.get("environments")
    if isinstance(environments, Mapping) and len(environments.entries) > MOST_ENVIRONMENTS:
        sentence = f"`environments` holds more than {MOST_ENVIRONMENTS}"
        at = environments.at
        yield Problem(file, at.line, at.column, sentence, "range")


def check(service: Service, at: Places) -> Iterator[Problem]:
    """Problems of the path as a whole, and of the branch that feeds it."""
    yield from _order(service, at)
    yield from _after(service, at)
    yield from _ports(service, at)
    yield from _branch(service.branch, ("pipeline", "branch"), at)


def branches(environment: Environment, at: Places) -> Iterator[Problem]:
    """Problems of the branches that an environment takes commits from."""
    for index, name in enumerate(environment.branches):
        yield from _branch(name, ("gates", "branches", index), at)


def _branch(name: str, place: Path, at: Places) -> Iterator[Problem]:
    if name.startswith(("-", "/")) or _BRANCH & set(name):
        yield at.problem(place, f"{quoted(name)} is not the name of a branch", "name")


def _order(service: Service, at: Places) -> Iterator[Problem]:
    for above, below in combinations(service.environments, 2):
        if _is_production(above, at) and not _is_production(below, at):
            place = at.key(("environments", above.name))
            sentence = (
                f"`{above.name}` is written before `{below.name}`, but the order is the path of a "
                "release. Write production last, or give each its `tier`"
            )
            yield Problem(at.file, place.line, place.column, sentence, "path-order")
            return


def _is_production(environment: Environment, at: Places) -> bool:
    """By its tier if that is written, else by its name: a sorted file must not go unseen."""
    if at.has("environments", environment.name, "tier"):
        return environment.tier == "production"
    return environment.name in _PRODUCTION


def _after(service: Service, at: Places) -> Iterator[Problem]:
    names = [environment.name for environment in service.environments]
    for position, environment in enumerate(service.environments):
        if not at.has("environments", environment.name, "after"):
            continue
        for index, name in enumerate(environment.after):
            place = ("environments", environment.name, "after", index)
            if name not in names:
                sentence = f"no environment is called {quoted(name)}.{near(name, names)}"
                yield at.problem(place, sentence, "unknown-name")
            elif name not in names[:position]:
                sentence = (
                    f"`{environment.name}` comes after `{name}`, but is written above it. "
                    "The order written is the path of a release"
                )
                yield at.problem(place, sentence, "path-order")


def _ports(service: Service, at: Places) -> Iterator[Problem]:
    for one, other in combinations(service.environments, 2):
        if one.traffic.port is not None and one.traffic.port == other.traffic.port:
            sentence = (
                f"`{one.name}` and `{other.name}` both listen on port {other.traffic.port}. "
                "Give each its own"
            )
            own = at.has("environments", other.name, "traffic", "port")
            place = ("environments", other.name) if own else ()
            yield at.problem((*place, "traffic", "port"), sentence, "conflict")
