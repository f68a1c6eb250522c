"""`headway env`: the places where services run."""

from datetime import UTC, datetime

import click

from headway.cli import said
from headway.cli.context import Context, pass_context
from headway.cli.options import Noun
from headway.model.errors import Invalid
from headway.settings.units import duration
from headway.store.views import lists
from headway.store.views.lists import EnvironmentRow
from headway.store.views.paging import Filter
from headway.wording.text import clock, columns, percent, since


@click.group(cls=Noun, examples=("headway env list", "headway env show shop/production"))
def env() -> None:
    """The places where services run."""


@env.verb("headway env list", "headway env list --service shop", name="list")
@said.service()
@pass_context
def listing(context: Context, service: str) -> None:
    """Each service's environments in promotion order."""
    with context.reading() as connection:
        found = lists.list_environments(connection, Filter(service))
    if context.json:
        context.document({"items": found})
        return
    now = datetime.now(UTC)
    head = ("PLACE", "TIER", "STRATEGY", "INSTANCES", "RELEASE", "CANDIDATE", "SINCE", "ADDRESS")
    rows = [
        (
            f"{e.service}/{e.environment}",
            e.tier,
            e.strategy,
            str(e.instances),
            e.release or "none",
            e.candidate,
            since(e.since, now),
            e.address,
        )
        for e in found
    ]
    nothing = "No environment yet. Next: headway deliver"
    context.lines(columns([head, *rows]) if rows else [nothing])


@env.verb("headway env show shop/production", "headway env show production --json")
@click.argument("place", metavar="SERVICE/ENV")
@pass_context
def show(context: Context, place: str) -> None:
    """Show an environment as the newest release has it."""
    service, _, name = place.rpartition("/")
    with context.reading() as connection:
        found = lists.list_environments(connection, Filter(service, name))
    if not found:
        hint = "headway env list"
        raise Invalid(f"there is no environment `{place}`", next=hint, code="unknown-environment")
    if context.json:
        context.document({"items": found})
        return
    for one in found:
        context.lines(_lines(one))


def _lines(one: EnvironmentRow) -> list[str]:
    facts = [
        ("  release", one.release or "none"),
        ("  since", clock(one.since)),
        ("  candidate", one.candidate),
        ("  rollout", one.rollout),
        ("  address", one.address),
    ]
    if one.settings is None:
        facts.append(("  settings", "no longer on the service's path"))
    else:
        rollout, analysis = one.settings.rollout, one.settings.analysis
        shares = " ".join(percent(s.share) for s in rollout.steps)
        steps = f" {shares}" if rollout.strategy == "canary" else ""
        approval = one.settings.approval
        facts += [
            ("  tier", one.tier),
            ("  starts", "by itself" if one.settings.auto else "when a person says so"),
            ("  approval", f"{approval.count} needed" if approval else "not asked for"),
            ("  instances", str(one.instances)),
            ("  rollout", f"{rollout.strategy}{steps}"),
            ("  stability", duration(rollout.stability_seconds)),
            ("  pace", analysis.pace.name),
            ("  no data", analysis.insufficient_data),
        ]
    shown = [f for f in facts if f[1]]
    return [f"{one.service}/{one.environment}", *columns(shown)]
