"""The options by which a person gives a reason and names an environment, the same everywhere."""

from collections.abc import Callable
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def reason(*, required: bool = True) -> Decorator:
    """`--reason TEXT`, which goes to the audit trail."""
    help = "Why; kept with the fact."
    return click.option("--reason", required=required, metavar="TEXT", help=help)


def environment(*, required: bool = True) -> Decorator:
    """`--env ENV`."""
    # A default, even an empty one, would do for the value that is required.
    default: dict[str, Any] = {} if required else {"default": ""}
    return click.option(
        "--env", "environment", required=required, metavar="ENV", help="Environment.", **default
    )


def limit() -> Decorator:
    """`--limit N`, for lists."""
    return click.option(
        "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most."
    )


def service() -> Decorator:
    """`--service NAME`, for lists."""
    return click.option("--service", default="", metavar="NAME", help="Only of this service.")
