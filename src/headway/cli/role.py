"""`headway role`: what each role may, from the one table that every door asks."""

import click

from headway.access.roles import PERMISSIONS, ROLES, allowed
from headway.cli.context import Context, pass_context
from headway.cli.options import Noun
from headway.wording.text import columns


@click.group(cls=Noun, examples=("headway role list",))
def role() -> None:
    """What each role may."""


@role.verb("headway role list", "headway role list --json", name="list")
@pass_context
def listing(context: Context) -> None:
    """Show every permission and the roles that have it."""
    if context.json:
        items = [{"name": r, "permissions": [p for p in PERMISSIONS if allowed(r, p)]}
                 for r in ROLES]  # fmt: skip
        context.document({"items": items})
        return
    marks = [(p, *("yes" if allowed(r, p) else "" for r in ROLES)) for p in PERMISSIONS]
    context.lines(columns([("PERMISSION", *(r.upper() for r in ROLES)), *marks]))
