"""From an OTLP metrics export to points of Headway's own store. Called by api/otlp.py.

Written after opentelemetry.io/docs/specs/otlp and .../metrics/data-model. Names are kept as they
are (the store writes `.` as `_`), without units or suffixes. The resource says whose metrics they
are: service.name, deployment.environment(.name), service.version and service.instance.id become
service, environment, release and instance, and win over attributes of the same name. A histogram
becomes `_count`, `_sum` and `_bucket` with `le`; exponential histograms and summaries are refused.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1 import metrics_pb2

from headway.model.errors import Invalid
from headway.model.series import Point

MOST_BOUNDS = 200
ZERO_SECONDS = 3600.0  # a counter's begin is told as a zero if it is no older
_RESOURCE = {
    "service.name": "service",
    "deployment.environment": "environment",
    "deployment.environment.name": "environment",
    "service.version": "release",
    "service.instance.id": "instance",
}
_DELTA = metrics_pb2.AGGREGATION_TEMPORALITY_DELTA
_NO_VALUE = metrics_pb2.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK

Labels = dict[str, str]


@dataclass(slots=True)
class Export:
    """`groups`: the points of each data point, to be counted as one. `refused`: by its reason."""

    groups: list[list[Point]] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)

    def refuse(self, why: str, count: int) -> None:
        """Count data points that cannot be kept."""
        self.refused[why] = self.refused.get(why, 0) + count


def decode(body: bytes, *, json: bool) -> ExportMetricsServiceRequest:
    """Raises Invalid (`otlp`)."""
    request = ExportMetricsServiceRequest()
    if json and not body.lstrip().startswith(b"{"):
        raise Invalid("this is no OTLP metrics export", why="it is no JSON object", code="otlp")
    try:
        if json:
            json_format.Parse(body, request, ignore_unknown_fields=True, max_recursion_depth=50)
        else:
            request.ParseFromString(body)
    except (json_format.ParseError, DecodeError, UnicodeDecodeError, RecursionError) as error:
        why = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise Invalid("this is no OTLP metrics export", why=why, code="otlp") from error
    return request


def points(request: ExportMetricsServiceRequest) -> Export:
    """Every data point of the request."""
    export = Export()
    for resource in request.resource_metrics:
        whose = _whose(resource.resource.attributes)
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                _metric(export, metric, whose)
    return export


def _whose(attributes: Iterable[Any]) -> Labels:
    return {_RESOURCE[a.key]: _text(a.value) for a in attributes if a.key in _RESOURCE}


def _text(value: Any) -> str:
    kind = value.WhichOneof("value")
    if kind == "bool_value":
        return "true" if value.bool_value else "false"
    return str(getattr(value, kind)) if kind else ""


def _metric(export: Export, metric: Any, whose: Labels) -> None:
    kind = metric.WhichOneof("data")
    if kind in {"gauge", "sum"}:
        data = getattr(metric, kind)
        for one in data.data_points:
            if not one.flags & _NO_VALUE:
                export.groups.append(list(_number(metric.name, one, data, whose)))
    elif kind == "histogram":
        for one in metric.histogram.data_points:
            if len(one.explicit_bounds) > MOST_BOUNDS or _odd(one):
                export.refuse("the histogram's bounds and counts do not fit", 1)
            elif not one.flags & _NO_VALUE:
                export.groups.append(list(_histogram(metric.name, one, metric.histogram, whose)))
    elif kind:
        export.refuse(f"{kind} is not kept", len(getattr(metric, kind).data_points))


def _labels(one: Any, whose: Labels) -> Labels:
    return {**{a.key: _text(a.value) for a in one.attributes}, **whose}


def _number(name: str, one: Any, data: Any, whose: Labels) -> Iterator[Point]:
    value = float(one.as_int if one.WhichOneof("value") == "as_int" else one.as_double)
    labels, at = _labels(one, whose), one.time_unix_nano / 1e9
    is_sum = isinstance(data, metrics_pb2.Sum)
    delta = is_sum and data.aggregation_temporality == _DELTA
    counter = is_sum and data.is_monotonic
    if counter and not delta:
        yield from _zero(name, labels, one)
    yield Point(name, labels, "counter" if counter else "gauge", at, value, delta)


def _zero(name: str, labels: Labels, one: Any) -> Iterator[Point]:
    """Where a counter began anew, so that a restart is seen even if it soon stands higher."""
    begin, at = one.start_time_unix_nano / 1e9, one.time_unix_nano / 1e9
    if 0 < begin < at <= begin + ZERO_SECONDS:
        yield Point(name, labels, "counter", begin, 0.0)


def _odd(one: Any) -> bool:
    bounds, counts = list(one.explicit_bounds), list(one.bucket_counts)
    rising = all(a < b for a, b in itertools.pairwise(bounds))
    fits = not counts or (len(counts) == len(bounds) + 1 and sum(counts) == one.count)
    return not (rising and fits)


def _histogram(name: str, one: Any, data: Any, whose: Labels) -> Iterator[Point]:
    """A side of a comparison needs all of it, so all of it is kept or none."""
    labels, at = _labels(one, whose), one.time_unix_nano / 1e9
    delta = data.aggregation_temporality == _DELTA
    rows: list[tuple[str, Labels, float]] = [(f"{name}_count", labels, float(one.count))]
    if one.HasField("sum") and one.sum >= 0:
        rows.append((f"{name}_sum", labels, one.sum))
    below = 0
    if one.bucket_counts:
        ends = [*(f"{bound:g}" for bound in one.explicit_bounds), "+Inf"]
        for le, count in zip(ends, one.bucket_counts, strict=True):
            below += count
            rows.append((f"{name}_bucket", {**labels, "le": le}, float(below)))
    for metric, mine, value in rows:
        if not delta:
            yield from _zero(metric, mine, one)
        yield Point(metric, mine, "counter", at, value, delta)
