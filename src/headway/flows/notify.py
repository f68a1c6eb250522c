"""Preferences of people about notices, and who would hear of what. Every change is an event.

For `headway notify`, the API and the pages; flows/notify_rounds asks `hears` for each notice, so
that a preview is what happens.
"""

from dataclasses import replace
from datetime import UTC, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa

from headway.flows import alert_links
from headway.model.errors import Invalid
from headway.model.event import Fact
from headway.model.service import Service
from headway.notice import defaults, preference
from headway.notice.plan import Audience, Line, plan
from headway.notice.preference import Party, Rule
from headway.notice.subject import BY_NAME, Notice, Urgency
from headway.record import dataclass
from headway.store import access, connections, decisions, notices, planned
from headway.store.database import Tx
from headway.store.log import About, append


@dataclass(frozen=True, slots=True)
class Word:
    """Who changes something, and why."""

    by: str
    reason: str = ""


def set_party(tx: Tx, home: Path, party: Party, word: Word) -> Party:
    """How somebody is reached from now on; what waits for their quiet hours is looked at anew.

    Raises Invalid (`who`, `channel`, `unknown-connection`, `other-kind`, `unknown-zone`).
    """
    _check(home, party.who, party.channels)
    zone_of(party.zone)
    notices.put_party(tx, party, word.by)
    notices.wake(tx, party.who)
    data: dict[str, object] = {
        "channels": list(party.channels),
        "quiet": [preference.shown(h) for h in party.quiet],
        "zone": party.zone,
        "pages": party.pages,
    }
    _tell(tx, "notify.set", party.who, word, data)
    return party


def set_rule(tx: Tx, home: Path, rule: Rule, word: Word) -> Rule:
    """Of what somebody hears from now on; a rule of the same scope is replaced. `rule.id` may be
    "". Raises Invalid (`who`, `channel`, `unknown-topic`, `unknown-connection`, `other-kind`).
    """
    _check(home, rule.who, rule.channels)
    preference.events(rule.events)
    made = replace(rule, id=rule.id or notices.new_rule_id(tx))
    notices.put_rule(tx, made, word.by)
    data: dict[str, object] = {
        "rule": made.id,
        "events": list(made.events),
        "services": list(made.services),
        "environments": list(made.environments),
        "least": made.least,
        "channels": list(made.channels),
        "mute": made.mute,
    }
    _tell(tx, "notify.set", made.who, word, data)
    return made


def delete(tx: Tx, who: str, rule: str, word: Word) -> tuple[str, ...]:
    """Forget one rule, by a beginning of its id, or with "" everything of `who`; gives the ids of
    the rules. Raises Invalid (`unknown-preference`).
    """
    known = notices.every_rule(tx.connection, who)
    gone = [r.id for r in known if r.id.startswith(rule)]
    dropped = not rule and notices.drop_party(tx, who)
    if not gone and not dropped:
        what = f"no rule `{rule}`" if rule else "no preference"
        raise Invalid(
            f"{who} has {what}", next=f"headway notify list {who}", code="unknown-preference"
        )
    if rule and len(gone) > 1:
        raise Invalid(f"`{rule}` begins several rules", code="unknown-preference")
    for id in gone:
        notices.drop_rule(tx, id)
    if dropped:
        notices.wake(tx, who)
    _tell(tx, "notify.deleted", who, word, {"rules": gone, "party": dropped})
    return tuple(gone)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a preview asks: who would hear of `topic` there. `urgency` empty: the topic's own."""

    topic: str
    service: str
    environment: str
    urgency: Urgency | None = None


def preview(connection: sa.Connection, asked: Asked, now: float) -> tuple[Line, ...]:
    """Who would hear, by which channel, when, and why. Raises Invalid (`unknown-topic`)."""
    preference.events((asked.topic,))
    if asked.topic not in BY_NAME:
        raise Invalid("name one event, not every", code="unknown-topic")
    notice = Notice(
        key="",
        topic=asked.topic,
        urgency=asked.urgency or BY_NAME[asked.topic].urgency,
        about="",
        service=asked.service,
        environment=asked.environment,
        release="",
        title="",
        lines=(),
        path="",
        at=now,
        wide=asked.topic == "line",
    )
    return hears(connection, notice, {}, now)


