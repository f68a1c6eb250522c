"""`headway config`: is the file right, what does it mean for an environment, what does a key mean.

Reads headway.yaml of a folder and changes nothing. Errors are raised as Invalid; cli/main turns
them into text and exit codes.
"""

import json
from pathlib import Path

import click

from headway import settings
from headway.model.errors import Invalid
from headway.settings import schema as schemas
from headway.settings.keys import Key
from headway.settings.origins import Origin, explain, key, written

_PATH = click.argument("path", default=".", type=click.Path(path_type=Path))
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group()
def config() -> None:
    """Read headway.yaml: check it, show what it means, explain a key.

    \b
    headway config check
    headway config show --env production
    headway config explain rollout.steps
    """


@config.command()
@_PATH
@_JSON
def check(path: Path, *, as_json: bool) -> None:
    """Say whether headway.yaml in PATH is right, with every problem at its line."""
    service = settings.load(path)
    names = [environment.name for environment in service.environments]
    if as_json:
        _document({"valid": True, "service": service.name, "environments": names})
    else:
        click.echo(f"{settings.find(path).name} is right: {service.name}, {' -> '.join(names)}")


@config.command()
@_PATH
@click.option("--env", "environment", metavar="ENV", help="This environment only.")
@_JSON
def show(path: Path, environment: str | None, *, as_json: bool) -> None:
    """Print what each environment gets, merged, and the line each value comes from."""
    where = settings.find(path)
    text = settings.text_of(where)
    service = settings.read(text, where.name)
    names = [environment] if environment else [e.name for e in service.environments]
    shown = {name: explain(text, where.name, name) for name in names}
    if as_json:
        parts = [{"name": n, "values": [_value(o) for o in shown[n]]} for n in names]
        _document({"service": service.name, "file": where.name, "environments": parts})
        return
    for name in names:
        click.echo(f"{service.name}/{name}")
        _table([(o.key, _line(o.value), _origin(o, where.name)) for o in shown[name]])


@config.command("explain")
@click.argument("name", metavar="KEY")
@_PATH
@_JSON
def explain_key(name: str, path: Path, *, as_json: bool) -> None:
    """Tell what KEY means, its default, and where headway.yaml in PATH sets it."""
    known = key(name)
    places, problem = _places(known, path)
    if as_json:
        _document({"keys": [_about(k) for k in known], "set_at": places, "problem": problem})
        return
    for one in known:
        _tell(one)
    for place in places:
        click.echo(f"set here: {place['key']} at {place['file']}:{place['line']}")
    if problem:
        click.echo(problem)


@config.command()
def schema() -> None:
    """Print the JSON Schema of what this version reads, for editors."""
    _document(schemas.published())


def _document(value: object) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _value(origin: Origin) -> dict[str, object]:
    at = {"line": origin.at.line, "column": origin.at.column} if origin.at else None
    return {"key": origin.key, "value": origin.value, "at": at}


def _origin(origin: Origin, file: str) -> str:
    return f"{file}:{origin.at.line}" if origin.at else "default"


def _table(rows: list[tuple[str, str, str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, value, origin in rows:
        click.echo(f"  {name:<{widths[0]}}  {value:<{widths[1]}}  {origin}")


def _line(value: str) -> str:
    """A value on one line; what cannot be printed is shown as such."""
    joined = value.replace("\n", "\\n").replace("\t", "\\t")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in joined)


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


def _tell(one: Key) -> None:
    if one.issue not in schemas.BUILT:
        click.echo(f"{one.path}: planned, not in this version")
        return
    click.echo(f"{one.path}: {one.meaning}" if one.meaning else one.path)
    facts = (("values", one.values), ("default", one.default), ("strategy", one.strategy))
    for word, fact in facts:
        if fact:
            click.echo(f"  {word}: {fact}")
    if one.in_environments:
        click.echo("  at the top for every environment, or inside one")


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
