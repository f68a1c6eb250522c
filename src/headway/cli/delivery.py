"""`headway delivery`: list, show, watch and cancel deliveries."""

from datetime import UTC, datetime

import click

from headway.cli import names, said
from headway.cli.context import Context, pass_context
from headway.cli.driving import watch as watch_it
from headway.cli.duration import Duration
from headway.cli.hints import hint
from headway.cli.options import Noun
from headway.cli.storytelling import told
from headway.flows import commands
from headway.flows.commands import Word
from headway.store.views import delivery as story
from headway.store.views import ids, lists
from headway.store.views.paging import Filter
from headway.wording.text import columns, marked, person, since


@click.group(cls=Noun, examples=("headway delivery list", "headway delivery watch shop-43"))
def delivery() -> None:
    """One commit's journey along the path."""


@delivery.verb(
    "headway delivery list", "headway delivery list --service shop --state failed", name="list"
)
@said.service()
@said.environment(required=False)
@click.option("--state", default="", help="A state or an outcome: waiting, held, rolled_back, …")
@said.limit()
@pass_context
def listing(context: Context, service: str, environment: str, state: str, limit: int) -> None:
    """Newest first."""
    with context.reading() as connection:
        found = lists.list_deliveries(connection, Filter(service, environment, state, limit))
    if context.json:
        context.document({"items": found})
        return
    now = datetime.now(UTC)
    head = ("DELIVERY", "SERVICE", "COMMIT", "RELEASE", "STATE", "ASKED", "BY", "SUBJECT")
    rows = [
        (
            d.id,
            d.service,
            d.commit[:7],
            d.release,
            marked(d.outcome or d.state),
            since(d.requested_at, now),
            person(d.by),
            d.subject,
        )
        for d in found
    ]
    context.lines(columns([head, *rows]) if rows else ["No delivery yet. Next: headway deliver"])


@delivery.verb("headway delivery show shop-43", "headway delivery show del_01K --json")
@click.argument("id", metavar="DELIVERY", shell_complete=names.deliveries)
@pass_context
def show(context: Context, id: str) -> None:
    """Tell the whole story of a delivery.

    DELIVERY is a beginning of its id, a release, or a place like `shop/production`.
    """
    with context.reading() as connection:
        view = story.read(connection, ids.delivery_id(connection, id))
    if context.json:
        context.document(view)
    else:
        context.lines(told(view))


@delivery.verb("headway delivery watch", "headway delivery watch shop/production --here")
@click.argument(
    "id", metavar="[DELIVERY]", required=False, default="", shell_complete=names.deliveries
)
@click.option("--timeout", type=Duration(), help="Follow for so long at most; then exit 5.")
@click.option("--here", is_flag=True, help="Run it in this process if no server does.")
@pass_context
def watch(context: Context, id: str, timeout: float | None, *, here: bool) -> None:
    """Follow a delivery until it ends; its outcome is the exit code. Of none named: the newest.

    With --json: one event in each line.
    """
    with context.reading() as connection:
        known = ids.delivery_id(connection, id) if id else ids.newest_delivery(connection)
    watch_it(context, known, timeout, here=here)


@delivery.verb('headway delivery cancel del_01K --reason "wrong branch"')
@click.argument("id", metavar="DELIVERY", shell_complete=names.deliveries)
@said.reason()
@pass_context
def cancel(context: Context, id: str, reason: str) -> None:
    """End a delivery at its next safe point.

    Before an environment it just ends; in a rollout it goes back to the last known good release.
    """
    with context.reading() as connection:
        known = ids.delivery_id(connection, id)
    with context.headway.tx() as tx:
        # abort, because a rollout hears that word and a door takes it as cancel
        word = Word("abort", context.person, reason)
        commands.say(tx, context.headway.outbox, known, word)
    if context.json:
        context.document({"delivery": known, "command": "cancel", "reason": reason})
    else:
        context.line(hint(f"asked; headway delivery watch {known}"))
