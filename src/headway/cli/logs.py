"""`headway logs`: what the instances of a service wrote, as its target kept it."""

import click

from headway.cli import said
from headway.cli.context import Context, pass_context
from headway.cli.options import verb
from headway.model.deployment import InstanceState
from headway.model.errors import Invalid
from headway.store.views import lists
from headway.store.views.paging import Filter
from headway.wording.text import block


@verb("headway logs shop --env production", "headway logs shop --env staging --lines 500")
@click.argument("service")
@said.environment()
@click.option("--lines", type=click.IntRange(1, 100_000), default=100, show_default=True)
@click.option("--release", default="", help="Only of this release's instances.")
@pass_context
def logs(context: Context, service: str, environment: str, lines: int, release: str) -> None:
    """Show what a service's instances wrote.

    The last lines of each instance, also of one that has ended.
    """
    target = context.headway.world.targets[_target(context, service, environment)]
    seen = target.observe(service, environment)
    found = [i for i in seen if release in {"", i.release}]
    if not found:
        why = f"known are {', '.join(sorted({i.release for i in seen})) or 'none'}"
        hint = "headway status"
        raise Invalid(
            f"no instance of {release or service} in {environment}",
            why=why,
            next=hint,
            code="no-instance",
        )
    for one in sorted(found, key=lambda i: (i.release, i.id)):
        _show(context, one, target.logs(service, environment, one.id, lines))


def _target(context: Context, service: str, environment: str) -> str:
    """Which target runs the environment, as the newest release says."""
    with context.reading() as connection:
        found = lists.list_environments(connection, Filter(service, environment))
    if not found:
        raise Invalid(
            f"there is no {service}/{environment}", next="headway env list", code="unknown-name"
        )
    return found[0].settings.target if found[0].settings else "local"


def _show(context: Context, one: InstanceState, text: str) -> None:
    if context.json:
        for line in text.splitlines():
            context.json_line({"instance": one.id, "release": one.release, "line": line})
        return
    for line in block(text, 100_000):
        context.line(f"{one.release} {one.id}  {line}")
