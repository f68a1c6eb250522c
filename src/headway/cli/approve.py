"""`headway approve` and `headway reject`: a person's decision on a release for an environment."""

import click

from headway.cli import said
from headway.cli.context import Context, pass_context
from headway.cli.options import verb
from headway.flows import commands
from headway.flows.commands import Word
from headway.model.delivery import Verb as Said


@verb('headway approve shop-43 --env production --reason "load test is green"')
@click.argument("release")
@said.environment()
@said.reason()
@pass_context
def approve(context: Context, release: str, environment: str, reason: str) -> None:
    """Approve a release for an environment.

    You are who is logged in. Your approval counts for this digest and environment only.
    """
    _decide(context, release, Word("approve", context.person, reason, environment))


@verb('headway reject shop-43 --env production --reason "prices are wrong"')
@click.argument("release")
@said.environment()
@said.reason()
@pass_context
def reject(context: Context, release: str, environment: str, reason: str) -> None:
    """Reject a release for an environment; its delivery ends as refused."""
    _decide(context, release, Word("reject", context.person, reason, environment))


def _decide(context: Context, release: str, word: Word) -> None:
    with context.headway.tx() as tx:
        commands.decide_approval(tx, context.headway.outbox, release, word)
    decided: dict[Said, str] = {"approve": "approved", "reject": "rejected"}
    told = {
        "release": release,
        "environment": word.environment,
        "decision": decided[word.verb],
        "by": word.by,
        "reason": word.reason,
    }
    if context.json:
        context.document(told)
    else:
        context.line(f"✓ {release} {decided[word.verb]} for {word.environment} by {word.by}")
