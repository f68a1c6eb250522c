"""`headway judge selftest`: how often would the judge have rolled back the stable version itself?

The traffic comes from an access log, else from Headway's own samples of the stable release, else
from recorded rollouts; what is promised and the steps come from the service as it is released, else
from headway.yaml in this folder.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import click
import sqlalchemy as sa

from headway import settings
from headway.analysis import access_log, selftest
from headway.analysis.access_log import Latency, Reading
from headway.analysis.judge import Finding, Setup
from headway.analysis.selftest import Cells, Course, Ends, Report
from headway.cli.context import Context, pass_context
from headway.cli.options import verb
from headway.model.errors import Invalid
from headway.model.service import Environment, Service
from headway.rollout.step import StepEnd, step_ends
from headway.store import records
from headway.store.samples import Samples, location
from headway.store.views import own_traffic, recorded
from headway.store.views.own_traffic import Span
from headway.wording.text import columns, percent, plain

SPLITS = 100
LEAST_WINDOWS = 30  # of own samples; with fewer, recorded rollouts say more


class Traffic(NamedTuple):
    """What is split, how, and where it comes from in words."""

    stretches: list[Cells]
    course: Course
    source: str


@verb(
    "headway judge selftest shop",
    "headway judge selftest shop --log access.log --splits 400",
    "headway judge selftest shop --env production --json",
    name="selftest",
)
@click.argument("service")
@click.option("--env", "environment", default="", metavar="ENV", help="Environment; else the last.")
@click.option(
    "--log",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="An access log, common or combined format; else own samples or recorded rollouts.",
)
@click.option("--splits", type=click.IntRange(1, 10_000), default=SPLITS, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option(
    "--windows",
    type=click.IntRange(2, 10_000),
    default=None,
    help="Spread the log over so many windows, as if it were that much denser.",
)
@click.option(
    "--errors-from",
    type=click.IntRange(100, 599),
    default=500,
    show_default=True,
    help="The lowest status in the log that is an error.",
)
@click.option(
    "--latency",
    type=click.Choice(("auto", "s", "ms", "us", "none")),
    default="auto",
    show_default=True,
    help="The unit of the number at the end of a line; auto: seconds, if it has a point.",
)
@pass_context
def command(  # noqa: PLR0913  each is an option
    context: Context,
    service: str,
    environment: str,
    log: Path | None,
    splits: int,
    seed: int,
    windows: int | None,
    errors_from: int,
    latency: Latency,
) -> int:
    """Split the stable version's own traffic in two and count the false alarms.

    Nothing is new in such a split, so each rollback is a false alarm. Exit 1 if more of them than
    the service's confidence allows are proven (95 %), exit 5 if nothing could be compared.
    """
    with context.reading() as connection:
        where = _environment(connection, service, environment)
        if log is None:
            sampled = _sampled(context, connection, service, where)
            traffic = sampled or _recorded(connection, service, where)
        else:
            reading = Reading(errors_from, latency)
            traffic = _logged(context, log, reading, where, windows or 0)
    context.note(f"{splits} splits of {where.name}, each judged from begin to end …")
    setup = Setup(where.analysis, where.rollout.holdback)
    report = selftest.run(setup, traffic.stretches, traffic.course, splits=splits, seed=seed)
    if context.json:
        told = {"service": service, "environment": where.name, "source": traffic.source}
        context.document({**told, "seed": seed, **asdict(report)})
    else:
        context.lines(list(_shown(report, where, traffic.source)))
    return 5 if _blind(report) else 1 if report.proven else 0


def _environment(connection: sa.Connection, service: str, name: str) -> Environment:
    """As the newest release has it; else as headway.yaml here has it."""
    config = recorded.newest_config(connection, service) or _here(service)
    names = [e.name for e in config.environments]
    if name and name not in names:
        raise Invalid(
            f"{service} has no environment `{name}`",
            why=f"it has {', '.join(names)}",
            next="headway env list",
            code="unknown-environment",
        )
    return config.environment(name or names[-1])


def _here(service: str) -> Service:
    try:
        found = settings.load(".")
    except Invalid as error:
        if error.code != "missing-file":
            raise
        found = None
    if found is None or found.name != service:
        raise Invalid(
            f"there is no service `{service}`",
            why="no release of it is known here, and no headway.yaml in this folder describes it",
            next="headway release list",
            code="unknown-service",
        )
    return found


def _ends(where: Environment) -> Ends:
    pace = where.analysis.pace

    def ends(step: int, age: float, step_age: float, finding: Finding) -> bool:
        outcome, suspicion = finding.verdict.outcome, finding.suspicion
        return (
            step_ends(pace, step, age, step_age, outcome, suspicion, None, "hold") is StepEnd.PROVEN
        )

    return ends


def _sampled(
    context: Context, connection: sa.Connection, service: str, where: Environment
) -> Traffic | None:
    """The stable release's last days by instance, if the server has counted enough of them."""
    url = location(context.place.home, context.place.database)
    file = Path(url.removeprefix("sqlite:///"))
    release = records.place(connection, service, where.name).stable
    if not release or (url.startswith("sqlite") and not file.exists()):
        return None
    samples, now, pace = Samples(url), time.time(), where.analysis.pace
    try:
        span = Span(now - samples.retention().raw, now, pace.window)
        found = own_traffic.windows(samples, service, where.name, release, span)
    finally:
        samples.close()
    cells = selftest.from_windows(found) if len(found) >= LEAST_WINDOWS else None
    if cells is None:
        return None
    return Traffic([cells], _halves(where), f"own samples of {release}")


