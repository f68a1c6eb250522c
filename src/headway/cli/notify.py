"""`headway notify`: who hears of what, by which channel, when; and what was told."""

import time
from datetime import UTC, datetime
from typing import Any

import click

from headway.cli import names, said
from headway.cli.context import Context, pass_context
from headway.cli.options import Noun
from headway.flows import notify as flow
from headway.flows import telling
from headway.flows.notify import Asked, Word
from headway.model.alert import Message
from headway.model.errors import HeadwayError, Invalid
from headway.notice import preference
from headway.notice.plan import Line
from headway.notice.preference import Party, Rule
from headway.notice.subject import BY_NAME, EVERY, TOPICS, URGENCIES
from headway.store.views import notices as views
from headway.wording.text import clock, columns, plain

WHO = click.argument("who", metavar="WHO")
EVENTS = click.Choice([*BY_NAME, EVERY])


@click.group(
    cls=Noun,
    examples=(
        "headway notify preview --event rolled_back --service shop --env production",
        "headway notify set team-shop --channel slack/shop --quiet-hours 'Mon-Fri 20:00-08:00'",
        "headway notify set ana --event failed --env production",
    ),
)
def notify() -> None:
    """Who hears of what, by which channel, when."""


@notify.verb(
    "headway notify set team-shop --channel slack/shop --quiet-hours 'Mon-Fri 20:00-08:00' "
    "--zone Europe/Berlin",
    "headway notify set ana --event failed --event rolled_back --env production",
    "headway notify set team-shop --event released --mute",
    name="set",
)
@WHO
@click.option("--channel", "channels", multiple=True, metavar="KIND/NAME", help="Where.")
@click.option(
    "--quiet-hours",
    "hours",
    multiple=True,
    metavar="[DAYS] HH:MM-HH:MM",
    help="Told afterwards, as one message.",
)
@click.option("--zone", default="UTC", show_default=True, help="In which quiet hours are meant.")
@click.option("--hold-pages", is_flag=True, help="In quiet hours also what is urgent waits.")
@click.option("--event", "events", multiple=True, type=EVENTS, help="Of what; see notify topics.")
@click.option("--service", "services", multiple=True, metavar="NAME", help="Only of these.")
@click.option("--env", "environments", multiple=True, metavar="ENV", help="Only there.")
@click.option(
    "--least", type=click.Choice(URGENCIES), default="info", help="Nothing less urgent than this."
)
@click.option("--mute", is_flag=True, help="Not at all.")
@pass_context
def put(context: Context, /, who: str, **given: Any) -> None:
    """Without --event: how WHO, a team or person, is reached. With --event: what WHO hears of.

    What is set again for the same WHO (with --event: events, services and environments) replaces
    what was set before.
    """
    made = _rule(who, given) if given["events"] else _party(who, given)
    with context.headway.tx() as tx:
        home, word = context.headway.home, Word(context.person)
        if isinstance(made, Rule):
            made = flow.set_rule(tx, home, made, word)
        else:
            made = flow.set_party(tx, home, made, word)
    if context.json:
        context.document(made)
        return
    context.lines(_rules([made]) if isinstance(made, Rule) else _parties([views.party(made)]))


def _rule(who: str, given: dict[str, Any]) -> Rule:
    if given["hours"] or given["hold_pages"]:
        raise Invalid(
            "quiet hours are of a team or person, not of an event",
            next=f"headway notify set {who} --channel KIND/NAME --quiet-hours HOURS",
            code="notify-set",
        )
    return Rule(
        "",
        who,
        given["events"],
        given["services"],
        given["environments"],
        given["least"],
        preference.channels(given["channels"]),
        given["mute"],
    )


def _party(who: str, given: dict[str, Any]) -> Party:
    if given["services"] or given["environments"] or given["mute"] or given["least"] != "info":
        raise Invalid(
            "of which event?", next=f"headway notify set {who} --event every …", code="notify-set"
        )
    if not given["channels"]:
        raise Invalid(
            f"by which channel is {who} reached?",
            next=f"headway notify set {who} --channel KIND/NAME",
            code="notify-set",
        )
    quiet = tuple(preference.hours(h) for h in given["hours"])
    channels = preference.channels(given["channels"])
    return Party(who, channels, quiet, given["zone"], not given["hold_pages"])


@notify.verb("headway notify list", "headway notify list team-shop --json", name="list")
@click.argument("who", metavar="[WHO]", default="")
@pass_context
def listing(context: Context, who: str) -> None:
    """Show how people are reached, their rules, and channels that fail."""
    with context.reading() as connection:
        found = views.read(connection, who)
    if context.json:
        context.document(found)
        return
    if not found.parties and not found.rules:
        context.line("No preference: approvers are asked, owners are told, by headway.yaml.")
    if found.parties:
        context.lines(_parties(found.parties))
    if found.rules:
        context.lines([*([""] * bool(found.parties)), *_rules(found.rules)])
    if found.failing:
        context.lines(["", *_failing(found.failing)])


def _parties(found: Any) -> list[str]:
    rows = [
        (p.who, " ".join(p.channels), ", ".join(p.quiet) or "-", p.zone if p.quiet else "-",
         ("are told" if p.pages else "wait") if p.quiet else "-")
        for p in found
    ]  # fmt: skip
    return columns([("WHO", "CHANNELS", "QUIET", "ZONE", "PAGES IN QUIET HOURS"), *rows])


