"""`headway restore`: a home of a backup, held until somebody says that the old one is gone."""

import os
from dataclasses import replace
from pathlib import Path

import click

from headway.cli.backup import FILE, opener, opening
from headway.cli.context import Context, pass_context
from headway.cli.options import verb
from headway.model.errors import Invalid
from headway.store.place import address, shown
from headway.wording.text import plain


@verb(
    "headway restore today.backup --home /srv/headway",
    "headway restore today.backup --database postgresql+psycopg://headway@db.example/headway",
    "headway restore --adopt",
)
@click.argument("file", type=FILE, required=False)
@click.option("--database", metavar="URL", help="Into this database; it must be empty.")
@opening
@click.option("--adopt", is_flag=True, help="The old one is gone: this one acts from now on.")
@click.option("--reason", default="", help="Why; it goes to the audit trail.")
@pass_context
def restore(  # noqa: PLR0913
    context: Context,
    file: Path | None,
    database: str | None,
    passphrase_file: Path | None,
    identity: Path | None,
    reason: str,
    *,
    adopt: bool,
) -> None:
    """Make a home of a backup; it is held at first.

    Held, it can be read, and does nothing to the world. When the installation that the backup was
    made of is gone for good, `headway restore --adopt` lets this one act. What was under way when
    the backup was made is ended, not carried on.
    """
    if adopt == (file is not None):
        raise Invalid(
            "a backup to restore, or --adopt",
            next="headway restore FILE --home DIR",
            code="arguments",
        )
    if file is None:
        _adopt(context, reason)
        return
    _restore(context, file, database, opener(passphrase_file, identity))


def _restore(context: Context, file: Path, database: str | None, lock: object) -> None:
    from headway.backup.restore import Wish  # noqa: PLC0415
    from headway.backup.restore import restore as write  # noqa: PLC0415
    from headway.wiring import prepare_engine  # noqa: PLC0415

    place = replace(context.place, database=address(database)) if database else context.place
    done = write(Wish(file, place, lock, prepare_engine, context.person))  # type: ignore[arg-type]
    told, line = done.manifest, _command(place.home, database)
    if context.json:
        log = {"seq": told.log.seq, "log_digest": told.log.digest}
        held = {"home": str(done.home), "held": True, "next": line}
        context.document(held | log | {"seconds": done.seconds})
        return
    context.line(f"restored {plain(str(done.home), 400)}, events 1 to {told.log.seq}: as they were")
    context.line("it is held: it can be read, and does nothing to the world")
    context.line(f"when the old installation is gone for good:  {line}")


def _command(home: Path, database: str | None) -> str:
    prefix = f"HEADWAY_DATABASE={shown(database)} " if database else ""
    return f"{prefix}headway --home {home} restore --adopt"


def _adopt(context: Context, reason: str) -> None:
    from headway.flows.adopt import adopt  # noqa: PLC0415
    from headway.wiring import prepare_engine  # noqa: PLC0415

    file = context.place.file
    if file is not None and not file.exists():
        raise Invalid(f"there is no home {context.home_folder}", code="no-home")
    context.confirm("Is the installation that the backup was made of gone for good?")
    with context.headway.alone():
        prepare_engine(context.headway.url)
        ended = adopt(context.headway.tx, context.headway.outbox, context.person, reason or _host())
    if context.json:
        context.document(ended)
        return
    context.line("adopted: this installation acts from now on")
    context.line(
        f"ended or let go: {ended.deliveries} deliveries, {ended.runs} runs, "
        f"{ended.messages} messages, {ended.triggers} triggers"
    )
    context.note("next:  headway server")


def _host() -> str:
    return f"at {os.uname().nodename}"
