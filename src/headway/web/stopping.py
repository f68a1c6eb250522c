"""The line as every page shows it: the button that stops it, and the notice while it is stopped."""

from dataclasses import replace

from headway.access.principal import Principal, anywhere, may
from headway.store.views.counts import Counts
from headway.store.views.line import LineView
from headway.web.question import Question


def seen(line: LineView, services: frozenset[str] | None) -> LineView:
    """What of it concerns somebody who may read these services; None: all."""
    if services is None:
        return line
    stops = tuple(
        replace(s, held=tuple(h for h in s.held if h.service in services))
        for s in line.stops
        if s.service in {"", *services}
    )
    because = "; ".join(s.because for s in stops)
    return LineView(bool(stops), because, stops, ())


def question(who: Principal, counts: Counts) -> Question | None:
    """The stop of everything. None for who may not stop anything; who may stop only a part is asked
    which, on a page of its own.
    """
    if not anywhere(who, "line.stop"):
        return None
    moving = counts.rollouts
    held = {0: "No rollout moves now.", 1: "One running rollout holds at its present split."}.get(
        moving, f"{moving} running rollouts hold at their present split."
    )
    return Question(
        id="stop-line" if may(who, "line.stop") else "",
        word="Stop the line",
        icon="stop",
        heading="Stop the line for everything?",
        says=f"{held} No new deploy starts in any environment. Rollbacks still run. "
        "Traffic does not move until somebody starts the line again.",
        sure="Stop the line",
        action="/line/stop",
        back="/line",
        danger=True,
    )
