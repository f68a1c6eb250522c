"""The service's own signals and the saturation of its instances, read while a rollout is judged.

Called in the `observe` step (flows/decide.py). What a source does wrong is a reading without data
and a reason, never an error: a rollout waits for a metric source, it does not fall because of one.
"""

from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from headway.flows.world import World
from headway.metrics.grouping import Version
from headway.metrics.reading import Found, Sides, Span, readings
from headway.metrics.window import Reading, measured
from headway.model.errors import HeadwayError
from headway.model.series import Selector, Series
from headway.model.service import Analysis, Signal

SECONDS = 5.0  # for all sources together
LAG_SECONDS = 5.0  # one resolution: by then what was counted has been scraped
LOOKBACK_SECONDS = 60.0  # before users came, for where the counters stood
OWN = "headway"
REQUESTS = "headway_requests_total"

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom to compare, where, and since when (Unix seconds) users reach the candidate."""

    service: str
    environment: str
    candidate: Version
    stable: Version
    exposed: float


def measure(world: World, analysis: Analysis, subject: Subject) -> dict[str, Reading]:
    """Every signal's reading since users came, by its name and by `name{label=value}`."""
    signals = measured(analysis)
    span = Span(subject.exposed, world.clock.now() - LAG_SECONDS)
    asked = {key for signal in signals for key in _keys(signal)}
    found = _fetch_all(world, subject, sorted(asked), span)
    sides = Sides(subject.candidate, subject.stable, subject.environment)
    result: dict[str, Reading] = {}
    for signal in signals:
        parts = [found[key] for key in _keys(signal)]
        trouble = [part for part in parts if isinstance(part, str)]
        if trouble:
            result[signal.name] = Reading(signal.kind, None, None, trouble[0])
        else:
            series = Found(*(part for part in parts if not isinstance(part, str)))
            result |= readings(signal, series, sides, span, analysis.by)
    return result


def _keys(signal: Signal) -> list[Key]:
    """(source, metric) of what the signal needs."""
    first = (signal.source, signal.metric)
    if signal.kind == "ratio":
        return [first, (signal.source, signal.total)]
    return [first, (OWN, REQUESTS)] if signal.kind == "count" else [first]


def _fetch_all(
    world: World, subject: Subject, asked: list[Key], span: Span
) -> dict[Key, tuple[Series, ...] | str]:
    """What each source gave, or why it gave nothing; all at once, and in SECONDS at most."""
    pool = ThreadPoolExecutor(max(1, len(asked)), thread_name_prefix="measure")
    try:
        futures = {key: pool.submit(_fetch, world, subject, key, span) for key in asked}
        wait(futures.values(), SECONDS)
        return {key: _result(future, key[0]) for key, future in futures.items()}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _fetch(world: World, subject: Subject, key: Key, span: Span) -> tuple[Series, ...]:
    source, metric = key
    # Others may call something else a service; Headway's own samples may be of many.
    labels = {"service": subject.service} if source == OWN else {}
    since = span.begin - LOOKBACK_SECONDS
    return world.sources(source).fetch(Selector(metric, labels), since, span.until)


def _result(future: "Future[tuple[Series, ...]]", source: str) -> tuple[Series, ...] | str:
    if not future.done():
        return f"{source} gave no answer in {SECONDS:g} s"
    try:
        return future.result()
    except HeadwayError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  an adapter's bug is no data, and told as what it is
        return f"{source}: {type(error).__name__}: {error}"
