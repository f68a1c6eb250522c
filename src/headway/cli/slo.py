"""`headway slo`: goals for users, how much of their error budgets is left, and how fast it goes."""

import time
from typing import TYPE_CHECKING

import click

from headway.cli import said
from headway.cli.context import Context, pass_context
from headway.cli.options import Noun
from headway.model.errors import Invalid

if TYPE_CHECKING:
    from headway.cli.slo_text import Latency
    from headway.slo.rules import Subject


@click.group(cls=Noun, examples=("headway slo list", "headway slo show availability"))
def slo() -> None:
    """Goals for users, and what is left of their error budgets."""


@slo.verb("headway slo list", "headway slo list --service shop --json", name="list")
@said.service()
@said.environment(required=False)
@pass_context
def listing(context: Context, service: str, environment: str) -> None:
    """Every SLO: compliance, what is left of the budget, and how fast it goes."""
    from headway.cli.slo_text import rows  # noqa: PLC0415  loads YAML
    from headway.store.views import slo as views  # noqa: PLC0415

    now = time.time()
    with context.reading() as connection:
        wanted = views.subjects(connection, service, environment)
        found = [views.standing(connection, s, now) for s in wanted]
    if context.json:
        context.document({"items": found})
    else:
        context.lines(rows(found))


@slo.verb("headway slo show availability", "headway slo show shop/production/availability --json")
@click.argument("name", metavar="SLO")
@pass_context
def show(context: Context, name: str) -> None:
    """Show compliance, budget, burn per window and each release's part.

    SLO is its name, or SERVICE/ENV/NAME where several have it.
    """
    from headway.cli.slo_text import page  # noqa: PLC0415
    from headway.store.views import slo as views  # noqa: PLC0415

    with context.reading() as connection:
        subject = _one(views.subjects(connection), name)
        seen = views.shown(connection, subject, time.time())
    percentiles = _latencies(context, subject)
    if context.json:
        context.document({"slo": seen, "latency": [x._asdict() for x in percentiles]})
    else:
        context.lines(page(subject.slo, seen, percentiles))


@slo.verb("headway slo rules > slo.rules.yml", "headway slo rules --service shop --no-levels")
@said.service()
@said.environment(required=False)
@click.option(
    "--format",
    "shape",
    type=click.Choice(["prometheus"]),
    default="prometheus",
    show_default=True,
    help="For whom.",
)
@click.option(
    "--levels/--no-levels", default=True, help="Also the levels: 2x is looked at, 5x pages."
)
@pass_context
def rules(
    context: Context,
    service: str,
    environment: str,
    shape: str,
    *,
    levels: bool,
) -> None:
    """Write recording and alerting rules for a Prometheus that keeps the same goals.

    Those of SLOs without a `source` read the counters that `headway slo metrics` prints.
    """
    from headway.cli.slo_text import rule_file  # noqa: PLC0415
    from headway.slo.rules import groups  # noqa: PLC0415
    from headway.store.views import slo as views  # noqa: PLC0415

    with context.reading() as connection:
        made = groups(views.subjects(connection, service, environment), with_levels=levels)
    if context.json:
        context.document(made)
    else:
        click.echo(rule_file(made), nl=False)


@slo.verb("headway slo metrics > headway.prom", "headway slo metrics --service shop")
@said.service()
@pass_context
def metrics(context: Context, service: str) -> None:
    """Print what was counted for each SLO, as Prometheus reads it."""
    from headway.slo.exposition import exposition  # noqa: PLC0415
    from headway.store.views import slo as views  # noqa: PLC0415

    with context.reading() as connection:
        found = views.counted(connection, service)
    if context.json:
        context.document({"items": found})
    else:
        context.lines(exposition(found))


def _latencies(context: Context, subject: "Subject") -> "list[Latency]":
    """Percentiles of each release or of the route, asked of the proxy; none where it does not
    measure the SLO.
    """
    from headway.cli.slo_text import latencies  # noqa: PLC0415

    if subject.slo.source:
        return []
    snapshot = context.headway.world.meter.read(subject.service, subject.environment)
    return latencies(snapshot, subject.slo.route) if snapshot else []


def _one(found: "list[Subject]", name: str) -> "Subject":
    """The SLO that is meant. Raises Invalid (`unknown-slo`, `ambiguous`)."""
    full = {f"{s.service}/{s.environment}/{s.slo.name}": s for s in found}
    mine = {place: s for place, s in full.items() if name in {place, s.slo.name}}
    if len(mine) == 1:
        return next(iter(mine.values()))
    if mine:
        raise Invalid(
            f"`{name}` names {len(mine)} SLOs",
            why=f"say which: {', '.join(mine)}",
            code="ambiguous",
        )
    raise Invalid(
        f"there is no SLO `{name}`",
        why=f"known: {', '.join(full)}" if full else "no service has one",
        next="headway slo list",
        code="unknown-slo",
    )
