"""Tells people what they follow: reads the event log in order, writes messages to the outbox.

Called by upkeep in rounds. Each event is read exactly once, after the alerts have read it: the
cursor moves in the transaction in which its notices and messages are written. flows/telling sends
them.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from headway.flows import alert_rounds, notify, notify_context
from headway.model.alert import Message
from headway.model.event import Event
from headway.notice import pacing, quiet, reading, words
from headway.notice.plan import Line
from headway.notice.quiet import FOREVER_DAYS
from headway.notice.subject import Notice
from headway.notice.words import Late
from headway.store import log, messages, notices
from headway.store.database import Tx
from headway.store.notices import Kept
from headway.store.tables import events

CURSOR = "notices"
AT_ONCE = 200
FRESH_SECONDS = 3600.0  # a home that had no notices is not told of what is older


def read_log(tx: Tx, base: str) -> int:
    """Take the next events; gives how many. Then what is due by the clock. `base`: the public
    address of the pages, "" if there is none.
    """
    at = messages.cursor(tx.connection, CURSOR)
    at = _start(tx) if at is None else at
    found = log.after(tx.connection, at, limit=AT_ONCE)
    found = [e for e in found if e.seq <= _alerted_until(tx.connection)]
    for event in found:
        if event.kind in reading.KINDS:
            _take(tx, event, base)
    if found:
        messages.move_cursor(tx, CURSOR, found[-1].seq)
    _settle(tx, base)
    return len(found)


def something_to_do(connection: sa.Connection, now: float) -> bool:
    """Whether `read_log` would do anything: asked first, because it needs the writers' lock."""
    at = messages.cursor(connection, CURSOR)
    return at is None or _alerted_until(connection) > at or bool(notices.due(connection, now))


def _alerted_until(connection: sa.Connection) -> int:
    return messages.cursor(connection, alert_rounds.CURSOR) or 0


def _start(tx: Tx) -> int:
    query = sa.select(sa.func.max(events.c.seq)).where(events.c.at < tx.now - FRESH_SECONDS)
    at = int(tx.connection.execute(query).scalar() or 0)
    messages.move_cursor(tx, CURSOR, at)
    return at


def _take(tx: Tx, event: Event, base: str) -> None:
    notice = reading.read(event, _earlier(tx, event), notify_context.known(tx.connection, event))
    if notice is None:
        return
    alerted = notify_context.alerted(tx.connection, event, notice)
    heard = [x for x in notify.hears(tx.connection, notice, alerted, tx.now) if x.heard]
    for channel in dict.fromkeys(x.channel for x in heard):
        _keep(tx, notice, [x for x in heard if x.channel == channel], base)


def _keep(tx: Tx, notice: Notice, lines: Sequence[Line], base: str) -> None:
    """For one channel; whoever may be told first decides when."""
    channel = lines[0].channel
    told = notices.heard(tx.connection, channel, notice.state, tx.now)
    due = pacing.due(notice, min(x.at for x in lines), told, tx.now)
    who = tuple(x.who for x in lines)
    seq = notices.keep(tx, notice, channel, who, due)
    if seq and due[0] <= tx.now:
        _post(tx, channel, words.one(notice, base, tx.now))
        notices.say(tx, [seq], notice.key)


def _settle(tx: Tx, base: str) -> None:
    """What was kept back and is due now: one message for each channel."""
    due = notices.due(tx.connection, tx.now)
    for channel in dict.fromkeys(k.channel for k in due):
        ready = [k for k in due if k.channel == channel and not _still_quiet(tx, k)]
        if not ready:
            continue
        late = [Late(k.notice, k.why) for k in ready]
        if len(late) == 1:
            message = words.one(late[0].notice, base, tx.now, late[0].why)
        else:
            message = words.several(late, base, tx.now)
        _post(tx, channel, message)
        notices.say(tx, [k.seq for k in ready], message.key)


def _still_quiet(tx: Tx, kept: Kept) -> bool:
    """Whether nobody who hears it there may be told now; then it waits on, but not for ever."""
    if tx.now - kept.made_at >= FOREVER_DAYS * 86400:
        return False
    ends = []
    for who in kept.who:
        party = notify.known_as(tx.connection, who, kept.notice)
        if party is None or (kept.notice.urgency == "page" and party.pages):
            return False
        ends.append(quiet.until(party.quiet, notify.zone_of(party.zone), tx.now))
    if min(ends, default=tx.now) <= tx.now:
        return False
    notices.postpone(tx, kept.seq, (min(ends), "quiet"))
    return True


def _post(tx: Tx, channel: str, message: Message) -> None:
    messages.post(tx, channel, message.thread, message)


def _earlier(tx: Tx, event: Event) -> list[Event]:
    if not event.delivery:
        return []
    every = log.after(tx.connection, 0, limit=100_000, delivery=event.delivery)
    return [e for e in every if e.seq < event.seq]
