"""`headway alert`: what is wrong now, who takes care of it, what must not disturb anybody."""

import time
from datetime import UTC, datetime

import click

from headway.alert import noise, routes
from headway.alert.state import Quiet, Trouble
from headway.cli import names, said
from headway.cli.context import Context, pass_context
from headway.cli.duration import Duration
from headway.cli.options import Noun
from headway.flows import alerting
from headway.model.errors import Invalid
from headway.store import alerts, messages
from headway.store.messages import Pending
from headway.store.rollouts import ulid
from headway.store.views import alert_noise
from headway.wording.text import clock, columns, marked, plain, since, span

ALERT = click.argument("alert", metavar="ALERT", shell_complete=names.alerts)
SERVICE = click.argument("service", metavar="SERVICE", shell_complete=names.services)
MONTH = 30 * 86400.0


@click.group(cls=Noun, examples=("headway alert list", 'headway alert ack alr_01 --reason "on it"'))
def alert() -> None:
    """Something that a person must know about."""


@alert.verb("headway alert list", "headway alert list --undelivered", name="list")
@click.option("--all", "everything", is_flag=True, help="Also those that are over.")
@click.option("--undelivered", is_flag=True, help="Messages that no channel has taken.")
@said.service()
@said.limit()
@pass_context
def listing(
    context: Context, *, everything: bool, undelivered: bool, service: str, limit: int
) -> None:
    """Open alerts and suppression windows, newest first."""
    with context.reading() as connection:
        if undelivered:
            _undelivered(context, messages.undelivered(connection))
            return
        found = alerts.several(connection, everything=everything, service=service, limit=limit)
        ended = 0.0 if everything else time.time()
        windows = [
            s for s in alerts.suppressed(connection, ended) if service in {"", s.window.service}
        ]
    if context.json:
        context.document({"items": [_document(t) for t in found], "suppressions": windows})
        return
    context.lines(_table(found))
    if windows:
        context.lines(["", *_windows(windows)])


def _document(trouble: Trouble) -> dict[str, object]:
    import msgspec  # noqa: PLC0415

    known: dict[str, object] = msgspec.to_builtins(trouble.alert)
    return known | {"symptoms": trouble.members, "suppressed_by": trouble.window}


def _table(found: list[Trouble]) -> list[str]:
    if not found:
        return ["No alert."]
    now = datetime.now(UTC)
    head = ("ALERT", "STATE", "SEVERITY", "WHERE", "RULE", "COUNT", "SINCE", "WHAT")
    rows = [
        (
            t.alert.id,
            t.alert.state,
            t.alert.severity,
            _where(t.alert.service, t.alert.environment),
            t.alert.rule,
            str(t.alert.count),
            since(_moment(t.alert.began), now),
            plain(t.alert.summary, 200),
        )
        for t in found
    ]
    return columns([head, *rows])


def _windows(windows: list[alerts.Suppression]) -> list[str]:
    head = ("SUPPRESSED", "RULE", "UNTIL", "SWALLOWED", "BY", "REASON")
    rows = [
        (
            _where(s.window.service, s.window.environment),
            s.window.rule or "every rule",
            clock(_moment(s.window.ends)),
            f"{s.alerts} alerts, {s.symptoms} symptoms",
            s.window.by,
            plain(s.window.reason, 200),
        )
        for s in windows
    ]
    return columns([head, *rows])


def _undelivered(context: Context, found: list[Pending]) -> None:
    if context.json:
        context.document({"items": found})
        return
    head = ("CHANNEL", "STATE", "ATTEMPTS", "ALERT", "WHY", "TITLE")
    rows = [
        (p.channel, "given up" if p.state == "dead" else "tried again", str(p.attempts), p.alert,
         plain(p.error, 200), plain(p.message.title, 200))
        for p in found
    ]  # fmt: skip
    context.lines(columns([head, *rows]) if rows else ["Every message was taken."])


@alert.verb("headway alert show alr_01")
@ALERT
@pass_context
def show(context: Context, alert: str) -> None:
    """Show one alert: its symptoms, its context, who was told."""
    with context.reading() as connection:
        trouble = alerts.find(connection, alert)
        told = messages.of_alert(connection, trouble.alert.id)
    if context.json:
        context.document(_document(trouble) | {"messages": told})
        return
    context.lines(_story(trouble, told))


def _story(trouble: Trouble, told: list[Pending]) -> list[str]:
    known = trouble.alert
    facts = [
        ("  state", marked(known.state)),
        ("  where", _where(known.service, known.environment)),
        ("  rule", f"{known.rule}, {known.severity}"),
        ("  began", clock(_moment(known.began))),
        ("  symptoms", str(known.count)),
        ("  by", known.by),
        *((f"  {name}", plain(text)) for name, text in known.links.items()),
    ]
    lines = [plain(known.summary), *columns([f for f in facts if f[1]])]
    lines += [f"  - {m.rule} {m.count}x: {plain(m.summary)}" for m in trouble.members]
    for p in told:
        what = p.message.key.rpartition("/")[2]
        failed = f": {plain(p.error)}" if p.error else ""
        lines.append(f"  {what} to {p.channel}: {p.state}{failed}")
    if known.state != "resolved":
        lines.append(f"  next: headway alert ack {known.id} --reason TEXT")
    return lines


