"""Notifications as people see them: preferences, what was told lately, channels that fail.

For `headway notify list` and `told`, the API and the page of notifications.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from headway.notice.preference import Party, Rule, shown
from headway.store import notices
from headway.store.notices import Kept
from headway.store.tables import alert_messages
from headway.store.views.moments import at, moment

State = Literal["waiting", "sending", "sent", "given up"]
_STATES: dict[str, State] = {"waiting": "sending", "sent": "sent", "dead": "given up"}


@dataclass(frozen=True, slots=True)
class PartyView:
    """How a team or person is reached. `quiet`: as it is written, `Mon-Fri 20:00-08:00` each."""

    who: str
    channels: tuple[str, ...]
    quiet: tuple[str, ...]
    zone: str
    pages: bool


@dataclass(frozen=True, slots=True)
class ToldView:
    """A notice for one channel. `state`: waiting (until `due_at`, for the reason `why`: quiet,
    again, many), sending, sent, given up. `message`: its message's key.
    """

    at: datetime
    topic: str
    service: str
    environment: str
    release: str
    title: str
    channel: str
    who: tuple[str, ...]
    state: State
    why: str
    due_at: datetime | None
    message: str
    path: str


@dataclass(frozen=True, slots=True)
class Failing:
    """A channel that did not take messages: `waiting` are tried again `next_at`, `given_up` are
    lost. `error` names no address.
    """

    channel: str
    waiting: int
    given_up: int
    since: datetime
    next_at: datetime | None
    error: str


@dataclass(frozen=True, slots=True)
class Notices:
    """All preferences, the newest notices, and what fails now."""

    parties: tuple[PartyView, ...]
    rules: tuple[Rule, ...]
    failing: tuple[Failing, ...]
    told: tuple[ToldView, ...]


def read(connection: sa.Connection, who: str = "", limit: int = 50) -> Notices:
    """Of everybody, or of one team or person (its preferences; what is told is everybody's)."""
    known = [p for p in notices.every_party(connection) if who in {"", p.who}]
    return Notices(
        tuple(party(p) for p in known),
        tuple(notices.every_rule(connection, who)),
        failing(connection),
        told(connection, limit),
    )


def told(connection: sa.Connection, limit: int = 50, **where: str) -> tuple[ToldView, ...]:
    """The newest first; `where` names columns: channel, topic."""
    found = notices.latest(connection, limit, **where)
    keys = {k.message for k in found if k.message}
    t = alert_messages.c
    query = sa.select(t.key, t.channel, t.state).where(t.key.in_(keys))
    states = {(key, channel): state for key, channel, state in connection.execute(query)}
    return tuple(_told(k, states.get((k.message, k.channel), "")) for k in found)


def failing(connection: sa.Connection) -> tuple[Failing, ...]:
    """Channels with messages that were refused, or tried and not taken yet; also of alerts."""
    t = alert_messages.c
    bad = sa.or_(t.state == "dead", sa.and_(t.state == "waiting", t.error != ""))
    query = sa.select(t.channel, t.state, t.created_at, t.next_at, t.error).where(bad)
    rows: dict[str, list[Any]] = {}
    for row in connection.execute(query.order_by(t.seq)):
        rows.setdefault(row.channel, []).append(row)
    return tuple(_failing(channel, found) for channel, found in sorted(rows.items()))


def _failing(channel: str, rows: list[Any]) -> Failing:
    waiting = [r.next_at for r in rows if r.state == "waiting"]
    return Failing(
        channel,
        len(waiting),
        len(rows) - len(waiting),
        at(min(r.created_at for r in rows)),
        moment(min(waiting, default=0.0)),
        rows[-1].error,
    )


def party(known: Party) -> PartyView:
    """One, as people see it."""
    quiet = tuple(shown(h) for h in known.quiet)
    return PartyView(known.who, known.channels, quiet, known.zone, known.pages)


def _told(kept: Kept, state: str) -> ToldView:
    notice = kept.notice
    return ToldView(
        at=at(notice.at),
        topic=notice.topic,
        service=notice.service,
        environment=notice.environment,
        release=notice.release,
        title=notice.title,
        channel=kept.channel,
        who=kept.who,
        state="waiting" if not kept.message else _STATES.get(state, "sent"),
        why=kept.why,
        due_at=None if kept.message else moment(kept.due_at),
        message=kept.message,
        path=notice.path,
    )