def _halves(where: Environment) -> Course:
    """Half of the instances against the other half, at one step."""
    return Course((0.5,), where.analysis.pace.window, _ends(where), "instance")


def _recorded(connection: sa.Connection, service: str, where: Environment) -> Traffic:
    """The stable instances of past rollouts."""
    past = [
        selftest.from_windows(each) for each in recorded.windows(connection, service, where.name)
    ]
    stretches = [cells for cells in past if cells is not None]
    if not stretches:
        raise Invalid(
            f"no recorded traffic of {service} in {where.name} can be split",
            why="it takes a rollout that was judged against at least two stable instances",
            next=f"headway judge selftest {service} --log access.log",
            code="no-traffic",
        )
    return Traffic(stretches, _halves(where), f"{len(stretches)} recorded rollouts")


def _logged(
    context: Context, log: Path, reading: Reading, where: Environment, windows: int
) -> Traffic:
    """By client, at the steps of a rollout."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        requests, strange = access_log.parse(lines, reading)
    if strange:
        context.note(f"{strange} lines of {log.name} were not understood and are left out")
    seconds = where.analysis.pace.window
    cells = access_log.cells(requests, seconds, where.run.instances, windows)
    course = Course(tuple(_shares(where)), seconds, _ends(where), "client")
    return Traffic([cells], course, log.name)


def _shares(where: Environment) -> Iterator[float]:
    """Those that users see; an environment without a canary is asked as if it had the usual one."""
    steps = [s.share for s in where.rollout.steps if s.share]
    yield from steps[:-1]
    yield 1.0 - (where.rollout.holdback or 0.10)


def _shown(report: Report, where: Environment, source: str) -> Iterator[str]:
    yield f"{report.alarms} false alarms in {report.splits} splits by {report.unit}"
    between = f"{percent(report.low)} to {percent(report.high)}"
    silent = f"{report.silent} splits had nothing to compare" if report.silent else ""
    rows = [
        ("  rate", f"{percent(report.rate)} (95% interval {between}); splits share their requests"),
        ("  promised", f"at most {percent(report.alpha)} (confidence of {where.name})"),
        ("  traffic", f"{report.requests:,} requests, {report.errors:,} errors, "
         f"{report.units:,} {report.unit}s ({plain(source)})"),
        ("  dispersion", _dispersion(report)),
        ("  alarmed", ", ".join(f"{plain(n)} {k}" for n, k in report.signals.items()) or "none"),
        ("  silent", silent),
    ]  # fmt: skip
    yield from columns([row for row in rows if row[1]])
    unsure = _blind(report) or report.rate > report.alpha
    yield f"{'✗' if report.proven else '⚠' if unsure else '✓'} {report.advice}"


def _blind(report: Report) -> bool:
    """No split had anything to compare: that is no answer."""
    return report.silent == report.splits


def _dispersion(report: Report) -> str:
    def times(value: float | None) -> str:
        return "unknown" if value is None else f"{value:.1f}"

    errors, slow = times(report.dispersion_errors), times(report.dispersion_slow)
    return f"errors {errors}, slow requests {slow} (1: independent); believed {report.believed:.1f}"
