"""Who hears of a notice, by which channel, when, and why; or why not. It explains itself.

A team or person hears by the one rule that decides: of its own rules that cover the notice the most
specific, else Headway's default for it. So `headway notify preview` and the round that writes
messages (flows/notify_rounds) give the same answer.
"""

from collections.abc import Callable, Iterable
from datetime import tzinfo

from headway.notice import quiet
from headway.notice.preference import CHAT, Party, Rule
from headway.notice.subject import EVERY, URGENCIES, Notice
from headway.record import dataclass

DEFAULT = "default"
Zones = Callable[[str], tzinfo]


@dataclass(frozen=True, slots=True)
class Audience:
    """All who may hear of something: how they are reached, their rules, Headway's defaults.

    `alerted`: channels that need not be told, and why: an alert does it.
    """

    parties: dict[str, Party]
    rules: tuple[Rule, ...]
    defaults: tuple[Rule, ...]
    alerted: dict[str, str]


@dataclass(frozen=True, slots=True)
class Line:
    """One answer. `heard`: whether it is told at all; `at`: when, Unix seconds. `rule`: the id of
    the rule that decides, or `default`. `channel` is empty if there is none.
    """

    who: str
    channel: str
    heard: bool
    at: float
    rule: str
    because: str


def plan(notice: Notice, audience: Audience, zones: Zones, now: float) -> tuple[Line, ...]:
    """Every answer: for each who is concerned, one for each channel, or one why there is none."""
    found: list[Line] = []
    for who in sorted({r.who for r in (*audience.rules, *audience.defaults)}):
        rule = _deciding(audience.rules, who, notice) or _deciding(audience.defaults, who, notice)
        if rule is not None:
            party = audience.parties.get(who, Party(who, (), origin=""))
            found += _lines(notice, rule, party, _When(audience.alerted, zones, now))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _When:
    alerted: dict[str, str]
    zones: Zones
    now: float


def _lines(notice: Notice, rule: Rule, party: Party, when: _When) -> list[Line]:
    channels, because = _channels(rule, party)
    refusal = _refusal(notice, rule)
    if refusal or not channels:
        return [Line(party.who, "", False, 0.0, rule.id, refusal or because)]  # noqa: FBT003
    return [_line(notice, rule, party, channel, when) for channel in channels]


def _line(notice: Notice, rule: Rule, party: Party, channel: str, when: _When) -> Line:
    if channel in when.alerted:
        return Line(party.who, channel, False, 0.0, rule.id, when.alerted[channel])  # noqa: FBT003
    at = quiet.until(party.quiet, when.zones(party.zone), when.now)
    through = notice.urgency == "page" and party.pages
    if at > when.now and not through:
        return Line(party.who, channel, True, at, rule.id, "quiet hours")  # noqa: FBT003
    because = "urgent: quiet hours do not keep it" if at > when.now else _reason(rule)
    return Line(party.who, channel, True, when.now, rule.id, because)  # noqa: FBT003


def _reason(rule: Rule) -> str:
    return "Headway's default" if rule.id == DEFAULT else "its own rule"


def _refusal(notice: Notice, rule: Rule) -> str:
    if rule.mute:
        return "muted"
    if URGENCIES.index(notice.urgency) < URGENCIES.index(rule.least):
        return f"{notice.urgency} is less urgent than {rule.least}"
    return ""


def _channels(rule: Rule, party: Party) -> tuple[tuple[str, ...], str]:
    """Where it goes; if nowhere, why."""
    if rule.channels:
        return rule.channels, ""
    if not party.channels:
        return (), f"no channel is known: headway notify set {party.who} --channel KIND/NAME"
    if not rule.chat:
        return party.channels, ""
    chat = tuple(c for c in party.channels if c.partition("/")[0] in CHAT)
    return chat, "" if chat else "it goes to chat only, and there is only e-mail"


def _deciding(rules: Iterable[Rule], who: str, notice: Notice) -> Rule | None:
    """Of the rules that cover the notice the most specific; of equal ones the newest."""
    mine = [r for r in rules if r.who == who and _covers(r, notice)]
    return max(mine, key=_specific, default=None)


def _covers(rule: Rule, notice: Notice) -> bool:
    return (
        bool({notice.topic, EVERY} & set(rule.events))
        and _within(notice.service, rule.services, wide=notice.wide)
        and _within(notice.environment, rule.environments, wide=notice.wide)
    )


def _within(name: str, named: tuple[str, ...], *, wide: bool) -> bool:
    return not named or name in named or (wide and not name)


def _specific(rule: Rule) -> tuple[bool, bool, bool, str]:
    return bool(rule.services), bool(rule.environments), EVERY not in rule.events, rule.id
