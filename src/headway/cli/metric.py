"""`headway metric`: what is measured, for how long it is kept, and what a release changed."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click

from headway.adapters.imported import files
from headway.cli import names, said
from headway.cli.context import Context, pass_context
from headway.cli.duration import Duration
from headway.cli.options import Noun
from headway.model.errors import Failed, Invalid
from headway.model.series import Selector, Series
from headway.store.samples import Listed, Retention
from headway.store.views.coverage import Coverage, coverage
from headway.store.views.delta import Delta, Latency, Stretch, delta
from headway.wording.text import columns, percent, since, span


@click.group(
    cls=Noun, examples=("headway metric list", "headway metric delta shop-43 --env production")
)
def metric() -> None:
    """What is measured: Headway's own samples and those that it was sent."""


@metric.verb("headway metric list", "headway metric list --service shop --json", name="list")
@said.service()
@pass_context
def listing(context: Context, service: str) -> None:
    """Metrics with their label sets, what was dropped and why, and blind spots."""
    samples, now = context.headway.samples, time.time()
    found = [one for one in samples.listing() if service in ("", one.service)]
    with context.reading() as connection:
        seen = [c for c in coverage(connection, samples, now) if service in ("", c.service)]
    kept = samples.retention()
    if context.json:
        context.document({"items": found, "retention": kept, "coverage": seen})
        return
    context.lines([*_listed(found, kept, now), *_kept(kept), *_blind(seen)])


def _listed(found: list[Listed], kept: Retention, now: float) -> list[str]:
    if not found:
        return ["No samples yet. Next: headway server"]
    head = ("SERVICE", "METRIC", "KIND", "LABEL SETS", "SERIES", "NEWEST", "DROPPED")
    when = datetime.fromtimestamp(now, UTC)
    rows = [
        (
            one.service,
            one.metric,
            one.kind,
            f"{one.label_sets} of {kept.budget}",
            str(one.series),
            since(datetime.fromtimestamp(one.newest, UTC), when) if one.newest else "",
            ", ".join(f"{count:,}: {why}" for why, count in one.dropped.items()),
        )
        for one in found
    ]
    return columns([head, *rows])


def _kept(kept: Retention) -> list[str]:
    return [
        f"kept: {span(kept.raw)} in full, {span(kept.rollup)} as one sample a minute; "
        f"at most {kept.budget} label sets per metric and service"
    ]


def _blind(seen: list[Coverage]) -> list[str]:
    blind = [c for c in seen if c.blind]
    return [
        f"◷ blind spot: {c.service} in {c.environment} ({c.release}) has no fresh samples of "
        + ", ".join(c.blind)
        for c in blind
    ] or [f"{len(seen)} places, no blind spot"]


@metric.verb("headway metric show headway_requests_total --label release=shop-43 --since 10m")
@click.argument("name", metavar="METRIC")
@click.option(
    "--label", "labels", multiple=True, metavar="NAME=VALUE", help="Only with this label."
)
@click.option("--since", "back", type=Duration(), default=600.0, help="How far back; 10m.")
@pass_context
def show(context: Context, name: str, labels: tuple[str, ...], back: float) -> None:
    """Show a metric's series and their newest samples."""
    now = time.time()
    wanted = dict(_label(text) for text in labels)
    found = context.headway.samples.fetch(Selector(name, wanted), now - back, now)
    if context.json:
        context.document({"metric": name, "series": found})
        return
    context.lines(_series(found, now) or [f"No sample of `{name}` in the last {span(back)}"])


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise Invalid(f"`{text}` is no label", next="--label release=shop-43", code="label")
    return key, value


def _series(found: tuple[Series, ...], now: float) -> list[str]:
    when = datetime.fromtimestamp(now, UTC)
    rows = [
        (
            " ".join(f"{k}={v}" for k, v in s.labels.items()),
            s.kind,
            f"{len(s.samples)} samples",
            f"{s.samples[-1][1]:.6g}",
            since(datetime.fromtimestamp(s.samples[-1][0], UTC), when),
        )
        for s in found
    ]
    return columns([("LABELS", "KIND", "SAMPLES", "NEWEST VALUE", "AT"), *rows]) if rows else []


