"""`headway rollout report`: the verdict report of one rollout as text, JSON or a picture."""

import shutil
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headway.cli import names
from headway.cli.context import Context, pass_context
from headway.cli.options import Verb
from headway.model.errors import Invalid
from headway.wording.text import harmless_json, plain

if TYPE_CHECKING:
    from headway.store.views.verdict import VerdictView

FORMATS = ("text", "json", "svg")
NARROW, WIDE = 40, 80


@click.command(
    name="report",
    cls=Verb,
    examples=(
        "headway rollout report shop/production",
        "headway rollout report rol_01K --format svg --output verdict.svg",
    ),
)
@click.argument("id", metavar="ROLLOUT", shell_complete=names.rollouts)
@click.option("--format", "form", type=click.Choice(FORMATS), help="text, or json after --json.")
@click.option("--output", metavar="FILE", type=click.Path(path_type=Path), help="Write it there.")
@pass_context
def report(context: Context, id: str, form: str | None, output: Path | None) -> None:
    """Tell what the verdict rests on: each signal's estimate and interval over time for both
    versions, the evidence, what was not provable, what would change it, and how much longer.
    """
    from headway.store.views import ids, verdict  # noqa: PLC0415  it loads the judge

    with context.reading() as connection:
        view = verdict.read(connection, ids.rollout_id(connection, id), time.time())
    form = form or ("json" if context.json else "text")
    if output is None:
        _show(context, view, form)
        return
    _write(output, _rendered(view, form))
    if context.json:
        context.document({"rollout": view.id, "format": form, "file": str(output)})
    else:
        context.note(f"wrote {output}")


def _show(context: Context, view: "VerdictView", form: str) -> None:
    if form == "text":
        context.lines(_text(view, _width(context)))
    else:
        click.echo(_rendered(view, form), nl=False)


def _width(context: Context) -> int:
    """Columns to wrap at; 0 in a pipe, where nothing is wrapped."""
    if not context.out.is_terminal:
        return 0
    return max(NARROW, min(WIDE, shutil.get_terminal_size((WIDE, 24)).columns))


def _rendered(view: "VerdictView", form: str) -> str:
    if form == "svg":
        from headway.cli.verdict_plot import picture  # noqa: PLC0415

        return picture(view)
    if form == "json":
        import msgspec  # noqa: PLC0415

        text = msgspec.json.format(msgspec.json.encode(view), indent=2).decode()
        return harmless_json(text) + "\n"
    return "".join(f"{line}\n" for line in _text(view, 0))


def _text(view: "VerdictView", width: int) -> list[str]:
    from headway.cli.verdict_text import lines  # noqa: PLC0415

    return [part for line in lines(view) for part in wrapped(line, width)]


def wrapped(line: str, width: int) -> list[str]:
    """The line in pieces of at most `width` columns, the later ones indented deeper."""
    if not width or len(line) <= width:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.wrap(line, width, subsequent_indent=indent, drop_whitespace=True)


def _write(output: Path, text: str) -> None:
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Invalid(
            f"the report cannot be written to {plain(output)}",
            why=error.strerror or str(error),
            next="headway rollout report ROLLOUT --output FILE",
            code="output",
        ) from error
