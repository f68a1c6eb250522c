"""Preferences about notices: how a person or team is reached, of what they hear; changing that.

What one is told oneself one may change oneself, of the services that one may see; everything of
others, and of teams, is for whoever manages notifications, as on the page.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import sqlalchemy as sa
from pydantic import Field
from starlette.requests import Request

from headway.access.principal import Principal, may, services
from headway.api.guard import Reader, denied
from headway.api.v1.common import WRITES, headway, noun, reading
from headway.api.v1.paging import Page, Spanned
from headway.api.v1.route import unchanged
from headway.api.v1.writing import Body, IfMatch, Key, Write
from headway.flows import notify
from headway.flows.notify import Word
from headway.model.errors import Invalid
from headway.notice import preference
from headway.notice.preference import Party, Rule
from headway.notice.subject import URGENCIES
from headway.store import notices
from headway.store.database import Tx
from headway.store.views import notices as view
from headway.store.views.notices import PartyView

router = noun("notifications")
Name = Annotated[str, Field(min_length=1, max_length=100)]
Names = Annotated[list[Name], Field(max_length=50, default_factory=list)]


@dataclass(frozen=True, slots=True)
class RuleView:
    """Of what somebody hears, or (`mute`) does not. Empty `services`, `environments`: every one;
    `least`: nothing less urgent; empty `channels`: by which they are reached.
    """

    id: str
    events: tuple[str, ...]
    services: tuple[str, ...]
    environments: tuple[str, ...]
    least: str
    channels: tuple[str, ...]
    mute: bool


@dataclass(frozen=True, slots=True)
class Preferences:
    """Of one person or team. `reached`: null as long as nobody said how; then the defaults of
    headway.yaml hold.
    """

    who: str
    reached: PartyView | None
    rules: tuple[RuleView, ...]


class PreferenceCommand(Body):
    """`reach`: by `channels` from now on, with `quiet` hours (`Mon-Fri 20:00-08:00`) in `zone`,
    which what is urgent breaks through unless `pages` is false. `follow`: hear of `events`, or with
    `mute` not. `forget`: one `rule`, or with none everything.
    """

    command: Literal["reach", "follow", "forget"]
    channels: Names
    quiet: Names
    zone: Annotated[str, Field(max_length=60)] = "UTC"
    pages: bool = True
    events: Names
    services: Names
    environments: Names
    least: Literal["info", "ticket", "page"] = URGENCIES[0]
    mute: bool = False
    rule: Annotated[str, Field(max_length=60)] = ""


@router.get("/notifications/preferences")
def list_preferences(request: Request, who: Reader, span: Spanned) -> Page[Preferences]:
    """Of everybody who has said something, by name."""
    del who
    with reading(request) as connection:
        known = {p.who for p in notices.every_party(connection)}
        names = sorted(known | {r.who for r in notices.every_rule(connection)})
        behind = [n for n in names if n > span.after][: span.reach]
        found = [_preferences(connection, n) for n in behind]
    return span.page(found, lambda p: p.who)


@router.get("/notifications/preferences/{name}")
def show_preferences(request: Request, who: Reader, name: str) -> Preferences:
    """Of one person or team."""
    del who
    preference.who(name)
    with reading(request) as connection:
        return _preferences(connection, name)


@router.post("/notifications/preferences/{name}/commands", status_code=202, responses=WRITES)
def command_preferences(  # noqa: PLR0913  headers are parameters
    request: Request,
    who: Reader,
    name: str,
    body: PreferenceCommand,
    key: Key,
    if_match: IfMatch = "",
) -> Preferences:
    """Change one's own, or with `notification.manage` anybody's."""
    _must(who, name, body)
    preference.who(name)

    def do(tx: Tx) -> Preferences:
        if if_match:
            unchanged(request, _preferences(tx.connection, name))
        _act(tx, request, name, who, body)
        return _preferences(tx.connection, name)

    return Write(request, who, key, body).once(do)


def _must(who: Principal, name: str, body: PreferenceCommand) -> None:
    """Raises Denied. A rule without services is of all of them."""
    allowed = services(who)
    inside = allowed is None or (bool(body.services) and set(body.services) <= allowed)
    if name == who.id and (body.command != "follow" or body.mute or inside):
        return
    if not may(who, "notification.manage"):
        raise denied(who, "notification.manage")


def _act(tx: Tx, request: Request, name: str, who: Principal, body: PreferenceCommand) -> None:
    home, word = headway(request).home, Word(who.id)
    channels = preference.channels(tuple(body.channels))
    if body.command == "forget":
        notify.delete(tx, name, body.rule, word)
    elif body.command == "reach":
        if not channels:
            raise Invalid("by which channel?", why="`reach` needs one", code="channel")
        quiet = tuple(preference.hours(h) for h in body.quiet)
        notify.set_party(tx, home, Party(name, channels, quiet, body.zone, body.pages), word)
    else:
        if not body.events:
            raise Invalid("of which event?", why="`follow` needs one", code="unknown-topic")
        rule = Rule(
            "",
            name,
            tuple(body.events),
            tuple(body.services),
            tuple(body.environments),
            body.least,
            channels,
            body.mute,
        )
        notify.set_rule(tx, home, rule, word)


def _preferences(connection: sa.Connection, name: str) -> Preferences:
    said = notices.party(connection, name)
    rules = tuple(_rule(r) for r in notices.every_rule(connection, name))
    return Preferences(name, view.party(said) if said else None, rules)


def _rule(one: Rule) -> RuleView:
    return RuleView(
        one.id,
        one.events,
        one.services,
        one.environments,
        one.least,
        one.channels,
        one.mute,
    )