@metric.verb("headway metric import conversions.csv", name="import")
@click.argument("file", type=click.Path(path_type=Path))
@pass_context
def importing(context: Context, file: Path) -> None:
    """Import samples from a CSV or JSON file: all of it, or nothing."""
    points = files.read(file)
    lost = context.headway.samples.append(points, time.time())
    why: dict[str, int] = {}
    for _, reason in lost:
        why[reason] = why.get(reason, 0) + 1
    kept = len(points) - len(lost)
    if context.json:
        context.document({"imported": kept, "dropped": why})
    else:
        context.line(f"✓ {kept:,} samples imported from {file}")
    if lost:
        words = ", ".join(f"{count:,}: {reason}" for reason, count in sorted(why.items()))
        hint = "headway metric retention --help"
        raise Failed(f"{len(lost):,} samples were dropped", why=words, next=hint, code="dropped")


@metric.verb(
    "headway metric retention", "headway metric retention --raw 2d --rollup 400d --label-sets 200"
)
@click.option("--raw", type=Duration(), default=None, help="How long every sample is kept.")
@click.option("--rollup", type=Duration(), default=None, help="How long one sample a minute is.")
@click.option(
    "--label-sets", type=click.IntRange(1, 10_000), default=None,
    help="At most so many per metric and service.",
)  # fmt: skip
@pass_context
def retention(
    context: Context, raw: float | None, rollup: float | None, label_sets: int | None
) -> None:
    """Show how long samples are kept, or change it."""
    samples = context.headway.samples
    new = samples.retention()
    new = replace(new, raw=new.raw if raw is None else raw)
    new = replace(new, rollup=new.rollup if rollup is None else rollup)
    new = replace(new, budget=label_sets or new.budget)
    if new.raw < 3600 or new.rollup < new.raw:
        why = "raw is at least 1h, for canary windows, and rollup no shorter than raw"
        raise Invalid("this retention makes no sense", why=why, code="retention")
    if new != samples.retention():
        samples.retain(new)
    if context.json:
        context.document(new)
    else:
        context.lines(_kept(new))


@metric.verb("headway metric delta shop-43 --env production", name="delta")
@click.argument("name", metavar="RELEASE", shell_complete=names.releases)
@said.environment()
@pass_context
def change(context: Context, name: str, environment: str) -> None:
    """Compare a release with the one it replaced, before and after it came."""
    with context.reading() as connection:
        found = delta(connection, context.headway.samples, name, environment, time.time())
    if context.json:
        context.document(found)
    else:
        context.lines(_delta(found))


def _delta(found: Delta) -> list[str]:
    both = [found.before, found.after, found.warming]
    rows = [
        ("", *(s.release if s else "nothing before" for s in both[:2]), "its warm-up"),
        ("over", *(span(s.seconds) if s else "" for s in both)),
        ("requests", *(_number(s, "requests") for s in both)),
        ("error rate", *(_rate(s) for s in both)),
        *(
            (q, *(_latency(getattr(s, q)) if s else "" for s in both))
            for q in ("p50", "p95", "p99")
        ),
        ("CPU per request", *(_cpu(s) for s in both)),
        ("memory", *(_memory(s) for s in both)),
        ("instances", *(_number(s, "instances", ".1f") for s in both)),
        ("restarts", *(_number(s, "restarts") for s in both)),
    ]
    head = f"{found.release} in {found.environment}: {found.outcome.replace('_', ' ')}"
    foot = "A percentile is exact to its bucket, which stands in brackets."
    return [head, *columns(rows), foot]


def _number(stretch: Stretch | None, what: str, form: str = ",.0f") -> str:
    value = getattr(stretch, what) if stretch else None
    return format(value, form) if value is not None else "no data" if stretch else ""


def _rate(stretch: Stretch | None) -> str:
    if stretch is None:
        return ""
    return "no data" if stretch.error_rate is None else percent(stretch.error_rate)


def _latency(found: Latency | None) -> str:
    if found is None:
        return "no data"
    if found.high == float("inf"):
        return f"over {found.low:g} ms"
    return f"{found.about:.3g} ms ({found.low:g} to {found.high:g})"


def _cpu(stretch: Stretch | None) -> str:
    if stretch is None or stretch.cpu_seconds_per_request is None:
        return "no data" if stretch else ""
    return f"{1000 * stretch.cpu_seconds_per_request:.3g} ms"


def _memory(stretch: Stretch | None) -> str:
    if stretch is None or stretch.memory_bytes is None:
        return "no data" if stretch else ""
    return f"{stretch.memory_bytes / 2**20:,.1f} MiB"
