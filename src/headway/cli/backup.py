"""`headway backup`: a copy of everything in one file; `backup verify`: whether it is one."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headway.cli.context import Context, pass_context
from headway.cli.options import Noun
from headway.model.errors import Invalid
from headway.wording.text import plain, size

if TYPE_CHECKING:
    from headway.backup.manifest import Manifest
    from headway.backup.sealing import Lock

FILE = click.Path(path_type=Path)


class _Backup(Noun):
    """`backup verify FILE`; a word that is no verb is the file of `backup make`."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb, else `make`."""
        return self.commands.get(cmd_name, self.commands["make"])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """What is no verb stays an argument."""
        known = args[0] in self.commands
        verb = args[0] if known else "make"
        return verb, self.commands[verb], args[1:] if known else args


@click.group(
    cls=_Backup,
    examples=(
        "headway backup /var/backups",
        "headway backup make /var/backups --recipient backup.pub",
        "headway backup verify /var/backups/headway-20260102T030405Z.backup",
    ),
)
def backup() -> None:
    """Copy the whole installation into one file, while it works."""


def opening(command: Any) -> Any:
    """The options that open a sealed backup."""
    for option in (
        click.option("--identity", type=FILE, metavar="FILE", help="The private key, PEM, X25519."),
        click.option("--passphrase-file", type=FILE, metavar="FILE", help="It was sealed with it."),
    ):
        command = option(command)
    return command


def opener(passphrase_file: Path | None, identity: Path | None) -> "Lock | None":
    """What opens it; None: nothing was said. Raises Invalid (`key`, `passphrase`)."""
    from headway.backup.sealing import Identity, Passphrase  # noqa: PLC0415

    _one(passphrase_file, identity)
    if identity:
        return Identity(identity)
    return Passphrase(passphrase_file) if passphrase_file else None


def _one(first: Path | None, second: Path | None) -> None:
    if first and second:
        raise Invalid("a passphrase or a key, not both", code="key")


@backup.verb(
    "headway backup /var/backups",
    "headway backup make today.backup --passphrase-file pass.txt",
)
@click.argument("target", type=FILE, metavar="FILE|DIR")
@click.option("--passphrase-file", type=FILE, metavar="FILE", help="Encrypt with its first line.")
@click.option("--recipient", type=FILE, metavar="FILE", help="Encrypt for this public key.")
@pass_context
def make(
    context: Context, target: Path, passphrase_file: Path | None, recipient: Path | None
) -> None:
    """Make a backup of this home and its database; deliveries go on meanwhile.

    It holds signing keys, connections and tokens. Only its owner may read the file; encrypt it
    before it goes anywhere else.
    """
    from headway.backup.make import make as write  # noqa: PLC0415
    from headway.backup.sealing import Passphrase, Recipient  # noqa: PLC0415

    _one(passphrase_file, recipient)
    lock: Lock | None = Recipient(recipient) if recipient else None
    lock = Passphrase(passphrase_file) if passphrase_file else lock
    made = write(context.place, target.absolute(), lock)
    told = {"file": str(made.file), "bytes": made.size, "seconds": made.seconds}
    if context.json:
        context.document(told | {"encrypted": lock is not None} | _summary(made.manifest))
        return
    context.line(f"{plain(str(made.file), 400)}  {size(made.size)} in {made.seconds:g} s")
    context.lines(_lines(made.manifest))
    if lock is None:
        context.note("it holds keys and is not encrypted: --passphrase-file or --recipient")


@backup.verb(
    "headway backup verify today.backup",
    "headway backup verify today.backup --identity key.pem",
)
@click.argument("file", type=FILE)
@opening
@pass_context
def verify(
    context: Context, file: Path, passphrase_file: Path | None, identity: Path | None
) -> None:
    """Read a backup to its end: every file, row and artifact against its digest."""
    from headway.backup.verify import verify as check  # noqa: PLC0415

    told = check(file, opener(passphrase_file, identity))
    if context.json:
        context.document({"file": str(file)} | _summary(told))
        return
    context.line(f"ok  {plain(str(file), 400)}")
    context.lines(_lines(told))


def _summary(told: "Manifest") -> dict[str, object]:
    return {
        "made_at": told.made_at,
        "headway": told.headway,
        "schema": told.schema,
        "home": told.home,
        "database": told.database,
        "seq": told.log.seq,
        "log_digest": told.log.digest,
        "files": len(told.parts),
        "rows": sum(t.rows for t in told.tables.values()),
        "absent": told.absent,
    }


def _lines(told: "Manifest") -> list[str]:
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(told.made_at))
    rows = sum(t.rows for t in told.tables.values())
    lines = [
        f"made {at} by headway {plain(told.headway, 20)} of {plain(told.home, 200)}",
        f"{len(told.parts)} files, {rows} rows, schema {told.schema}",
        f"events 1 to {told.log.seq}: {plain(told.log.digest, 80)}",
    ]
    if told.absent:
        lines.append(f"{len(told.absent)} old releases had no artifact any more")
    return lines
