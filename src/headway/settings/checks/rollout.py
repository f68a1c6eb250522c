"""Can a rollout move users to the end, and can the judge ever prove anything?"""

from collections.abc import Iterator
from itertools import pairwise

from headway.document import quoted
from headway.model.errors import Problem
from headway.model.service import Environment
from headway.settings import units
from headway.settings.checks.places import Places

MOST_HOLDBACK = 0.1
_LEAST_CONFIDENCE = 0.5


def check(environment: Environment, at: Places) -> Iterator[Problem]:
    """Problems of rollout and analysis."""
    strategy = environment.rollout.strategy
    if strategy == "canary":
        yield from _steps(environment, at)
        yield from _holdback(environment, at)
        yield from _deadline(environment, at)
    if strategy == "shadow":
        yield from _shadow(environment, at)
    if strategy == "rolling":
        yield from _room(environment, at)
    yield from _analysis(environment, at)


def _steps(environment: Environment, at: Places) -> Iterator[Problem]:
    steps = environment.rollout.steps
    if problems := list(_mirrors(environment, at)):
        yield from problems
        return
    first = sum(1 for step in steps if step.mirror)
    shares = [0.0, *(step.share for step in steps[first:])]
    for index, (before, share) in enumerate(pairwise(shares), first):
        if share <= before:
            sentence = f"a step of {units.percent(share)} after {units.percent(before)}: shares of"
            place = ("rollout", "steps", index)
            yield at.problem(place, f"{sentence} traffic rise, from step to step", "steps-order")
            return
    if shares[-1] != 1.0:
        sentence = f"the last step is {units.percent(shares[-1])}: end with `100%`"
        yield at.problem(("rollout", "steps", len(steps) - 1), sentence, "steps-order")
    elif at.has("rollout", "steps", len(steps) - 1, "bake"):
        sentence = "the last step is watched for `stability`. Write that instead of its `bake`"
        yield at.problem(("rollout", "steps", len(steps) - 1, "bake"), sentence, "last-step")


def _mirrors(environment: Environment, at: Places) -> Iterator[Problem]:
    """Copies of requests come before users: it shows nothing that they have not."""
    steps, seen = environment.rollout.steps, False
    for index, step in enumerate(steps):
        place = ("rollout", "steps", index)
        if not at.has(*place, "mirror"):
            seen = True
        elif step.mirror == 0:
            yield at.problem((*place, "mirror"), "`mirror` must be more than `0%`", "range")
        elif seen:
            sentence = "a step that mirrors comes before the first that moves users"
            yield at.problem(place, f"{sentence}. Write it above", "steps-order")
        elif index == len(steps) - 1:
            sentence = "the last step mirrors and so nobody would ever be moved: end with `100%`"
            yield at.problem(place, f"{sentence}, or use strategy shadow", "steps-order")


def _shadow(environment: Environment, at: Places) -> Iterator[Problem]:
    rollout = environment.rollout
    if rollout.mirror == 0:
        yield at.problem(("rollout", "mirror"), "`mirror` must be more than `0%`", "range")
    if rollout.mirror_bake_seconds > rollout.deadline_seconds:
        sentence = (
            f"`deadline` is {units.duration(rollout.deadline_seconds)}, but the copies are judged "
            f"for {units.duration(rollout.mirror_bake_seconds)}"
        )
        yield at.problem(("rollout", "deadline"), sentence, "deadline")


def _holdback(environment: Environment, at: Places) -> Iterator[Problem]:
    holdback, steps = environment.rollout.holdback, environment.rollout.steps
    if holdback > MOST_HOLDBACK:
        sentence = f"`holdback` is at most `10%`, not {quoted(units.percent(holdback))}"
        yield at.problem(("rollout", "holdback"), sentence, "holdback")
    elif len(steps) > 1 and not steps[-2].mirror and steps[-2].share >= 1 - holdback:
        least = units.percent(1 - holdback)
        sentence = (
            f"with a `holdback` of {units.percent(holdback)} the last step is {least}; "
            f"the one before must be less than that, not {units.percent(steps[-2].share)}"
        )
        yield at.problem(("rollout", "steps", len(steps) - 2), sentence, "holdback")


def _deadline(environment: Environment, at: Places) -> Iterator[Problem]:
    rollout, floors = environment.rollout, environment.analysis.pace.floors
    least = sum(
        step.bake_seconds if step.bake_seconds is not None else floors[min(i, len(floors) - 1)]
        for i, step in enumerate(rollout.steps[:-1])
    )
    if least > rollout.deadline_seconds:
        sentence = (
            f"`deadline` is {units.duration(rollout.deadline_seconds)}, "
            f"but the steps take at least {units.duration(least)}"
        )
        yield at.problem(("rollout", "deadline"), sentence, "deadline")


def _room(environment: Environment, at: Places) -> Iterator[Problem]:
    rollout, instances = environment.rollout, environment.run.instances
    if rollout.max_surge == 0 and rollout.max_unavailable == 0:
        sentence = (
            f"`max_surge` and `max_unavailable` are both 0 of {instances}: nothing could be "
            "replaced. Allow one of them"
        )
        yield at.problem(("rollout", "max_surge"), sentence, "no-room")
    if rollout.max_unavailable >= instances:
        sentence = (
            f"`max_unavailable` would take down all {instances} of {environment.name} at once. "
            "Write less than `instances`"
        )
        yield at.problem(("rollout", "max_unavailable"), sentence, "no-room")
    if rollout.max_surge > 1000:
        yield at.problem(("rollout", "max_surge"), "`max_surge` must be at most 1000", "range")


def _analysis(environment: Environment, at: Places) -> Iterator[Problem]:
    analysis = environment.analysis
    if not _LEAST_CONFIDENCE <= analysis.confidence < 1.0:
        sentence = "`confidence` lies between `50%` and `99.9999%`: no judge is ever quite sure"
        yield at.problem(("analysis", "confidence"), sentence, "range")
    if analysis.latency_relative == 0:
        sentence = "`relative` must be more than `0%`: nothing can be proven to be exactly as fast"
        yield at.problem(("analysis", "latency", "relative"), sentence, "range")
    if analysis.errors_absolute == 0 and analysis.errors_relative == 0:
        sentence = "`errors` needs a margin: nothing can be proven to be exactly as good"
        yield at.problem(("analysis", "errors"), sentence, "range")
