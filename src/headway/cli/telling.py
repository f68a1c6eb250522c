"""Does the line run? Would people be told, and are they told too much?

Looks of `headway doctor`.
"""

import time

import sqlalchemy as sa

from headway.alert import noise
from headway.cli.context import Context
from headway.model.errors import HeadwayError
from headway.store import alerts, connections, messages, records
from headway.store.tables import places, releases
from headway.store.views import alert_noise
from headway.store.views import line as line_view

WEEK = 7 * 86400.0
Found = tuple[str, str, str]


def line(context: Context) -> Found:
    """(outcome, what was found, fix): whether anything may move."""
    try:
        with context.reading() as connection:
            seen = line_view.read(connection)
    except HeadwayError as error:
        return "warning", str(error), error.next
    return ("warning", seen.because, "headway line status") if seen.stopped else ("ok", "runs", "")


def channels(context: Context) -> Found:
    """(outcome, what was found, fix): every channel of every service has its connection."""
    known = {f"{c.kind}/{c.name}" for c in connections.every(context.home_folder)}
    with context.reading() as connection:
        wanted = _wanted(connection)
        failing = {p.channel: p.error for p in messages.undelivered(connection)}
    missing = {c: service for c, service in sorted(wanted.items()) if c not in known}
    if missing:
        channel, service = next(iter(missing.items()))
        kind, _, name = channel.partition("/")
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        fix = f"headway connection add {name} --kind {kind} --url-stdin < URL"
        return "warning", f"{service} names {channel}, which has no connection{more}", fix
    if failing:
        channel, error = next(iter(failing.items()))
        return "warning", f"{channel}: {error}", "headway alert list --undelivered"
    return "ok", f"{len(wanted)} channels, each with its connection", ""


def _wanted(connection: sa.Connection) -> dict[str, str]:
    """Channel -> a service whose release in charge, or newest release, names it."""
    newest = sa.select(sa.func.max(releases.c.number), releases.c.service).group_by(
        releases.c.service
    )
    names = {f"{service}-{number}" for number, service in connection.execute(newest)}
    names |= {s for s in connection.execute(sa.select(places.c.stable)).scalars() if s}
    wanted = {}
    for name in sorted(names):
        config = records.release(connection, name).config
        policy = config.alerts
        for channel in (*policy.page, *policy.ticket, *policy.escalate_to):
            wanted[channel] = config.name
    return wanted


def quiet(context: Context) -> Found:
    """(outcome, what was found, fix): alerts per deployment of the last week, and the cause."""
    begin = time.time() - WEEK
    with context.reading() as connection:
        fired = alert_noise.fired(connection, begin)
        made = alert_noise.deployments(connection, begin)
        windows = alerts.suppressed(connection, time.time())
    rate = len(fired) / len(made) if made else float(len(fired) > 0)
    found = f"{len(fired)} alerts, {len(made)} deployments in the last week"
    if windows:
        found += f", {len(windows)} suppression windows open"
    if rate <= noise.MANY:
        return "ok", found, ""
    worst = noise.review(fired, made)[0]
    cause = f"{found}; most come from {worst.rule} of {worst.service}"
    if worst.during * 2 > worst.alerts:
        cause += ", while it was being deployed"
    return "warning", cause, f"{worst.advice}  (headway alert volume)"