@alert.verb('headway alert ack alr_01 --reason "on it"')
@ALERT
@said.reason()
@pass_context
def ack(context: Context, alert: str, reason: str) -> None:
    """Take care of an alert: it is not escalated and not repeated any more."""
    with context.headway.tx() as tx:
        _answer(context, alerting.acknowledge(tx, alert, context.person, reason))


@alert.verb('headway alert resolve alr_01 --reason "fixed by hand"')
@ALERT
@said.reason()
@pass_context
def resolve(context: Context, alert: str, reason: str) -> None:
    """Say that it is over. If it is not, it comes back as a new alert."""
    with context.headway.tx() as tx:
        _answer(context, alerting.resolve(tx, alert, context.person, reason))


def _answer(context: Context, trouble: Trouble) -> None:
    if context.json:
        context.document(_document(trouble))
    else:
        context.line(f"{trouble.alert.id} is {trouble.alert.state}")


@alert.verb(
    'headway alert suppress shop --env production --for 2h --reason "maintenance"',
    'headway alert suppress shop --rule metrics_missing --for 1h --reason "new proxy"',
)
@SERVICE
@said.environment(required=False)
@click.option("--rule", default="", metavar="RULE", help="Only this rule; else every one.")
@click.option("--for", "length", type=Duration(), required=True, help="It ends by itself then.")
@click.option("--in", "delay", type=Duration(), default=0.0, help="It begins so much later.")
@said.reason()
@pass_context
def suppress(
    context: Context, /, service: str, length: float, delay: float, reason: str, **where: str
) -> None:
    """Disturb nobody for a while. What still lasts afterwards is told."""
    with context.headway.tx() as tx:
        begins = tx.now + delay
        window = Quiet(
            id=f"sup_{ulid(tx.now)}",
            service=service,
            environment=where["environment"],
            rule=where["rule"],
            begins=begins,
            ends=begins + length,
            reason=reason,
            by=context.person,
        )
        alerting.suppress(tx, window)
    if context.json:
        context.document(window)
        return
    what = f"{window.rule or 'every alert'} of {_where(service, window.environment)}"
    context.line(f"{what} is suppressed until {clock(_moment(window.ends))}")


@alert.verb('headway alert unsuppress shop --reason "done early"')
@SERVICE
@said.environment(required=False)
@click.option("--rule", default="", metavar="RULE", help="Only windows for this rule.")
@said.reason()
@pass_context
def unsuppress(context: Context, service: str, environment: str, rule: str, reason: str) -> None:
    """End suppression windows now."""
    with context.headway.tx() as tx:
        chosen = [
            w
            for w in alerts.windows(tx.connection, service, tx.now)
            if environment in {"", w.environment} and rule in {"", w.rule}
        ]
        if not chosen:
            raise Invalid(
                f"nothing of {_where(service, environment)} is suppressed",
                next="headway alert list",
                code="not-suppressed",
            )
        alerting.unsuppress(tx, chosen, context.person, reason)
    if context.json:
        context.document({"ended": chosen})
    else:
        context.line(f"{len(chosen)} windows ended")


@alert.verb("headway alert volume", "headway alert volume --since 7d --json")
@click.option("--since", "back", type=Duration(), default=MONTH, help="So far back; else 30d.")
@said.service()
@pass_context
def volume(context: Context, back: float, service: str) -> None:
    """Count alerts per deployment, week by week, and list the noisiest rules."""
    begin = time.time() - back
    with context.reading() as connection:
        fired = [f for f in alert_noise.fired(connection, begin) if service in {"", f.service}]
        made = [d for d in alert_noise.deployments(connection, begin) if service in {"", d.service}]
    weeks, review = noise.volume(fired, made), noise.review(fired, made)
    if context.json:
        context.document({"weeks": weeks, "review": review})
        return
    if not weeks:
        context.line(f"Neither a deployment nor an alert in the last {span(back)}.")
        return
    rows = [
        (w.week, w.service, str(w.deployments), str(w.alerts), str(w.pages),
         "-" if w.per_deployment is None else f"{w.per_deployment:g}")
        for w in weeks
    ]  # fmt: skip
    head = ("WEEK", "SERVICE", "DEPLOYMENTS", "ALERTS", "PAGES", "ALERTS PER DEPLOYMENT")
    context.lines(columns([head, *rows]))
    if review:
        context.lines(["", "To review, noisiest first:", *_review(review)])


def _review(review: list[noise.Noisy]) -> list[str]:
    head = ("SERVICE", "RULE", "ALERTS", "SYMPTOMS", "DURING DEPLOYMENTS", "UNANSWERED", "ADVICE")
    return columns(
        [
            head,
            *(
                (r.service, r.rule, str(r.alerts), str(r.symptoms), str(r.during),
                 str(r.unanswered), r.advice)
                for r in review
            ),
        ]
    )  # fmt: skip


@alert.verb("headway alert routes", name="routes")
@pass_context
def show_routes(context: Context) -> None:
    """Print what pages and what becomes a ticket."""
    if context.json:
        context.document({"items": routes.ROUTES})
        return
    rows = [(r.rule, r.severity, r.means, r.source) for r in routes.ROUTES]
    context.lines(columns([("RULE", "SEVERITY", "MEANS", "TOLD BY"), *rows]))


def _where(service: str, environment: str) -> str:
    return f"{service}/{environment}" if environment else service


def _moment(at: float) -> datetime | None:
    return datetime.fromtimestamp(at, UTC) if at else None
