"""What every command is given: the common options, the two outputs, and Headway when it is needed.

Nothing heavy is imported or opened before a command asks for it, so that `--help` is instant.
Commands take it with `@pass_context`. Data goes to stdout, progress and errors to stderr; each
output is checked for a terminal on its own.
"""

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headway.model.errors import Invalid
from headway.wording.text import harmless_json, plain_line, symbol

if TYPE_CHECKING:
    import sqlalchemy as sa
    from rich.console import Console

    from headway.store.place import Place
    from headway.wiring import Headway


class Context:
    """The common options as given; `hard_exit`: threads of an engine may still be at work."""

    def __init__(self) -> None:
        self.json = False
        self.quiet = False
        self.verbose = False
        self.no_color = False
        self.no_input = False
        self.yes = False
        self.home: str | None = None
        self.hard_exit = False

    @property
    def home_folder(self) -> Path:
        """The home in use; it need not exist."""
        return self.place.home

    @cached_property
    def place(self) -> "Place":
        """Where Headway lives. Raises Invalid (`planned`) if HEADWAY_SERVER is set."""
        from headway.store.place import locate  # noqa: PLC0415

        if os.environ.get("HEADWAY_SERVER") and self.home is None:
            raise server_is_planned("HEADWAY_SERVER")
        return locate(self.home, os.environ)

    @cached_property
    def headway(self) -> "Headway":
        """Headway itself; makes the home if it is not there. Raises Invalid (`home`)."""
        from headway.wiring import Headway  # noqa: PLC0415

        try:
            return Headway(self.place)
        except OSError as error:
            why = f"{error.filename or self.place.home}: {error.strerror}"
            hint = "headway --home DIR …"
            raise Invalid(
                "the home folder cannot be used", why=why, next=hint, code="home"
            ) from error

    @contextmanager
    def reading(self) -> "Iterator[sa.Connection]":
        """A connection that only reads. Where there is no home yet, everything is empty and none
        is made.
        """
        from headway.store import database  # noqa: PLC0415

        file = self.place.file
        if file is not None and not file.exists():
            with _nothing() as connection:
                yield connection
            return
        with database.reading(self._records) as connection:
            yield connection

    @cached_property
    def _records(self) -> "sa.Engine":
        """The database's connections, without the rest of Headway."""
        from headway.store import database  # noqa: PLC0415

        database.prepare(self.place.database)
        return database.connect(self.place.database)

    @property
    def person(self) -> str:
        """Who asks: the name of the login."""
        return getpass.getuser()

    @cached_property
    def out(self) -> "Console":
        """stdout."""
        return self._console(stderr=False)

    @cached_property
    def err(self) -> "Console":
        """stderr."""
        return self._console(stderr=True)

    def _console(self, *, stderr: bool) -> "Console":
        from rich.console import Console  # noqa: PLC0415

        dull = self.no_color or bool(os.environ.get("NO_COLOR")) or _dumb()
        return Console(
            stderr=stderr,
            no_color=dull,
            color_system=None if dull else "auto",
            force_terminal=False if _dumb() else None,
            markup=False,
            emoji=False,
            highlight=False,
        )

    def document(self, value: Any) -> None:
        """One JSON document on stdout: dataclasses, dicts, lists."""
        import msgspec  # noqa: PLC0415

        text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
        click.echo(harmless_json(text))

    def json_line(self, value: Any) -> None:
        """One JSON document in one line on stdout."""
        import msgspec  # noqa: PLC0415

        click.echo(harmless_json(msgspec.json.encode(value).decode()))

    def line(self, text: str = "") -> None:
        """One line of data on stdout; `text` is harmless already or made so."""
        click.echo(self._painted(plain_line(text), sys.stdout))

    def lines(self, several: list[str]) -> None:
        """Lines of data on stdout."""
        for one in several:
            self.line(one)

    def note(self, text: str) -> None:
        """One line of progress on stderr; none with --quiet."""
        if not self.quiet:
            click.echo(self._painted(plain_line(text), sys.stderr), err=True)

    def complain(self, text: str) -> None:
        """One line of an error on stderr."""
        click.echo(plain_line(text), err=True)

    def _painted(self, text: str, stream: Any) -> str:
        """The signs of states in their colours, where the output shows colours."""
        dull = self.no_color or os.environ.get("NO_COLOR") or _dumb() or not stream.isatty()
        return text if dull else paint(text)

    def confirm(self, question: str) -> None:
        """Ask before something dangerous. Raises Invalid (`not-confirmed`)."""
        if self.yes:
            return
        asks = not self.no_input and not self.json and sys.stdin.isatty()
        if not asks or not click.confirm(question, err=True):
            raise Invalid(
                "not confirmed; nothing was changed", why=question, next="say --yes", code="confirm"
            )


def _dumb() -> bool:
    return os.environ.get("TERM") == "dumb"


def paint(text: str) -> str:
    """Colour each sign of a state."""
    for word in ("ok", "failed", "rolled_back", "waiting", "running", "cancelled"):
        sign, colour = symbol(word)
        text = text.replace(f"{sign} ", f"{click.style(sign, fg=colour)} ")
    return text


def server_is_planned(name: str) -> Invalid:
    """`--server` is in the plan, not in this version."""
    return Invalid(
        f"`{name}` is planned, not in this version",
        why="this version works in the home folder of this machine",
        next="headway --home DIR …",
        code="planned",
    )


@contextmanager
def _nothing() -> "Iterator[sa.Connection]":
    """An empty database in memory."""
    import sqlalchemy as sa  # noqa: PLC0415

    from headway.store.tables import metadata  # noqa: PLC0415

    engine = sa.create_engine("sqlite://")
    try:
        with engine.connect() as connection:
            metadata.create_all(connection)
            yield connection
    finally:
        engine.dispose()


pass_context = click.make_pass_decorator(Context, ensure=True)
