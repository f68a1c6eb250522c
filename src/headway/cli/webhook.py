"""`headway webhook`: other systems that our events are sent to, and how that goes."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from headway.cli.context import Context, pass_context
from headway.cli.duration import Duration
from headway.cli.hints import hint
from headway.cli.options import Noun
from headway.cli.said import reason
from headway.model.errors import Failed, Invalid
from headway.wording.text import clock, columns, marked, plain, since

if TYPE_CHECKING:
    from headway.store.views.webhooks import DeliveryView, WebhookView

NAME = click.argument("name", metavar="NAME")
LIMIT = click.option(
    "--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="At most."
)
_NONE = "No webhook yet. Next: headway webhook add --help"


@click.group(
    cls=Noun,
    examples=(
        "headway webhook add chat --url https://chat.example.com/hooks --events 'release.*'",
        "headway webhook show chat",
    ),
)
def webhook() -> None:
    """Other systems that our events are sent to."""


@webhook.verb(
    "headway webhook add chat --url https://chat.example.com/hooks --events 'release.*'",
    "headway webhook add board --url https://board.example.com/in --format cdevents --service shop",
)
@NAME
@click.option("--url", required=True, metavar="URL", help="http or https; nothing secret in it.")
@click.option("--service", default="", metavar="NAME", help="Only events of this service.")
@click.option("--env", "environment", default="", metavar="ENV", help="… of this environment.")
@click.option("--events", default="", metavar="LIST", help="Kinds with commas, with `*`; else all.")
@click.option("--format", default="cloudevents", show_default=True, help="cloudevents or cdevents.")
@click.option("--allow-private", is_flag=True, help="Also to addresses that are not public.")
@pass_context
def add(context: Context, /, name: str, **wish: Any) -> None:
    """Send events to a URL from now on. The signing secret is shown once."""
    from headway.flows import webhooks  # noqa: PLC0415

    office = context.headway.office
    with context.headway.tx() as tx:
        wished = webhooks.Wish(name, home=office.name, by=context.person, **wish)
        made = webhooks.add(tx, office.home, wished)
    _secret(context, made.subscription.name, made.secret)


def _secret(context: Context, name: str, secret: str) -> None:
    if context.json:
        context.document({"webhook": _view(context, name), "secret": secret})
        return
    context.line(secret)
    context.note(f"{name} signs with this secret; it is not shown again")
    context.note(hint(f"next: headway webhook test {name}"))


@webhook.verb("headway webhook list", name="list")
@pass_context
def listing(context: Context) -> None:
    """Every webhook, and whether its receiver takes what is sent."""
    from headway.store.views import webhooks as views  # noqa: PLC0415

    with context.reading() as connection:
        found = views.subscriptions(connection)
    if context.json:
        context.document({"items": found})
        return
    now = datetime.now(UTC)
    head = ("WEBHOOK", "STATE", "EVENTS", "WHERE", "WAITING", "DEAD", "LAST TAKEN", "URL")
    rows = [
        (v.name, marked(v.state), " ".join(v.events), _where(v), str(v.waiting), str(v.dead),
         since(v.delivered_at, now) or "never", plain(v.url, 200))
        for v in found
    ]  # fmt: skip
    context.lines(columns([head, *rows]) if rows else [_NONE])


@webhook.verb("headway webhook show chat", "headway webhook show chat --limit 50 --json")
@NAME
@LIMIT
@pass_context
def show(context: Context, name: str, limit: int) -> None:
    """Show one: its state, and its last deliveries with status, attempts and next try."""
    from headway.store.views import webhooks as views  # noqa: PLC0415

    with context.reading() as connection:
        found = views.subscription(connection, name)
        page = views.deliveries(connection, found.id, limit=limit)
    if context.json:
        context.document({"webhook": found, "deliveries": page.items, "next": page.next})
        return
    facts = (
        ("  state", f"{marked(found.state)}{': ' if found.because else ''}{plain(found.because)}"),
        ("  url", plain(found.url)),
        ("  format", found.format + (", private addresses allowed" * found.allow_private)),
        ("  events", f"{' '.join(found.events)} {_where(found)}"),
        ("  made", f"{clock(found.created_at)} by {plain(found.by)}"),
        ("  failing since", clock(found.failing_since)),
        ("  next try", clock(found.next_at)),
        ("  to be sent", f"{found.waiting} deliveries, {found.behind} events not looked at"),
    )
    context.lines([found.name, *columns([f for f in facts if f[1]]), ""])
    context.lines(_table(page.items))


def _table(found: "tuple[DeliveryView, ...]") -> list[str]:
    if not found:
        return ["No delivery."]
    head = ("DELIVERY", "WEBHOOK", "EVENT", "SEQ", "STATE", "ATTEMPTS", "STATUS", "NEXT TRY", "WHY")
    rows = [
        (d.id, d.webhook, d.kind, str(d.seq), marked(d.state), str(d.attempts),
         str(d.status or "-"), clock(d.next_at) or "-", plain(d.error, 200))
        for d in found
    ]  # fmt: skip
    return columns([head, *rows])


@webhook.verb("headway webhook dead", "headway webhook dead chat")
@click.argument("name", metavar="[NAME]", default="")
@LIMIT
@pass_context
def dead(context: Context, name: str, limit: int) -> None:
    """What was given up, of one webhook or of all."""
    from headway.store.views import webhooks as views  # noqa: PLC0415

    with context.reading() as connection:
        id = views.subscription(connection, name).id if name else ""
        page = views.dead(connection, id, limit=limit)
    if context.json:
        context.document({"items": page.items, "next": page.next})
    else:
        context.lines(_table(page.items))


@webhook.verb("headway webhook delete chat")
@NAME
@pass_context
def delete(context: Context, name: str) -> None:
    """End a webhook and forget its deliveries and its secret."""
    from headway.flows import webhooks  # noqa: PLC0415

    found = _view(context, name)
    context.confirm(f"Send nothing to {found.name} any more and forget its deliveries?")
    with context.headway.tx() as tx:
        webhooks.delete(tx, context.headway.home, found.id, context.person)
    if context.json:
        context.document({"deleted": found.name})
    else:
        context.line(f"{found.name} is deleted")


@webhook.verb('headway webhook pause chat --reason "their maintenance"')
@NAME
@reason()
@pass_context
def pause(context: Context, name: str, reason: str) -> None:
    """Send nothing for now; what happens is kept for later."""
    from headway.flows import webhooks  # noqa: PLC0415

    with context.headway.tx() as tx:
        webhooks.pause(tx, name, context.person, reason)
    _tell(context, name)


@webhook.verb("headway webhook resume chat", "headway webhook resume chat --skip")
@NAME
@click.option("--skip", is_flag=True, help="Do not send what happened meanwhile.")
@pass_context
def resume(context: Context, name: str, *, skip: bool) -> None:
    """Go on, at once."""
    from headway.flows import webhooks  # noqa: PLC0415

    with context.headway.tx() as tx:
        webhooks.resume(tx, name, context.person, skip=skip)
    _tell(context, name)


@webhook.verb("headway webhook test chat")
@NAME
@pass_context
def test(context: Context, name: str) -> None:
    """Send a signed ping now, once, and say what the receiver answers."""
    import time  # noqa: PLC0415

    from headway.flows.webhook_attempts import ping  # noqa: PLC0415
    from headway.store import webhooks  # noqa: PLC0415
    from headway.subscription.retry import because  # noqa: PLC0415

    with context.reading() as connection:
        one = webhooks.find(connection, name)
    answer = ping(context.headway.office, one, time.time())
    if not answer.taken:
        raise Failed(
            f"{one.name} did not take the ping",
            why=because(answer),
            next=f"headway webhook show {one.name}",
            code="webhook-ping",
        )
    if context.json:
        context.document({"name": one.name, "status": answer.status})
    else:
        context.line(f"{one.name} took the ping with status {answer.status}")


@webhook.verb("headway webhook rotate chat")
@NAME
@pass_context
def rotate(context: Context, name: str) -> None:
    """Make a new signing secret; for 24 h the old one signs too."""
    from headway.flows import webhooks  # noqa: PLC0415

    with context.headway.tx() as tx:
        made = webhooks.rotate(tx, context.headway.home, name, context.person)
    _secret(context, made.subscription.name, made.secret)


@webhook.verb(
    "headway webhook replay chat dlv_0123456789abcdef0123456789",
    "headway webhook replay chat --since 2h",
    "headway webhook replay chat --dead",
)
@NAME
@click.argument("ids", metavar="[DELIVERY]…", nargs=-1)
@click.option("--since", "back", type=Duration(), help="All that happened so far back.")
@click.option("--dead", "given_up", is_flag=True, help="All that was given up.")
@pass_context
def replay(
    context: Context, name: str, ids: tuple[str, ...], back: float | None, *, given_up: bool
) -> None:
    """Send again, under the same ids: some deliveries, a time, or what was given up."""
    from headway.flows import webhooks  # noqa: PLC0415

    if bool(ids) + (back is not None) + given_up != 1:
        raise Invalid("say one of DELIVERY, --since and --dead", code="webhook-replay")
    with context.headway.tx() as tx:
        if back is not None:
            count = webhooks.replay_since(tx, name, tx.now - back, context.person)
        elif given_up:
            count = webhooks.replay_dead(tx, name, context.person)
        else:
            count = webhooks.replay(tx, name, ids, context.person)
    if context.json:
        context.document({"name": name, "events" if back is not None else "deliveries": count})
    elif back is not None:
        context.line(f"{count} events are looked at again; those that are wanted are sent")
    else:
        context.line(f"{count} deliveries are sent again")


def _view(context: Context, name: str) -> "WebhookView":
    from headway.store.views import webhooks as views  # noqa: PLC0415

    with context.reading() as connection:
        return views.subscription(connection, name)


def _tell(context: Context, name: str) -> None:
    found = _view(context, name)
    if context.json:
        context.document(found)
    else:
        context.line(f"{found.name} is {found.state}")


def _where(view: "WebhookView") -> str:
    return "/".join(part for part in (view.service or "*", view.environment) if part)