def _rules(found: Any) -> list[str]:
    rows = [
        (r.id, r.who, " ".join(r.events), " ".join(r.services) or "every",
         " ".join(r.environments) or "every", r.least,
         "muted" if r.mute else " ".join(r.channels) or "its own")
        for r in found
    ]  # fmt: skip
    head = ("RULE", "WHO", "EVENTS", "SERVICES", "ENVIRONMENTS", "LEAST", "CHANNELS")
    return columns([head, *rows])


def _failing(found: tuple[views.Failing, ...]) -> list[str]:
    rows = [
        (f.channel, str(f.waiting), str(f.given_up), clock(f.since), clock(f.next_at) or "-",
         plain(f.error, 200))
        for f in found
    ]  # fmt: skip
    return columns([("FAILS", "WAITING", "GIVEN UP", "SINCE", "NEXT TRY", "WHY"), *rows])


@notify.verb("headway notify delete ana", "headway notify delete ana --rule ntr_01")
@WHO
@click.option("--rule", default="", metavar="RULE", help="Only this one; else everything of WHO.")
@pass_context
def delete(context: Context, who: str, rule: str) -> None:
    """Forget preferences; Headway's defaults hold again."""
    with context.headway.tx() as tx:
        gone = flow.delete(tx, who, rule, Word(context.person))
    if context.json:
        context.document({"who": who, "rules": gone})
    else:
        context.line(f"forgotten: {' '.join(gone) or who}")


@notify.verb("headway notify test team-shop")
@WHO
@pass_context
def test(context: Context, who: str) -> int:
    """Send a message to every channel of WHO, now."""
    with context.reading() as connection:
        channels = flow.channels_of(connection, who)
    if not channels:
        raise Invalid(
            f"no channel of {who} is known",
            next=f"headway notify set {who} --channel KIND/NAME",
            code="no-channel",
        )
    answers = {c: _send(context, who, c) for c in channels}
    if context.json:
        context.document({"who": who, "answers": answers})
    else:
        context.lines([f"{channel}: {answer}" for channel, answer in answers.items()])
    return 0 if all(a == TAKEN for a in answers.values()) else 6


TAKEN = "the message was taken"


def _send(context: Context, who: str, channel: str) -> str:
    now = time.time()
    key = f"test/{channel}/{now:.3f}"
    text = f"{context.person} asked whether notices for {who} arrive here. Nothing happened."
    message = Message(key, key, "Test message from Headway", text, "", False, now)  # noqa: FBT003
    try:
        telling.notifier(context.headway.world, channel).send(message)
    except HeadwayError as error:
        return str(error)
    return TAKEN


@notify.verb(
    "headway notify preview --event rolled_back --service shop --env production",
    "headway notify preview --event failed --service shop --at 2026-11-21T03:00+01:00",
)
@click.option("--event", "topic", required=True, type=click.Choice([*BY_NAME]), help="Of what.")
@click.option(
    "--service", required=True, metavar="NAME", shell_complete=names.services, help="Of which."
)
@said.environment(required=False)
@click.option("--urgency", type=click.Choice(URGENCIES), help="Else the event's usual one.")
@click.option(
    "--at", "moment", type=click.DateTime(["%Y-%m-%dT%H:%M%z"]), help="If it happened then."
)
@pass_context
def preview(context: Context, /, topic: str, moment: datetime | None, **where: Any) -> None:
    """Who would hear of it, by which channel, when, and why. Nothing is sent."""
    asked = Asked(topic, where["service"], where["environment"], where["urgency"])
    now = moment.timestamp() if moment else time.time()
    with context.reading() as connection:
        found = flow.preview(connection, asked, now)
    if context.json:
        context.document({"items": found})
        return
    context.lines(_answers(found, now))


def _answers(found: tuple[Line, ...], now: float) -> list[str]:
    if not found:
        return [
            "Nobody would hear of it: the service has no owner or approver that is known yet.",
            "Next: headway notify set WHO --event EVENT",
        ]
    rows = [(x.who, x.channel or "-", _when(x, now), x.rule, x.because) for x in found]
    return columns([("WHO", "CHANNEL", "WHEN", "RULE", "WHY"), *rows])


def _when(line: Line, now: float) -> str:
    if not line.heard:
        return "never"
    return "at once" if line.at <= now else f"at {clock(datetime.fromtimestamp(line.at, UTC))}"


@notify.verb("headway notify told", "headway notify told --limit 10 --json")
@said.limit()
@pass_context
def told(context: Context, limit: int) -> None:
    """What was told lately, to whom, and what still waits."""
    with context.reading() as connection:
        found = views.told(connection, limit)
    if context.json:
        context.document({"items": found})
        return
    rows = [
        (clock(t.at), t.channel, " ".join(t.who), _state(t), plain(t.title, 200)) for t in found
    ]
    head = ("AT", "CHANNEL", "WHO", "STATE", "WHAT")
    context.lines(columns([head, *rows]) if rows else ["Nothing was told yet."])


def _state(one: views.ToldView) -> str:
    if one.state != "waiting":
        return one.state
    why = {"quiet": "quiet hours", "again": "told before", "many": "too many at once"}[one.why]
    return f"waits until {clock(one.due_at)}: {why}"


@notify.verb("headway notify topics")
@pass_context
def topics(context: Context) -> None:
    """Print what can be followed, and who hears of it by default."""
    if context.json:
        context.document({"items": TOPICS})
        return
    rows = [(t.name, t.urgency, t.default, t.means) for t in TOPICS]
    context.lines(columns([("EVENT", "URGENCY", "DEFAULT", "MEANS"), *rows]))
