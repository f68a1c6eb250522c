import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.adapters.otlp.metrics import decode, points
from headway.model.errors import Invalid
from headway.model.series import Point

AT, BEGAN = 1_800_000_000, 1_799_999_000
DELTA, CUMULATIVE = 1, 2


def export(*metrics: dict) -> bytes:
    resource = {"attributes": [
        {"key": "service.name", "value": {"stringValue": "shop"}},
        {"key": "deployment.environment.name", "value": {"stringValue": "production"}},
        {"key": "service.version", "value": {"stringValue": "shop-2"}},
        {"key": "host.name", "value": {"stringValue": "h"}},
    ]}  # fmt: skip
    scope = {"scope": {"name": "x"}, "metrics": list(metrics)}
    return json.dumps(
        {"resourceMetrics": [{"resource": resource, "scopeMetrics": [scope]}]}
    ).encode()


def at(**more: object) -> dict:
    return {"timeUnixNano": str(AT * 10**9), "startTimeUnixNano": str(BEGAN * 10**9), **more}


WHOSE = {"service": "shop", "environment": "production", "release": "shop-2"}


def read(*metrics: dict) -> list[Point]:
    found = points(decode(export(*metrics), json=True))
    assert found.refused == {}
    return [p for group in found.groups for p in group]


def test_a_cumulative_sum_is_a_counter_that_began_at_zero() -> None:
    route = [{"key": "route", "value": {"stringValue": "/x"}},
             {"key": "ok", "value": {"boolValue": True}}]  # fmt: skip
    one = at(asInt="7", attributes=route)
    got = read({"name": "carts.total",
                "sum": {"aggregationTemporality": CUMULATIVE, "isMonotonic": True,
                        "dataPoints": [one]}})  # fmt: skip
    labels = {**WHOSE, "route": "/x", "ok": "true"}
    assert got == [
        Point("carts.total", labels, "counter", BEGAN, 0.0),
        Point("carts.total", labels, "counter", AT, 7.0),
    ]


def test_an_old_begin_is_not_told() -> None:
    one = at(asDouble=7.5, startTimeUnixNano="1")
    got = read({"name": "x", "sum": {"aggregationTemporality": CUMULATIVE, "isMonotonic": True,
                                     "dataPoints": [one]}})  # fmt: skip
    assert [p.value for p in got] == [7.5]


def test_a_delta_is_a_growth_and_a_sum_that_may_fall_a_gauge() -> None:
    def of(temporality: object, monotonic: bool) -> Point:
        (got,) = [
            p
            for p in read({"name": "x", "sum": {"aggregationTemporality": temporality,
                                                "isMonotonic": monotonic,
                                                "dataPoints": [at(asInt=3)]}})
            if p.at == AT
        ]  # fmt: skip
        return got

    assert (of(DELTA, True).kind, of(DELTA, True).delta) == ("counter", True)
    assert (of(DELTA, False).kind, of(DELTA, False).delta) == ("gauge", True)
    assert (of(CUMULATIVE, False).kind, of(CUMULATIVE, False).delta) == ("gauge", False)
    assert of("AGGREGATION_TEMPORALITY_DELTA", True).delta  # enums by name are read, too


def test_a_gauge_without_a_value_is_no_sample() -> None:
    got = read({"name": "g", "gauge": {"dataPoints": [at(asDouble=1.5), at(flags=1)]}})
    assert got == [Point("g", WHOSE, "gauge", AT, 1.5)]


def test_a_histogram_is_cumulative_buckets() -> None:
    one = at(count="6", sum=12.5, bucketCounts=["1", "2", "3"], explicitBounds=[0.5, 1])
    del one["startTimeUnixNano"]
    got = read({"name": "d", "histogram": {"aggregationTemporality": 2, "dataPoints": [one]}})
    assert [(p.metric, p.labels.get("le"), p.value) for p in got] == [
        ("d_count", None, 6.0), ("d_sum", None, 12.5),
        ("d_bucket", "0.5", 1.0), ("d_bucket", "1", 3.0), ("d_bucket", "+Inf", 6.0),
    ]  # fmt: skip


def test_what_cannot_be_kept_is_counted() -> None:
    odd = at(count="6", bucketCounts=["1", "2"], explicitBounds=[0.5, 1])
    found = points(decode(export(
        {"name": "e", "exponentialHistogram": {"dataPoints": [at(), at()]}},
        {"name": "s", "summary": {"dataPoints": [at()]}},
        {"name": "d", "histogram": {"aggregationTemporality": 2, "dataPoints": [odd]}},
    ), json=True))  # fmt: skip
    assert found.refused == {
        "exponential_histogram is not kept": 2,
        "summary is not kept": 1,
        "the histogram's bounds and counts do not fit": 1,
    }


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"resourceMetrics": 3}', b"\xff", b"null"])
def test_json_that_is_no_export_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid) as error:
        decode(body, json=True)
    assert error.value.code == "otlp"


@given(st.binary(max_size=300), st.booleans())
def test_no_body_breaks_the_reader(body: bytes, json: bool) -> None:
    with contextlib.suppress(Invalid):
        points(decode(body, json=json))


def test_deep_json_is_refused() -> None:
    with pytest.raises(Invalid):
        decode(b'{"resourceMetrics":' + b"[" * 100_000, json=True)
