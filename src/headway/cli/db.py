"""`headway db move`: the same home on another database."""

import re
from dataclasses import replace

import click

from headway.cli.context import Context, pass_context
from headway.cli.options import Noun
from headway.model.errors import Invalid, Refused
from headway.store.place import Place, address, shown
from headway.wording.text import plain

_URL = re.compile(r"(postgresql\+psycopg://\S+/\S+|sqlite:////\S.*)")


@click.group(
    cls=Noun,
    examples=(
        "headway db move --to postgresql://headway@db.example/headway",
        "headway db move --to sqlite",
    ),
)
def db() -> None:
    """The database: move everything to another one."""


@db.verb(
    "headway db move --to postgresql://headway@db.example/headway",
    "headway db move --to sqlite",
)
@click.option(
    "--to", required=True, metavar="URL", help="An empty database; `sqlite`: a file in the home."
)
@pass_context
def move(context: Context, to: str) -> None:
    """Copy everything into another database, and compare; the old one is only read.

    No server may run, and no delivery may be under way. Killed, it goes on where it was when it is
    called again.
    """
    target = _target(context.place, to)
    file = context.place.file
    if file is not None and not file.exists():
        raise Invalid(f"there is no database {file}", next="headway --home DIR …", code="no-home")
    headway = context.headway
    from headway.store.moving import move as copy  # noqa: PLC0415
    from headway.wiring import prepare_engine  # noqa: PLC0415

    with headway.alone():
        prepare_engine(headway.url)
        _must_rest(headway.outbox.open_flows())
        moved = copy(context.place, target, prepare_engine, headway.executor)
    line = _switch(target)
    if context.json:
        rows = {name: held.rows for name, held in moved.tables.items()}
        log = {"seq": moved.seq, "log_digest": moved.digest}
        context.document({"tables": rows, "resumed": moved.resumed, "switch": line} | log)
        return
    total = sum(held.rows for held in moved.tables.values())
    context.line(f"ok  {len(moved.tables)} tables, {total} rows, read back and equal")
    context.line(f"events 1 to {moved.seq}: {moved.digest}")
    context.note("the old database is as it was; put it aside, so that nobody goes on with it")
    context.note("from now on, for the server and every command:")
    context.line(line)


def _target(place: Place, to: str) -> Place:
    inside = f"sqlite:///{place.home / 'headway.db'}"
    url = inside if to == "sqlite" else address(to)
    if not _URL.fullmatch(url):
        raise Invalid(
            f"{plain(shown(to), 200)!r} is no database's URL",
            next="headway db move --to postgresql://USER@HOST/NAME, or --to sqlite",
            code="database-url",
        )
    target = replace(place, database=url)
    if url == place.database:
        raise Invalid("that is the database in use", code="database-url")
    if target.file is not None and place.file is not None:
        raise Invalid("from a file to a file: copy it with `headway backup`", code="database-url")
    return target


def _must_rest(open_flows: list[str]) -> None:
    if open_flows:
        raise Refused(
            f"{len(open_flows)} flows are under way or wait",
            why=f"{plain(open_flows[0], 60)}: what a flow remembers of its engine stays with it",
            next="headway delivery list; let them end, or headway delivery cancel ID",
            code="under-way",
        )


def _switch(target: Place) -> str:
    file = target.file
    if file is not None and file == target.home / "headway.db":
        return "unset HEADWAY_DATABASE"
    return f"export HEADWAY_DATABASE={shown(target.database)}"
