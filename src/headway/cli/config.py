"""`headway config`: is the file right, what does it mean for an environment, what does a key mean.

Reads headway.yaml of a folder and changes nothing. Errors are raised as Invalid; cli/main turns
them into text and exit codes.
"""

from datetime import UTC, datetime
from pathlib import Path

import click

from headway import document, settings
from headway.cli.context import Context, pass_context
from headway.cli.options import Noun
from headway.document import Mapping
from headway.model.errors import Invalid
from headway.model.job_settings import utc_day
from headway.model.service import Service
from headway.settings import openslo, reading, workspace
from headway.settings import schema as schemas
from headway.settings.checks import waivers
from headway.settings.keys import Key
from headway.settings.origins import Origin, explained, key, written
from headway.wording.text import columns

WORKSPACE = "the workspace's headway.yaml"
_PATH = click.argument("path", default=".", type=click.Path(path_type=Path))


@click.group(
    cls=Noun,
    examples=(
        "headway config check",
        "headway config show --env production",
        "headway config explain rollout.steps",
    ),
)
def config() -> None:
    """Read headway.yaml: check it, show what it means, explain a key."""


@config.verb("headway config check", "headway config check services/shop --json")
@_PATH
@pass_context
def check(context: Context, path: Path) -> None:
    """Say whether headway.yaml in PATH is right, with every problem at its line."""
    where = settings.find(path)
    many = workspace.read(settings.text_of(where), where.name)
    files = [where.parent / f / settings.NAME for f in many.services.values()] if many else [where]
    found = [(file, _checked(file)) for file in files]
    _ends(where, files)
    told = [{"service": s.name, "environments": [e.name for e in s.environments]} for _, s in found]
    if context.json:
        context.document({"valid": True, **(told[0] if not many else {"services": told})})
        return
    for file, service in found:
        path_of = " -> ".join(e.name for e in service.environments)
        name = file.relative_to(where.parent)
        context.line(f"{name} is right: {service.name}, {path_of}")


def _ends(where: Path, files: list[Path]) -> None:
    """Raises Invalid for waivers in these files that last too long from today on."""
    today = utc_day(datetime.now(UTC).timestamp())
    problems = []
    for file in dict.fromkeys((where, *files)):
        name = str(file.relative_to(where.parent))
        root = document.read(settings.text_of(file), name, limits=reading.LIMITS)
        if isinstance(root, Mapping):
            problems += waivers.too_long(root, name, today)
    if problems:
        raise document.invalid(problems)


def _checked(file: Path) -> Service:
    """The service of a file, with the defaults of its workspace and the files that it names."""
    where = settings.find(file)
    above = workspace.around(where)
    if above is None:
        return openslo.resolved(settings.load(where), lambda one: _beside(where, one))
    many, name, root = above
    at = (where.resolve().relative_to(root).as_posix(), root / settings.NAME)
    service = workspace.service(many, name, settings.text_of(where), at[0])
    return openslo.resolved(service, lambda one: _beside(at[1], one))


@config.verb("headway config show", "headway config show --env production")
@_PATH
@click.option("--env", "environment", metavar="ENV", help="This environment only.")
@pass_context
def show(context: Context, path: Path, environment: str | None) -> None:
    """Print what each environment gets, merged, and the line each value comes from."""
    where = settings.find(path)
    root, service = _merged(where)
    names = [environment] if environment else [e.name for e in service.environments]
    shown = {name: explained(root, service, name) for name in names}
    if context.json:
        parts = [{"name": n, "values": [_value(o) for o in shown[n]]} for n in names]
        context.document({"service": service.name, "file": where.name, "environments": parts})
        return
    for name in names:
        context.line(f"{service.name}/{name}")
        rows = [(o.key, _line(o.value), _origin(o, where.name)) for o in shown[name]]
        context.lines([f"  {row}" for row in columns(rows)])


def _merged(where: Path) -> tuple[Mapping, Service]:
    text, above = settings.text_of(where), workspace.around(where)
    if above is None:
        return reading.parse(text, where.name)
    return workspace.merged(above[0], above[1], text, where.name)


@config.verb("headway config explain rollout.steps", "headway config explain bake", name="explain")
@click.argument("name", metavar="KEY")
@_PATH
@pass_context
def explain_key(context: Context, name: str, path: Path) -> None:
    """Tell what KEY means, its default, and where headway.yaml in PATH sets it."""
    known = key(name)
    places, problem = _places(known, path)
    if context.json:
        about = [_about(k) for k in known]
        context.document({"keys": about, "set_at": places, "problem": problem or None})
        return
    for one in known:
        context.lines(_told(one))
    context.lines([f"set here: {p['key']} at {p['file']}:{p['line']}" for p in places])
    if problem:
        context.note(problem)


@config.verb("headway config schema > headway.schema.json")
@pass_context
def schema(context: Context) -> None:
    """Print the JSON Schema of what this version reads, for editors."""
    context.document(schemas.published())


def _beside(where: Path, file: str) -> str:
    """A file named in headway.yaml, from its folder. Raises Invalid (`missing-file`, `outside`)."""
    folder, found = where.parent.resolve(), (where.parent / file).resolve()
    if not found.is_relative_to(folder):
        raise Invalid(f"{file} leads out of {folder}", why="it is a link", code="outside")
    if not found.is_file():
        raise Invalid(f"there is no {file} in {folder}", code="missing-file")
    return settings.text_of(found)


def _value(origin: Origin) -> dict[str, object]:
    at: dict[str, object] | None = None
    if origin.at:
        file, line = workspace.placed(origin.at, "", WORKSPACE)
        at = {"line": line, "column": origin.at.column} | ({"file": file} if file else {})
    return {"key": origin.key, "value": origin.value, "at": at}


def _origin(origin: Origin, file: str) -> str:
    if origin.at is None:
        return "default"
    name, line = workspace.placed(origin.at, file, WORKSPACE)
    return f"{name}:{line}"


def _line(value: str) -> str:
    """Line breaks are shown as such."""
    return value.replace("\n", "\\n").replace("\t", "\\t")


def _about(one: Key) -> dict[str, object]:
    return {
        "key": one.path,
        "values": one.values,
        "default": one.default,
        "meaning": one.meaning,
        "strategy": one.strategy,
        "planned": one.issue not in schemas.BUILT,
        "in_environments": one.in_environments,
    }


def _told(one: Key) -> list[str]:
    if one.issue not in schemas.BUILT:
        return [f"{one.path}: planned, not in this version"]
    facts = (("values", one.values), ("default", one.default), ("strategy", one.strategy))
    told = [f"{one.path}: {one.meaning}"]
    told += [f"  {word}: {fact}" for word, fact in facts if fact]
    if one.in_environments:
        told.append("  at the top for every environment, or inside one")
    return told


def _places(known: tuple[Key, ...], path: Path) -> tuple[list[dict[str, object]], str]:
    """Where the file sets the keys, and why that cannot be told: explaining needs no file."""
    try:
        where = settings.find(path)
    except Invalid:
        return [], ""
    try:
        text = settings.text_of(where)
        paths = dict.fromkeys(one.path for one in known)
        found = [f for name in paths for f in written(text, where.name, name)]
    except Invalid as error:
        return [], f"{where.name} has problems: {error.what} Run `headway config check`"
    return [
        {"key": name, "file": where.name, "line": at.line, "column": at.column}
        for name, at in found
    ], ""
