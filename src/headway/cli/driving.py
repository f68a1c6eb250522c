"""Sees a delivery through: follows it, and runs the engine here while nobody else does.

Used by the commands that start or watch a delivery. Two of them at once is fine: one runs the
engine, the other follows; if the one ends, the other takes over.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import click

from headway.cli.context import Context
from headway.cli.errors import INTERRUPTED
from headway.cli.follow import Detached, Orphaned, Terms, follow
from headway.cli.hints import hint
from headway.cli.outcome import exit_code, summary
from headway.model.errors import Drifted
from headway.store.views.delivery import DeliveryView


def finish(context: Context, ask: Sequence[Callable[[], str]], timeout: float | None) -> None:
    """Ask for deliveries (each `ask` gives an id), see them through, leave with their exit code:
    the first that is not 0.
    """
    asked: list[str] = []

    def id_of(number: int) -> str:
        if not asked:
            asked.extend(one() for one in ask)
            for id in asked:
                context.note(f"delivery {id}")
        return asked[number]

    views: list[DeliveryView] = []
    try:
        for number, _ in enumerate(ask):
            view = see_through(context, partial(id_of, number), Terms(timeout))
            views.append(view)
    except (Detached, KeyboardInterrupt):
        detach(context, asked[len(views)] if asked else "")
    else:
        report(context, *views)
        click.get_current_context().exit(next(filter(None, map(exit_code, views)), 0))


def watch(context: Context, id: str, timeout: float | None, *, here: bool) -> None:
    """Follow a known delivery and leave with its exit code; with `here` as `finish` does."""
    terms = Terms(timeout, json_lines=context.json)
    try:
        if here:
            view = see_through(context, lambda: id, terms)
        else:
            if not context.headway.engine_runs():
                context.note("no server runs for this home: nothing will happen; say --here")
            view = follow(context, id, terms)
    except (Detached, KeyboardInterrupt):
        detach(context, id)
    else:
        if not context.json:
            report(context, view)
        click.get_current_context().exit(exit_code(view))


def see_through(context: Context, id: Callable[[], str], terms: Terms) -> DeliveryView:
    """Follow to the end, with the engine in this process if there is no other."""
    while True:
        try:
            if context.headway.engine_runs():
                return follow(context, id(), replace(terms, runs=context.headway.engine_runs))
            return _with_engine(context, id, terms)
        except Orphaned:
            context.note("the process that ran this delivery is gone; going on here")
        except Drifted as error:
            if error.code != "engine-runs":
                raise


def _with_engine(context: Context, id: Callable[[], str], terms: Terms) -> DeliveryView:
    with context.headway.engine():
        context.hard_exit = True
        context.note("no server runs for this home: delivering in this process")
        return follow(context, id(), terms)


def report(context: Context, *views: DeliveryView) -> None:
    """How they ended, on stdout; as JSON one document, a list if they are not one."""
    if context.json:
        context.document(views[0] if len(views) == 1 else {"deliveries": views})
    for view in () if context.json else views:
        context.lines(summary(view))


def detach(context: Context, id: str) -> None:
    """Say that it goes on, and how to come back; leave with 130."""
    if not id:
        context.complain("interrupted; nothing was asked for")
    elif context.hard_exit:
        context.complain(
            hint("detached; it goes on when `headway server` or `headway deliver` runs")
        )
        context.complain(hint(f"  next: headway delivery watch {id} --here"))
    else:
        context.complain("detached; the delivery goes on at the server")
        context.complain(hint(f"  next: headway delivery watch {id}"))
    click.get_current_context().exit(INTERRUPTED)
