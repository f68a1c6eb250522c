"""What the commands about accounts share: grants in words, passwords from where they may come."""

import secrets
import sys
from collections.abc import Callable
from typing import Any

import click

from headway.access import rules
from headway.access.principal import Grant
from headway.access.roles import ROLES
from headway.cli.context import Context
from headway.model.errors import Invalid
from headway.store.access import Account, Holder

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
MOST_STDIN = 1024


def role(*, required: bool = False) -> Decorator:
    """`--role ROLE`, `--service NAME`, `--env ENV`: a grant."""

    def dress(function: Callable[..., Any]) -> Callable[..., Any]:
        chosen = click.Choice(ROLES)
        help = "What it may; see docs/how-to/access.md."
        function = click.option("--env", "environment", default="", metavar="ENV",
                                help="Only in this environment.")(function)  # fmt: skip
        function = click.option("--service", default="", metavar="NAME",
                                help="Only of this service.")(function)  # fmt: skip
        return click.option("--role", type=chosen, required=required, help=help)(function)

    return dress


def word(one: Grant) -> str:
    """`operator`, `operator of shop`, `operator of shop/production`, `operator in production`."""
    if one.service and one.environment:
        return f"{one.role} of {one.service}/{one.environment}"
    if one.service:
        return f"{one.role} of {one.service}"
    return f"{one.role} in {one.environment}" if one.environment else one.role


def as_json(one: Grant) -> dict[str, str]:
    """A grant as JSON has it."""
    return {"role": one.role, "service": one.service, "environment": one.environment}


def account(one: Account) -> Holder:
    """The account as somebody who is granted something."""
    return Holder("account", one.name)


def password(context: Context, name: str, *, from_stdin: bool) -> tuple[str, bool]:
    """A good password, and whether it was made here and is to be shown. Raises Invalid
    (`weak-password`).
    """
    if from_stdin:
        given, made = sys.stdin.readline(MOST_STDIN).rstrip("\r\n"), False
    elif not context.no_input and not context.json and sys.stdin.isatty():
        text = "Password (empty: make one)"
        given = click.prompt(text, hide_input=True, default="", show_default=False, err=True)
        if given and given != click.prompt("Again", hide_input=True, err=True):
            raise Invalid("the two are not the same", code="weak-password")
        given, made = (given, False) if given else (secrets.token_urlsafe(15), True)
    else:
        given, made = secrets.token_urlsafe(15), True
    rules.password(given, name)
    return given, made
