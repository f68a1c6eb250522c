"""Follows one delivery from the event log until it ends: a live tree, or one line per change.

Called by `deliver`, `rollback`, `delivery watch` and `rollout watch`. It only reads: Ctrl-C stops
the watching, never the delivery.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from headway.cli.context import Context
from headway.model.event import Event
from headway.store import log
from headway.store.views import delivery as story
from headway.store.views import window
from headway.store.views.delivery import DeliveryView
from headway.wording.sentences import line

POLL_SECONDS = 0.2
ALONE_SECONDS = 2.0


class Detached(Exception):
    """The person stopped watching."""


class Orphaned(Exception):
    """Nobody runs the delivery any more."""


@dataclass(frozen=True, slots=True)
class Terms:
    """`timeout`: seconds to follow at most, None for no end. `runs`: whether the engine is at work
    somewhere, asked now and then; None if it is at work in this process. `ends`: an earlier end
    than the delivery's own. `beside`: one line to be shown under the live tree.
    """

    timeout: float | None = None
    runs: Callable[[], bool] | None = None
    json_lines: bool = False
    ends: Callable[[DeliveryView], bool] | None = None
    beside: Callable[[], str] | None = None


def follow(context: Context, id: str, terms: Terms) -> DeliveryView:
    """The delivery as it is when it has ended or `timeout` is over. Raises Detached, Orphaned."""
    try:
        with _screen(context, terms) as show:
            return _watch(context, id, terms, show)
    except KeyboardInterrupt:
        raise Detached from None


Show = Callable[[DeliveryView, list[Event]], None]


def _watch(context: Context, id: str, terms: Terms, show: Show) -> DeliveryView:
    began = asked = time.monotonic()
    seq = 0
    while True:
        with context.reading() as connection:
            fresh = log.after(connection, seq, delivery=id)
            view = story.read(connection, id)
        seq = fresh[-1].seq if fresh else seq
        show(view, fresh)
        now = time.monotonic()
        over = view.state == "done" or (terms.ends is not None and terms.ends(view))
        if over and seq >= view.last_seq:
            return view
        if terms.timeout is not None and now - began >= terms.timeout:
            return view
        if terms.runs is not None and now - asked >= ALONE_SECONDS:
            asked = now
            if not terms.runs():
                raise Orphaned
        time.sleep(POLL_SECONDS)


@contextmanager
def _screen(context: Context, terms: Terms) -> Iterator[Show]:
    if terms.json_lines:
        yield lambda _view, fresh: _json_lines(context, fresh)
    elif context.quiet or context.json:
        yield lambda _view, _fresh: None
    elif context.err.is_terminal:
        with _live(context, terms.beside) as show:
            yield show
    else:
        told: dict[str, tuple[object, ...]] = {}
        yield lambda _view, fresh: _lines(context, fresh, told)


def _json_lines(context: Context, fresh: list[Event]) -> None:
    for event in fresh:
        context.json_line(msgspec.to_builtins(event))


def _lines(context: Context, fresh: list[Event], told: dict[str, tuple[object, ...]]) -> None:
    """One line per change: a window whose verdict is that of the last one is none."""
    for event in fresh:
        if event.kind == "rollout.judged":
            verdict = (event.data["step"], event.data["outcome"])
            if told.get(event.subject) == verdict:
                continue
            told[event.subject] = verdict
        words = line(event)
        if words is not None:
            context.note(words)


@contextmanager
def _live(context: Context, beside: Callable[[], str] | None) -> Iterator[Show]:
    from rich.console import Group  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from headway.cli.tree import Seen, tree  # noqa: PLC0415

    with Live(console=context.err, auto_refresh=False, vertical_overflow="ellipsis") as live:

        def show(view: DeliveryView, _fresh: list[Event]) -> None:
            seen = Seen(view, _windows(context, view))
            picture = tree(seen, datetime.now(UTC))
            below = beside() if beside else ""
            live.update(Group(picture, Text(below)) if below else picture, refresh=True)

        yield show


def _windows(context: Context, view: DeliveryView) -> dict[str, window.WindowView]:
    with context.reading() as connection:
        found = {v.rollout: window.last(connection, v.rollout) for v in view.visits if v.rollout}
    return {id: seen for id, seen in found.items() if seen is not None}
