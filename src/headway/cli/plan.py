"""`headway plan`: what would happen to a commit, why, and each gate's answer. Changes nothing."""

import click

from headway.cli import said
from headway.cli.context import Context, pass_context
from headway.cli.options import verb
from headway.cli.preview import Place, Preview, preview
from headway.model.errors import Refused
from headway.wording.text import columns, plain

STILL_WAITING = 5


@verb("headway plan", "headway plan release-7 --env production", "headway plan --path ~/src/shop")
@click.argument("rev", default="HEAD")
@click.option("--path", default=".", type=click.Path(), help="A folder in the repository.")
@said.environment(required=False)
@pass_context
def plan(context: Context, rev: str, path: str, environment: str) -> None:
    """Show what would happen to a commit, and why.

    Reads headway.yaml and the workflow at that commit and asks each gate. Exit codes: 0 all would
    start by themselves, 3 something is refused, 5 something would wait.
    """
    seen = preview(context, path, rev, environment)
    if context.json:
        context.document(seen)
    else:
        context.lines(_lines(seen))
    words = {place.word for place in seen.places}
    waits = STILL_WAITING if "waits" in words else 0
    click.get_current_context().exit(Refused.exit_code if "refused" in words else waits)


def _lines(seen: Preview) -> list[str]:
    name = f"is {seen.release}" if seen.exists else f"would be {seen.release}"
    lines = [
        f"{seen.service}  {seen.commit[:7]}  {plain(seen.subject, 60)}  {name}",
        f"pipeline  {', '.join(seen.jobs)}",
    ]
    heads = columns([(p.environment, p.how, p.word) for p in seen.places])
    for head, place in zip(heads, seen.places, strict=True):
        lines += [head, *_gates(place)]
    return [*lines, "Nothing was changed."]


def _gates(place: Place) -> list[str]:
    """The gates that say something: of a place that would start now, only those set up."""
    shown = [g for g in place.gates if g.outcome != "PASS" or place.word != "now"]
    rows = [(f"{g.outcome}", g.judge, g.because, g.next) for g in shown]
    return [f"  {line}" for line in columns(rows)]
