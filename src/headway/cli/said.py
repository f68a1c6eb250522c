"""The options by which a person gives a reason and names an environment, the same everywhere."""

from collections.abc import Callable
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def reason(*, required: bool = True) -> Decorator:
    """`--reason TEXT`, which goes to the audit trail."""
    help = "Why; kept with the fact."
    return click.option("--reason", required=required, default=None, metavar="TEXT", help=help)


def environment(*, required: bool = True) -> Decorator:
    """`--env ENV`."""
    return click.option(
        "--env", "environment", required=required, default="", metavar="ENV", help="Environment."
    )


def limit() -> Decorator:
    """`--limit N`, for lists."""
    return click.option(
        "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most."
    )


def service() -> Decorator:
    """`--service NAME`, for lists."""
    return click.option("--service", default="", metavar="NAME", help="Only of this service.")
