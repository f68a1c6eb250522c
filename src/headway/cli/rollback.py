"""`headway rollback`: a person goes back to the last known good release, or to a named one."""

import click

from headway.cli import said
from headway.cli.context import Context, pass_context
from headway.cli.driving import finish
from headway.cli.duration import Duration
from headway.cli.options import verb
from headway.flows import commands
from headway.flows.commands import Word


@verb(
    'headway rollback shop --env production --reason "checkout is slow"',
    'headway rollback shop --env production --to shop-41 --reason "last one without the bug"',
)
@click.argument("service")
@said.environment()
@click.option("--to", default="", metavar="RELEASE", help="Else the last one that was good here.")
@said.reason()
@click.option("--timeout", type=Duration(), help="Follow for so long at most; then exit 5.")
@pass_context
def rollback(  # noqa: PLR0913
    context: Context, service: str, environment: str, to: str, reason: str, timeout: float | None
) -> None:
    """Go back to the last known good release.

    In a running rollout this aborts it. What is left behind is quarantined in the environment.
    """
    word = Word("abort", context.person, reason, environment)

    def ask() -> str:
        with context.headway.tx() as tx:
            return commands.go_back(tx, context.headway.outbox, service, word, to)

    finish(context, [ask], timeout)
