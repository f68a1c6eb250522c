"""`headway events`: the event log as JSON lines, Headway's own or projected to CDEvents."""

import time

import click
import msgspec

from headway.cli.context import Context, pass_context
from headway.cli.options import verb
from headway.model.event import Event
from headway.store import cdevents, log

POLL_SECONDS = 0.5
BATCH = 1000


@verb(
    "headway events",
    "headway events --after 120 --service shop",
    "headway events --cdevents --follow | my-event-sink",
)
@click.option("--after", type=click.IntRange(min=0), default=0, help="Only later than this number.")
@click.option("--service", default="", help="Only of this service.")
@click.option("--delivery", default="", metavar="ID", help="Only of this delivery.")
@click.option("--cdevents", "as_cdevents", is_flag=True, help="As CDEvents in CloudEvents form.")
@click.option("--source", default=cdevents.SOURCE, show_default=True, help="Their source.")
@click.option("--follow", is_flag=True, help="Wait for more, until Ctrl-C.")
@pass_context
def events(  # noqa: PLR0913
    context: Context,
    after: int,
    service: str,
    delivery: str,
    source: str,
    *,
    as_cdevents: bool,
    follow: bool,
) -> None:
    """Print the event log as JSON lines.

    In commit order and without gaps: `seq` rises by one. Start again with --after and the last
    `seq` seen.
    """
    where = {k: v for k, v in {"service": service, "delivery": delivery}.items() if v}
    while True:
        with context.reading() as connection:
            fresh = log.after(connection, after, limit=BATCH, **where)
        for event in fresh:
            for line in _lines(event, source if as_cdevents else None):
                context.json_line(line)
        after = fresh[-1].seq if fresh else after
        if not fresh and not follow:
            return
        if not fresh:
            time.sleep(POLL_SECONDS)


def _lines(event: Event, source: str | None) -> list[dict[str, object]]:
    return cdevents.project(event, source) if source else [msgspec.to_builtins(event)]
