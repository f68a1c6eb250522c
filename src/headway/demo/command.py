"""`headway demo`: the whole story on this machine, and `--report` with every number of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headway.cli.context import Context, pass_context
from headway.cli.options import verb
from headway.model.errors import Invalid

if TYPE_CHECKING:
    from headway.demo.report import Asked

RATE, LEAST_RATE, LOW_RATE = 500.0, 400.0, 1.0


@verb(
    "headway demo",
    "headway demo --fault none --report demo.json",
    "headway demo --chaos",
    "headway demo --low-traffic",
)
@click.option(
    "--fault",
    type=click.Choice(["both", "errors", "latency", "leak", "none"]),
    default="both",
    show_default=True,
    help="What is wrong with v3.",
)
@click.option(
    "--rate", type=float, help=f"Requests per second, {LEAST_RATE:g} at least.  [default: {RATE:g}]"
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of users, faults and kills.")
@click.option("--report", "file", type=click.Path(dir_okay=False), help="Every number, as JSON.")
@click.option("--chaos", is_flag=True, help="Kill the server (SIGKILL) in mid-canary, twice.")
@click.option("--low-traffic", is_flag=True, help="So few users that v2 must end in hold.")
@click.option("--keep", is_flag=True, help="Leave the server and the shop running.")
@click.option("--stop", is_flag=True, help="End what --keep left running in --home DIR.")
@pass_context
def demo(context: Context, /, **given: Any) -> None:
    """Show the whole story on this machine: three deliveries of a small shop with live users.

    v1 is delivered, v2 is promoted, v3 is caught in its canary and rolled back. No root, no Docker.
    It works in a new folder (or --home DIR), which stays as evidence. Exit codes: 0 all is as it
    should be and no request was lost, 1 it is not.
    """
    if given["stop"]:
        _stop(context)
    else:
        click.get_current_context().exit(_run(context, given))


def _stop(context: Context) -> None:
    from headway.demo import stage, stop  # noqa: PLC0415

    stop.stop_kept(stage.known(_home(context)))
    context.line("stopped; nothing of it runs any more")


def _home(context: Context) -> Path | None:
    """Only one given in so many words: HEADWAY_HOME is somebody's real one."""
    return Path(context.home) if context.home else None


def _run(context: Context, given: Mapping[str, Any]) -> int:
    from headway.demo import perform, stage  # noqa: PLC0415
    from headway.demo.show import Show  # noqa: PLC0415

    asked, file = _asked(given), Path(given["file"]) if given["file"] else None
    if file is not None and not file.absolute().parent.is_dir():
        why = f"there is no folder {file.absolute().parent}"
        raise Invalid(f"{file} cannot be written", why=why, code="report")
    perform.announce(context, asked)
    show = Show(context, stage.prepare(_home(context)), asked)
    return perform.perform(context, show, file, keep=given["keep"])


def _asked(given: Mapping[str, Any]) -> "Asked":
    from headway.demo.report import Asked  # noqa: PLC0415

    rate, low = given["rate"], given["low_traffic"]
    if low and rate is not None:
        raise click.UsageError("--low-traffic has a rate of its own: leave out --rate")
    if rate is not None and not rate >= LEAST_RATE:
        raise click.UsageError(f"--rate {rate:g} is below {LEAST_RATE:g} requests per second")
    wanted = LOW_RATE if low else rate or RATE
    return Asked(given["fault"], wanted, given["seed"], given["chaos"], low)