def hears(
    connection: sa.Connection, notice: Notice, alerted: dict[str, str], now: float
) -> tuple[Line, ...]:
    """Every answer for a notice. `alerted`: channels that an alert tells of the same, and how."""
    configs = _concerned(connection, notice)
    usual = [r for c in configs for r in defaults.rules(c, notice.environment, notice.asked)]
    found = plan(notice, _audience(connection, configs, usual, alerted), zone_of, now)
    asked = {r.who for r in usual if notice.topic in r.events}
    if notice.topic != "approval" or any(x.channel for x in found if x.who in asked):
        return found
    owners = [r for c in configs for r in defaults.instead(c)]
    more = plan(notice, _audience(connection, configs, owners, alerted), zone_of, now)
    told = {x.who for x in found}
    return (*found, *(x for x in more if x.who not in told))


def _audience(
    connection: sa.Connection, configs: list[Service], usual: list[Rule], alerted: dict[str, str]
) -> Audience:
    """Rules of a team that is reached by its members are theirs."""
    rules, parties = notices.every_rule(connection), {}
    for who in sorted({r.who for r in (*rules, *usual)}):
        parties[who] = reach(connection, who, configs)
    known = {p.who: p for several in parties.values() for p in several}
    own, theirs = (
        tuple(replace(r, who=p.who) for r in found for p in parties[r.who] or (Party(r.who, ()),))
        for found in (rules, usual)
    )
    return Audience(known, own, theirs, alerted)


def _concerned(connection: sa.Connection, notice: Notice) -> list[Service]:
    """The service of a notice; every one if it names none."""
    every = not notice.service and notice.wide
    names = planned.services(connection) if every else [notice.service]
    found = [alert_links.config(connection, name, notice.environment) for name in names]
    return [config for config in found if config]


def reach(connection: sa.Connection, who: str, configs: list[Service]) -> tuple[Party, ...]:
    """How a team or person is reached: as they said; else an owner by the channels of its services'
    headway.yaml; else a team by those of its members who said it. The one place that knows who is
    who. Empty: nobody knows.
    """
    said = notices.party(connection, who)
    if said:
        return (said,)
    owned = [p for c in configs if (p := defaults.party(c, who)) and p.channels]
    if owned:
        channels = dict.fromkeys(c for p in owned for c in p.channels)
        return (replace(owned[0], channels=tuple(channels)),)
    members = access.members_of(connection, who.strip().lower())
    return tuple(p for m in members if (p := notices.party(connection, m)))


def known_as(connection: sa.Connection, who: str, notice: Notice) -> Party | None:
    """How somebody who was to hear the notice is reached now."""
    found = reach(connection, who, _concerned(connection, notice))
    return found[0] if found else None


def channels_of(connection: sa.Connection, who: str) -> tuple[str, ...]:
    """Every channel by which somebody may be told of anything."""
    known = [alert_links.config(connection, s, "") for s in planned.services(connection)]
    reached = reach(connection, who, [c for c in known if c])
    found = [c for party in reached for c in party.channels]
    found += [c for rule in notices.every_rule(connection, who) for c in rule.channels]
    return tuple(sorted({*found}))


def zone_of(name: str) -> tzinfo:
    """The time zone of that IANA name. Raises Invalid (`unknown-zone`)."""
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Invalid(f"there is no time zone `{name[:60]}`", code="unknown-zone") from error


def _check(home: Path, who: str, channels: tuple[str, ...]) -> None:
    preference.who(who)
    for channel in preference.channels(channels):
        kind, _, name = channel.partition("/")
        known = connections.get(home, name)
        if known.kind != kind:
            raise Invalid(
                f"the connection `{name}` is of kind {known.kind}, not {kind}",
                next=f"--channel {known.kind}/{name}",
                code="other-kind",
            )


def _tell(tx: Tx, kind: str, who: str, word: Word, data: dict[str, object]) -> None:
    subject = f"notify:{who}"
    number = decisions.count(tx.connection, subject, kind)
    known = data | {"who": who, "by": word.by} | ({"reason": word.reason} if word.reason else {})
    append(tx, About(), Fact(kind, subject, number, known))
