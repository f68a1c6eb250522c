"""`headway prune`: what is old is taken away; the server does so every hour."""

import time
from dataclasses import asdict

import click

from headway.cli.context import Context, pass_context
from headway.cli.options import verb
from headway.wording.text import size


@verb("headway prune --dry-run", "headway prune", "headway prune --keep-days 14")
@click.option("--dry-run", is_flag=True, help="Say what would go; change nothing.")
@click.option(
    "--keep-days",
    type=click.IntRange(1, 36_500),
    metavar="N",
    help="For all of it, instead of what retention.yaml says.",
)
@pass_context
def prune(context: Context, keep_days: int | None, *, dry_run: bool) -> None:
    """Take away what is old: workspaces, logs, artifacts.

    Never the event log, never releases, never an artifact that a place runs or may go back to.
    """
    from headway.retention.round import Ask  # noqa: PLC0415
    from headway.retention.round import prune as take_away  # noqa: PLC0415
    from headway.retention.settings import read  # noqa: PLC0415

    headway = context.headway
    kept = read(headway.home)
    kept = kept.within(keep_days) if keep_days else kept
    asked = Ask(headway.home, headway.tx, kept, context.person, time.time())
    if keep_days and not dry_run:
        context.confirm(f"Take away what is older than {keep_days} days?")
    done = take_away(asked, dry_run=dry_run)
    if context.json:
        context.document({"dry_run": dry_run, "kept": asdict(kept), **asdict(done)})
        return
    context.line("would go:" if dry_run else "gone:")
    for many, bytes_ in (
        (f"{done.runs} runs, with workspaces and logs", done.run_bytes),
        (f"{done.artifacts} artifacts that nothing needs", done.artifact_bytes),
        (f"{done.unpacked} unpacked artifacts", done.unpacked_bytes),
    ):
        context.line(f"  {many}, {size(bytes_)}")
    context.line(
        f"  {done.windows} judged windows, {done.messages} messages, {done.triggers} triggers"
    )
