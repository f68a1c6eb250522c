"""Notifications as kept: how people are reached, their rules, and what each channel is told.

Used by flows/notify and flows/notify_rounds. The messages themselves are in store/messages.
"""

import json
from dataclasses import dataclass

import sqlalchemy as sa

from headway.notice.pacing import MOST_SECONDS, Told, Why
from headway.notice.preference import Party, Rule
from headway.notice.subject import Notice
from headway.store.database import Tx
from headway.store.notice_tables import parties, rules, told
from headway.store.records import dumps, loads
from headway.store.rollouts import ulid

KEPT_SECONDS = 90 * 86400.0
_DUE = (
    sa.select(told)
    .where(told.c.message == "", told.c.due_at <= sa.bindparam("now"))
    .order_by(told.c.seq)
)


@dataclass(frozen=True, slots=True)
class Kept:
    """One notice for one channel. `due_at`: when it is told; `message` empty: it waits."""

    seq: int
    channel: str
    who: tuple[str, ...]
    notice: Notice
    why: Why
    made_at: float
    due_at: float
    told_at: float
    message: str


def party(connection: sa.Connection, who: str) -> Party | None:
    """How somebody said that they are reached."""
    text = connection.execute(sa.select(parties.c.party).where(parties.c.who == who)).scalar()
    return loads(text, Party) if text else None


def every_party(connection: sa.Connection) -> list[Party]:
    """All of them, by name."""
    found = connection.execute(sa.select(parties.c.party).order_by(parties.c.who)).scalars()
    return [loads(t, Party) for t in found]


def put_party(tx: Tx, party: Party, by: str) -> None:
    """Write it; the same name again replaces it."""
    tx.connection.execute(parties.delete().where(parties.c.who == party.who))
    values = {"who": party.who, "party": dumps(party), "by": by, "at": tx.now}
    tx.connection.execute(parties.insert().values(**values))


def drop_party(tx: Tx, who: str) -> bool:
    """Forget it; whether there was one."""
    return bool(tx.connection.execute(parties.delete().where(parties.c.who == who)).rowcount)


def new_rule_id(tx: Tx) -> str:
    """An id for a rule."""
    return f"ntr_{ulid(tx.now)}"


def every_rule(connection: sa.Connection, who: str = "") -> list[Rule]:
    """All of them, or somebody's; by name, then oldest first."""
    query = sa.select(rules.c.rule).order_by(rules.c.who, rules.c.id)
    if who:
        query = query.where(rules.c.who == who)
    return [loads(t, Rule) for t in connection.execute(query).scalars()]


def put_rule(tx: Tx, rule: Rule, by: str) -> None:
    """Write it; one of the same scope is replaced."""
    scope = json.dumps(rule.scope)
    tx.connection.execute(rules.delete().where(rules.c.scope == scope))
    values = {"id": rule.id, "who": rule.who, "scope": scope, "rule": dumps(rule), "by": by}
    tx.connection.execute(rules.insert().values(**values, at=tx.now))


def drop_rule(tx: Tx, id: str) -> None:
    """Forget it."""
    tx.connection.execute(rules.delete().where(rules.c.id == id))


def keep(tx: Tx, notice: Notice, channel: str, who: tuple[str, ...], due: tuple[float, Why]) -> int:
    """The channel is to be told; gives its number, 0 if it was kept already."""
    t = told
    here = (t.c.key == notice.key, t.c.channel == channel)
    if tx.connection.execute(sa.select(t.c.seq).where(*here)).first():
        return 0
    made = tx.connection.execute(
        t.insert().values(
            key=notice.key,
            channel=channel,
            who=json.dumps(who),
            topic=notice.topic,
            state=notice.state,
            notice=dumps(notice),
            why=due[1],
            made_at=tx.now,
            due_at=due[0],
            told_at=0.0,
            message="",
        )
    )
    return int((made.inserted_primary_key or (0,))[0])


def heard(connection: sa.Connection, channel: str, state: str, now: float) -> Told:
    """What the channel was told lately."""
    t = told
    mine = sa.select(sa.func.max(t.c.told_at)).where(t.c.channel == channel, t.c.state == state)
    recent = (
        sa.select(t.c.message, sa.func.min(t.c.told_at))
        .where(t.c.channel == channel, t.c.told_at > now - MOST_SECONDS)
        .group_by(t.c.message)
    )
    times = sorted(float(at) for _, at in connection.execute(recent))
    return Told(float(connection.execute(mine).scalar() or 0.0), tuple(times))


def due(connection: sa.Connection, now: float) -> list[Kept]:
    """What waits and is to be told by now, oldest first."""
    return [_kept(r) for r in connection.execute(_DUE, {"now": now})]


def say(tx: Tx, several: list[int], message: str) -> None:
    """All of these are told by one message."""
    here = told.c.seq.in_(several)
    tx.connection.execute(told.update().where(here).values(message=message, told_at=tx.now))


def postpone(tx: Tx, seq: int, due: tuple[float, Why]) -> None:
    """It waits until then."""
    values = {"due_at": due[0], "why": due[1]}
    tx.connection.execute(told.update().where(told.c.seq == seq).values(**values))


def wake(tx: Tx, who: str) -> None:
    """What waits for somebody's quiet hours is looked at anew: they may have changed."""
    mine = told.c.who.contains(json.dumps(who), autoescape=True)
    here = (told.c.message == "", told.c.why == "quiet", mine)
    tx.connection.execute(told.update().where(*here).values(due_at=tx.now))


def latest(connection: sa.Connection, limit: int, **where: str) -> list[Kept]:
    """Newest first; `where` names columns (channel, topic)."""
    query = sa.select(told).order_by(told.c.seq.desc()).limit(limit)
    for column, value in where.items():
        query = query.where(told.c[column] == value)
    return [_kept(r) for r in connection.execute(query)]


def prune(tx: Tx) -> None:
    """Forget what was told long ago."""
    old = (told.c.message != "", told.c.told_at < tx.now - KEPT_SECONDS)
    tx.connection.execute(told.delete().where(*old))


def _kept(row: "sa.Row[tuple[object, ...]]") -> Kept:
    m = row._mapping
    fields = {n: m[n] for n in ("seq", "channel", "why", "made_at", "due_at", "told_at", "message")}
    return Kept(who=tuple(json.loads(m["who"])), notice=loads(m["notice"], Notice), **fields)
