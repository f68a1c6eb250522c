"""`headway rollout suggest`: steps and least times from the service's own past. Changes nothing."""

from collections.abc import Iterator
from dataclasses import asdict

import click

from headway.analysis import history
from headway.analysis.history import LEAST_ROLLOUTS, Advice, Suggestion
from headway.cli import said
from headway.cli.context import Context, pass_context
from headway.cli.options import verb
from headway.model.errors import Invalid
from headway.model.service import Environment, Service
from headway.settings import units
from headway.wording.text import columns, percent, plain


@verb(
    "headway rollout suggest shop",
    "headway rollout suggest shop --env production --json",
    name="suggest",
)
@click.argument("service")
@said.environment(required=False)
@pass_context
def command(context: Context, service: str, environment: str) -> None:
    """Suggest canary steps from past rollouts, each with its reason.

    Nothing is changed: what is suggested is printed as a part of headway.yaml.
    """
    from headway.store.views import history as past  # noqa: PLC0415  they load the judge
    from headway.store.views import recorded  # noqa: PLC0415

    with context.reading() as connection:
        config = recorded.newest_config(connection, service)
        where = _environment(config, service, environment)
        found = past.pasts(connection, service, where.name)
    suggestion = history.suggest(found, where.rollout.steps, where.analysis.pace)
    if context.json:
        context.document(_document(service, where, suggestion))
    else:
        context.lines(list(_shown(service, where, suggestion)))


def _environment(config: Service | None, service: str, name: str) -> Environment:
    if config is None:
        raise Invalid(
            f"there is no service `{service}`",
            why="no release of it is known here",
            next="headway release list",
            code="unknown-service",
        )
    canaries = [e for e in config.environments if e.rollout.strategy == "canary"]
    found = [e for e in canaries if name in {"", e.name}]
    if not found:
        known = ", ".join(e.name for e in canaries) or "none"
        what = f"{name or 'no environment'} of {service} is" + ("" if not name else " not")
        raise Invalid(
            f"{what} moved by canary",
            why=f"environments with canary steps: {known}",
            next="headway env list",
            code="unknown-environment",
        )
    return found[-1]


def _document(service: str, where: Environment, suggestion: Suggestion) -> dict[str, object]:
    fragment = "\n".join(_fragment(where, suggestion)) if suggestion.changes else ""
    return {
        "service": service,
        "environment": where.name,
        "needed": LEAST_ROLLOUTS,
        "changes": suggestion.changes,
        "fragment": fragment,
        **asdict(suggestion),
    }


def _shown(service: str, where: Environment, suggestion: Suggestion) -> Iterator[str]:
    yield (
        f"{suggestion.rollouts} canaries of {plain(service)} in {where.name}: "
        f"{suggestion.released} released, {suggestion.caught} caught by the judge, "
        f"{suggestion.held} held for lack of data, {suggestion.rate:.3g} requests/s in the middle"
    )
    if not suggestion.enough:
        yield f"not enough history: {suggestion.rollouts} of {LEAST_ROLLOUTS} rollouts"
        return
    head = ("  NOW", "SUGGESTED", "VISITS", "WHY")
    yield from columns([head, *(_row(step) for step in suggestion.steps)])
    if not suggestion.changes:
        yield "nothing to change: the steps fit the history"
        return
    yield ""
    yield "a part of headway.yaml; nothing was changed:"
    yield ""
    yield from _fragment(where, suggestion)


def _row(step: Advice) -> tuple[str, ...]:
    now = "" if step.was_share is None else _step(step.was_share, step.was_bake, step.mirror)
    because = step.because or "as it is"
    return (f"  {now}", _step(step.share, step.bake, step.mirror), str(step.visits), because)


def _step(share: float, bake: float | None, mirror: float) -> str:
    what = f"mirror {percent(mirror)}" if mirror else percent(share)
    return what if bake is None else f"{what} for {units.duration(bake)}"


def _fragment(where: Environment, suggestion: Suggestion) -> Iterator[str]:
    """Every least time is written out, because a further step moves the pace's own."""
    yield "environments:"
    yield f"  {where.name}:"
    yield "    rollout:"
    yield "      strategy: canary"
    yield "      steps:"
    yield from (f"        - {_written(step)}" for step in suggestion.steps)
    least = sum(step.bake or 0.0 for step in suggestion.steps)
    if least > where.rollout.deadline_seconds:
        yield f"      deadline: {units.duration(history.round_up(2 * least))}"


def _written(step: Advice) -> str:
    keys = [f"mirror: {units.percent(step.mirror)}" if step.mirror
            else f"share: {units.percent(step.share)}"]  # fmt: skip
    if step.bake is not None:
        keys.append(f"bake: {units.duration(step.bake)}")
    if step.approvals:
        keys.append(f"approval: {step.approvals}")
    return units.percent(step.share) if len(keys) == 1 else f"{{{', '.join(keys)}}}"
