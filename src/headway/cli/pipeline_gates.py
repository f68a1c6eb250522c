"""`headway pipeline approve` and `reject`: what a person says of an environment a run waits for.

Added to the noun by cli/pipeline.py.
"""

import time

import click

from headway.cli import said
from headway.cli.context import Context, pass_context
from headway.cli.hints import hint
from headway.cli.options import verb
from headway.cli.pipeline_named import named


@verb('headway pipeline approve last --env production --reason "load test is green"')
@click.argument("run")
@said.environment()
@said.reason(required=False)
@pass_context
def approve(context: Context, run: str, environment: str, reason: str | None) -> None:
    """Let the jobs of an environment begin that a run waits with.

    You are who is logged in. It counts for this run only. A run that no process drives goes on with
    `headway pipeline resume`.
    """
    decided(context, run, environment, reason or "", approved=True)


@verb('headway pipeline reject last --env production --reason "prices are wrong"')
@click.argument("run")
@said.environment()
@said.reason()
@pass_context
def reject(context: Context, run: str, environment: str, reason: str) -> None:
    """Refuse an environment that a run waits for; its jobs are red."""
    decided(context, run, environment, reason, approved=False)


def decided(context: Context, run: str, environment: str, reason: str, *, approved: bool) -> None:
    """Leave the word and say so. Raises as flows/run_inbox.told."""
    from headway.adapters.system.bell import RUNS, ring  # noqa: PLC0415
    from headway.flows import run_inbox  # noqa: PLC0415
    from headway.pipeline.run.state import Decided  # noqa: PLC0415
    from headway.store import access, run_log  # noqa: PLC0415

    id = named(context, run)
    word = Decided(environment, context.person, approved, reason, time.time())
    with context.reading() as connection:
        known = access.known(connection, word.by)
    state = run_inbox.told(context.headway.tx, context.home_folder, id, word, known)
    ring(context.home_folder, RUNS)
    driven = run_log.driven(context.home_folder, id)
    decision = "approved" if approved else "rejected"
    if context.json:
        told = {"run": id, "environment": environment, "decision": decision, "by": word.by}
        context.document({**told, "reason": reason, "driven": driven})
        return
    context.line(f"✓ {environment} {decision} for {id} by {word.by}")
    if not driven and not state.spec.served:
        context.note(hint(f"no process drives it; next: headway pipeline resume {id}"))
