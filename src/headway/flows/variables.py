"""The home's variables in a run: looked up once, when the run is made, and written into its spec.

Called wherever the server makes a RunSpec (flows/run_start, flows/build, flows/smoke), and by
`headway run`. From then on the run sees what its spec says, whatever is set later.
"""

from pathlib import Path

from headway.flows.world import World
from headway.model.errors import Invalid
from headway.pipeline.run.state import RunSpec
from headway.pipeline.run.variables import with_variables
from headway.store import variables

FILE = "headway.yaml"


def of_server(world: World, spec: RunSpec, environment: str = "") -> RunSpec:
    """The spec with the variables that hold for it, in the server. Raises as the source host."""
    with world.tx() as tx:
        known = [kept.variable for kept in variables.every(tx.connection)]
    if not known:
        return spec
    service = ""
    if any(v.scope.startswith("service:") for v in known):
        service = spec.service or service_named(_file(world, spec)) or _hosted(world.home, spec)

    def holds(scope: str) -> bool:
        kind, _, name = scope.partition(":")
        if kind == "repo":
            return world.repositories.place(name) == spec.repo
        return not kind or name == service

    return with_variables(spec, known, holds, environment)


def service_named(text: str | None) -> str:
    """The one service that this headway.yaml describes; "" without one, and for a file that cannot
    be read: whoever needs more of it says what is wrong.
    """
    if text is None:
        return ""
    from headway.settings import workspace  # noqa: PLC0415  most runs need no schema
    from headway.settings.reading import parse  # noqa: PLC0415

    try:
        if "services" in text and workspace.read(text, FILE) is not None:
            return ""
        return parse(text, FILE)[1].name
    except Invalid:
        return ""


def _file(world: World, spec: RunSpec) -> str | None:
    try:
        return world.source.read(spec.repo, spec.sha, FILE).decode("utf-8", "replace")
    except Invalid:
        return None


def _hosted(home: Path, spec: RunSpec) -> str:
    """The name under which the home hosts the repository."""
    repo = Path(spec.repo)
    return repo.stem if repo.parent == home.resolve() / "git" else ""
