"""`headway status`: what runs where, since when, by whom, and what waits."""

from datetime import UTC, datetime

import click

from headway.cli.context import Context, pass_context
from headway.cli.options import verb
from headway.store.views import status as view
from headway.store.views.status import Here, Open, Status
from headway.wording.text import columns, marked, percent, plain, short, since


@verb("headway status", "headway status shop", "headway status --json")
@click.argument("service", default="")
@pass_context
def status(context: Context, service: str) -> None:
    """Show what runs where, since when, and what waits."""
    with context.reading() as connection:
        found = view.read(connection, service)
    if context.json:
        context.document(found)
        return
    context.lines(_lines(found, datetime.now(UTC), service))


def _lines(found: Status, now: datetime, service: str) -> list[str]:
    stopped = [f"□ {plain(why)}" for why in found.line]
    if not found.places and not found.open:
        what = f"of {service} " if service else ""
        return [*stopped, f"Nothing {what}was delivered yet. Next: headway deliver"]
    head = ("SERVICE", "ENVIRONMENT", "RELEASE", "COMMIT", "DIGEST", "SINCE", "BY", "ROLLOUT")
    told = stopped + columns([head, *(_row(p, now) for p in found.places)] if found.places else [])
    told += [f"  {p.environment}: {p.because}" for p in found.places if p.phase in _HALTED]
    if found.open:
        told += ["", "Under way:", *columns([_waits(o, now) for o in found.open])]
    return told


_HALTED = frozenset({"held", "paused", "stopped"})


def _row(here: Here, now: datetime) -> tuple[str, ...]:
    return (
        here.service,
        here.environment,
        here.release or "none",
        here.commit[:7],
        short(here.digest),
        since(here.since, now),
        here.by,
        _rollout(here),
    )


def _rollout(here: Here) -> str:
    if not here.rollout:
        return here.address
    return f"{marked(here.phase)} {here.candidate} {percent(here.share)}"


def _waits(one: Open, now: datetime) -> tuple[str, ...]:
    where = f"{one.service}/{one.environment}" if one.environment else one.service
    name = one.release or one.commit[:7]
    return (marked(one.state), where, name, one.because, since(one.requested_at, now), one.delivery)
