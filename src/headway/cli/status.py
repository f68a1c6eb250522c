"""`headway status`: what runs where, since when, by whom, and what waits."""

from datetime import UTC, datetime

import click

from headway.cli.context import Context, pass_context
from headway.cli.hints import hint
from headway.cli.options import verb
from headway.store.views import status as view
from headway.store.views.status import Here, Open, Status
from headway.wording.text import columns, marked, percent, person, plain, short, since, width


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
    room = context.out.width if context.out.is_terminal else None
    context.lines(lines(found, datetime.now(UTC), service, room))


def lines(found: Status, now: datetime, service: str, room: int | None) -> list[str]:
    """What is printed; `room`: columns of the terminal, None for a pipe."""
    stopped = [f"□ {plain(why)}" for why in found.line]
    if not found.places and not found.open:
        what = f"of {service} " if service else ""
        return [*stopped, hint(f"Nothing {what}was delivered yet. Next: headway deliver")]
    rows = [HEAD, *(_row(p, now) for p in found.places)] if found.places else []
    told = stopped + _fitting(rows, room)
    told += [f"  {p.environment}: {p.because}" for p in found.places if p.phase in _HALTED]
    if found.open:
        told += ["", "Under way:", *_under_way([_waits(o, now) for o in found.open], room)]
    return told


def _fitting(rows: list[tuple[str, ...]], room: int | None) -> list[str]:
    """The table; a terminal that is too narrow for it gets no digests, then no commits."""
    told = columns(rows)
    for name in SPARED:
        if room is None or not told or max(map(width, told)) <= room:
            break
        at = rows[0].index(name)
        rows = [(*r[:at], *r[at + 1 :]) for r in rows]
        told = columns(rows)
    return told


def _under_way(rows: list[tuple[str, ...]], room: int | None) -> list[str]:
    """One line each; in a terminal that is too narrow for it, the reason on a line below."""
    whole = columns(rows)
    if room is None or max(map(width, whole)) <= room:
        return whole
    heads = columns([(*r[:3], *r[4:]) for r in rows])
    return [
        line for head, r in zip(heads, rows, strict=True) for line in (head, f"  {plain(r[3])}")
    ]


HEAD = ("SERVICE", "ENVIRONMENT", "RELEASE", "COMMIT", "DIGEST", "SINCE", "BY", "ROLLOUT")
SPARED = ("DIGEST", "COMMIT")
_HALTED = frozenset({"held", "paused", "stopped"})


def _row(here: Here, now: datetime) -> tuple[str, ...]:
    return (
        here.service,
        here.environment,
        here.release or "none",
        here.commit[:7],
        short(here.digest),
        since(here.since, now),
        person(here.by),
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
