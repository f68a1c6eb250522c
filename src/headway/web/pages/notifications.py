"""Notifications: who is reached how, of what each hears, what was told lately, what fails."""

from starlette.responses import Response

from headway.access.principal import may
from headway.flows import notify
from headway.flows.notify import Word
from headway.notice import preference
from headway.notice.preference import Party, Rule
from headway.notice.subject import BY_NAME, EVERY
from headway.store import connections
from headway.store.views import notices as view
from headway.web.page import Ask, form, page, to
from headway.web.sent import optional, text, words

PATH = "/settings/notifications"


@page(PATH)
def notifications(ask: Ask) -> Response:
    """Everybody's preferences, and what was told."""
    with ask.headway.reading() as connection:
        found = view.read(connection)
    channels = [f"{c.kind}/{c.name}" for c in connections.every(ask.headway.home)]
    return ask.show(
        "notifications.html",
        notices=found,
        topics=(EVERY, *BY_NAME),
        channels=[c for c in channels if c.partition("/")[0] in preference.KINDS],
        barred="" if may(ask.who, "notification.manage") else "This needs notification.manage",
    )


@form(PATH, "notification.manage")
def reach(ask: Ask) -> Response:
    """How somebody is reached from now on."""
    sent = ask.form
    hours = tuple(preference.hours(h) for h in optional(sent, "quiet").split(";") if h.strip())
    party = Party(
        who=text(sent, "who", 100),
        channels=words(sent, "channels"),
        quiet=hours,
        zone=optional(sent, "zone", 60) or "UTC",
        pages=sent.get("pages") == "on",
    )
    with ask.headway.tx() as tx:
        notify.set_party(tx, ask.headway.home, party, Word(ask.who.id))
    return to(PATH)


@form(PATH + "/rules", "notification.manage")
def rule(ask: Ask) -> Response:
    """Of what somebody hears, or does not."""
    sent = ask.form
    made = Rule(
        id="",
        who=text(sent, "who", 100),
        events=(text(sent, "event", 60),),
        services=words(sent, "services"),
        environments=words(sent, "environments"),
        mute=text(sent, "do") == "mute",
    )
    with ask.headway.tx() as tx:
        notify.set_rule(tx, ask.headway.home, made, Word(ask.who.id))
    return to(PATH)


@form(PATH + "/forget", "notification.manage")
def forget(ask: Ask) -> Response:
    """One rule, or with none everything of somebody."""
    with ask.headway.tx() as tx:
        who, rule = text(ask.form, "who", 100), optional(ask.form, "rule", 60)
        notify.delete(tx, who, rule, Word(ask.who.id))
    return to(PATH)
