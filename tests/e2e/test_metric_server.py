"""Metrics in and out over the wire, on a real delivery: OTLP, statsd, /metrics, the commands."""

import contextlib
import gzip
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as otlp
from tests.support.prometheus import RealPrometheus
from tests.support.stage import AT_ONCE, Stage, config, eventually

from headway.api.app import app
from headway.model.connection import Connection
from headway.model.pace import QUICK
from headway.model.series import Selector
from headway.store import connections
from headway.store.views.coverage import coverage

TOKEN = "t0ken"
RELEASE = "shop-1"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """A release in charge with users, measured by the server's own rounds."""
    with Stage() as made, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as agent:
        agent.bind(("127.0.0.1", 0))
        agent.settimeout(30)
        port = agent.getsockname()[1]
        connections.put(made.home, Connection("dd", "statsd", f"udp://127.0.0.1:{port}"))
        made.agent = agent  # type: ignore[attr-defined]
        with made.engine():
            yaml = config(f"{AT_ONCE}\n    analysis: {{pace: quick}}", staging=False)
            assert made.deliver(made.commit(yaml, errors=0.1)).outcome == "delivered"
            with made.load(rate=60):
                assert made.deliver(made.commit(yaml, slow=0.2)).outcome == "delivered"
                eventually(lambda: fresh(made, "headway_cpu_seconds_per_request", "shop-2"), str)
                yield made


def fresh(stage: Stage, metric: str, release: str) -> bool:
    now = time.time()
    return bool(stage.headway.samples.fetch(Selector(metric, {"release": release}), now - 20, now))


@pytest.fixture(scope="module")
def address(stage: Stage) -> Iterator[str]:
    server = uvicorn.Server(
        uvicorn.Config(app(stage.headway, TOKEN), log_level="warning", access_log=False)
    )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(20)


@pytest.mark.seed("S-154")
def test_the_page_is_what_prometheus_and_promtool_read(stage: Stage, address: str) -> None:
    page = httpx.get(f"{address}/metrics")
    assert page.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    for line in (
        'headway_deliveries_total{service="shop",outcome="delivered"} 2.0',
        'headway_requests_total{environment="production",release="shop-2",service="shop"}',
        'headway_request_duration_seconds_bucket{environment="production",release="shop-2",',
        "headway_instance_memory_bytes{",
        'headway_instances_ready{environment="production",release="shop-2",service="shop"} 1.0',
    ):
        assert line in page.text
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool installed")
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=page.text, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


@pytest.mark.seed("S-154", "S-163")
def test_a_real_prometheus_scrapes_it(stage: Stage, address: str) -> None:
    with RealPrometheus(address.removeprefix("http://")) as real:

        def value(query: str) -> float | None:
            answer = httpx.get(f"{real.url}/api/v1/query", params={"query": query}).json()
            found = answer["data"]["result"]
            return float(found[0]["value"][1]) if found else None

        eventually(lambda: value("up") == 1.0, str)
        eventually(lambda: value('headway_instances_ready{release="shop-2"}') == 1.0, str)
        assert value('headway_instance_restarts_total{release="shop-2"}') == 0.0
        quantile = (
            "histogram_quantile(.5, headway_request_duration_seconds_bucket{release='shop-2'})"
        )
        eventually(lambda: 0 < (value(quantile) or 0) < 1, str)


@pytest.mark.seed("S-156")
def test_deployments_are_told_over_statsd(stage: Stage) -> None:
    told = "\n".join(stage.agent.recv(65536).decode() for _ in range(2))  # type: ignore[attr-defined]
    whose = "version:shop-2,service:shop,environment:production,release:shop-2"
    assert f"deployment.count:1|c|#{whose},success:true" in told
    assert "deployment.duration_seconds:" in told
    assert "deployment.failure" not in told


def request(count: int = 1, value: int = 7) -> otlp.ExportMetricsServiceRequest:
    made = otlp.ExportMetricsServiceRequest()
    resource = made.resource_metrics.add()
    for key, text in (("service.name", "shop"), ("service.version", "shop-2")):
        attribute = resource.resource.attributes.add(key=key)
        attribute.value.string_value = text
    metric = resource.scope_metrics.add().metrics.add(name="carts.lost")
    metric.sum.is_monotonic = True
    metric.sum.aggregation_temporality = 2
    for n in range(count):
        point = metric.sum.data_points.add(time_unix_nano=time.time_ns(), as_int=value)
        point.attributes.add(key="user").value.string_value = f"u{n}"
    return made


def send(address: str, body: bytes, kind: str = "application/x-protobuf", **more: str):  # type: ignore[no-untyped-def]
    headers = {"content-type": kind, **{k.replace("_", "-"): v for k, v in more.items()}}
    return httpx.post(f"{address}/v1/metrics", content=body, headers=headers)


@pytest.mark.seed("S-153")
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_otlp_is_taken_and_kept(stage: Stage, address: str, encoding: str) -> None:
    value = 7 if encoding == "gzip" else 5
    plain = request(value=value).SerializeToString()
    body = gzip.compress(plain) if encoding == "gzip" else plain
    answer = send(address, body, content_encoding=encoding)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "application/x-protobuf"
    now = time.time()
    source = stage.world.sources("headway")
    (series,) = source.fetch(Selector("carts.lost", {"release": "shop-2"}), now - 60, now)
    assert series.samples[-1][1] == value
    assert series.labels == {"service": "shop", "release": "shop-2", "user": "u0"}


@pytest.mark.seed("S-153")
def test_otlp_in_json(address: str) -> None:
    point = {"timeUnixNano": str(time.time_ns()), "asDouble": 1.5}
    metric = {"name": "drift", "gauge": {"dataPoints": [point]}}
    body = json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}).encode()
    answer = send(address, body, "application/json; charset=utf-8")
    assert (answer.status_code, answer.json()) == (200, {})


@pytest.mark.seed("S-157")
def test_what_the_label_budget_dropped_is_told(stage: Stage, address: str) -> None:
    answer = send(address, request(150).SerializeToString())
    told = otlp.ExportMetricsServiceResponse.FromString(answer.content).partial_success
    assert told.rejected_data_points == 50
    assert told.error_message == "50: label budget"
    page = httpx.get(f"{address}/metrics").text
    dropped = 'headway_samples_dropped_total{service="shop",metric="carts_lost",why="label budget"}'
    assert f"{dropped} 50.0" in page
    listed = json.loads(stage.run("metric", "list", "--json").stdout)
    (one,) = [m for m in listed["items"] if m["metric"] == "carts_lost"]
    assert (one["label_sets"], one["dropped"]) == (100, {"label budget": 50})


@pytest.mark.parametrize(
    ("body", "kind", "more", "status"),
    [
        (b"\xff\xff", "application/x-protobuf", {}, 400),
        (b"{", "application/json", {}, 400),
        (b"x", "text/plain", {}, 415),
        (b"x", "application/json", {"content_encoding": "br"}, 415),
        (b"no gzip", "application/json", {"content_encoding": "gzip"}, 400),
        (gzip.compress(b"{}")[:-9], "application/json", {"content_encoding": "gzip"}, 400),
        (gzip.compress(b" " * (17 << 20)), "application/json", {"content_encoding": "gzip"}, 413),
        (b" " * (5 << 20), "application/json", {}, 413),
    ],
    ids=[
        "no protobuf",
        "no json",
        "text",
        "brotli",
        "no gzip",
        "half a gzip",
        "a gzip bomb",
        "too long",
    ],
)
def test_a_bad_export_is_refused_with_a_status(
    address: str, body: bytes, kind: str, more: dict[str, str], status: int
) -> None:
    answer = send(address, body, kind, **more)
    assert answer.status_code == status
    if kind == "application/json":
        assert answer.json()["message"]
    assert httpx.get(f"{address}/health").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"x-forwarded-for": "10.0.0.1"}, {"forwarded": "for=10.0.0.1"}],
)
def test_who_is_not_of_this_machine_needs_the_token(address: str, headers: dict[str, str]) -> None:
    def status(**more: str) -> int:
        return httpx.get(f"{address}/metrics", headers=headers | more).status_code

    assert status() == 401
    assert status(authorization="Bearer wrong") == 401
    assert status(authorization=f"Bearer {TOKEN}") == 200
    body = request().SerializeToString()
    more = {"content-type": "application/x-protobuf"}
    refused = httpx.post(f"{address}/v1/metrics", content=body, headers=headers | more)
    assert refused.status_code == 401
    assert refused.content[:3] == b"\x08\x10\x12"


def test_statsd_is_heard(stage: Stage) -> None:
    with stage.headway.statsd("127.0.0.1", 0) as port, contextlib.ExitStack() as stack:
        out = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        for datagram in (
            b"orders:2|c|#service:shop,version:shop-2,env:production\norders:1|c|@0.5"
            b"|#service:shop,version:shop-2,env:production",
            b"hostile\x00\xff|||\nqueue:7|g|#service:shop",
        ):
            out.sendto(datagram, ("127.0.0.1", port))
        time.sleep(0.3)
    now = time.time()
    source = stage.world.sources("headway")
    (orders,) = source.fetch(Selector("orders", {"service": "shop"}), now - 60, now)
    assert orders.labels == {"service": "shop", "release": "shop-2", "environment": "production"}
    assert orders.samples[-1][1] == 4.0
    (queue,) = source.fetch(Selector("queue", {"service": "shop"}), now - 60, now)
    assert (queue.kind, queue.samples[-1][1]) == ("gauge", 7.0)
    lost = {m.metric: m.dropped for m in stage.headway.samples.listing() if m.dropped}
    assert lost["statsd"] == {"no statsd line": 1}


@pytest.mark.seed("S-104")
def test_samples_are_at_most_five_seconds_apart(stage: Stage) -> None:
    def times() -> list[float]:
        now = time.time()
        wanted = Selector("headway_requests_total", {"release": "shop-2"})
        found = stage.headway.samples.fetch(wanted, now - 60, now)
        return [at for at, _ in found[0].samples] if found else []

    eventually(lambda: len(times()) >= 4, str)
    steps = sorted(b - a for a, b in zip(times(), times()[1:], strict=False))
    assert steps[len(steps) // 2] <= 5.0


@pytest.mark.seed("S-162", "S-163")
def test_a_release_is_compared_with_the_one_before(stage: Stage) -> None:
    def told() -> dict[str, Any]:
        done = stage.run("metric", "delta", "shop-2", "--env", "production", "--json")
        return json.loads(done.stdout)  # type: ignore[no-any-return]

    eventually(lambda: (told()["after"]["requests"] or 0) > 50, str)
    found = told()
    before, warming, after = found["before"], found["warming"], found["after"]
    assert warming["release"] == "shop-2"
    assert 0 < warming["seconds"] <= QUICK.warm
    assert (before["release"], after["release"]) == ("shop-1", "shop-2")
    assert found["outcome"] == "released"
    assert after["requests"] > 0
    assert after["error_rate"] == 0
    assert after["p50"]["low"] <= after["p50"]["about"] <= after["p50"]["high"]
    assert after["p99"]["about"] >= 50
    assert (after["restarts"], after["instances"]) == (0, 1)
    assert after["memory_bytes"] > 1 << 20
    assert 0 < after["cpu_seconds_per_request"] < 1
    text = stage.run("metric", "delta", "shop-2", "--env", "production").stdout
    assert text.startswith("shop-2 in production: released\n")
    assert text.splitlines()[1].split()[-3:] == ["shop-2", "its", "warm-up"]
    assert "A percentile is exact to its bucket" in text


@pytest.mark.seed("S-160")
def test_a_place_without_fresh_samples_is_listed_as_a_blind_spot(stage: Stage) -> None:
    listed = json.loads(stage.run("metric", "list", "--json").stdout)
    (place,) = listed["coverage"]
    assert (place["known"], place["blind"]) == (["saturation", "traffic"], [])
    assert "1 places, no blind spot" in stage.run("metric", "list").stdout
    with stage.headway.reading() as connection:
        (later,) = coverage(connection, stage.headway.samples, time.time() + 600)
    assert later.blind == ("traffic", "saturation")


@pytest.mark.seed("S-159")
def test_retention_is_set_and_shown(stage: Stage) -> None:
    done = stage.run("metric", "retention", "--raw", "3h", "--rollup", "30d", "--label-sets", "200")
    assert done.stdout.startswith("kept: 3 h 0 min in full, 30 d 0 h as one sample a minute")
    assert "3 h 0 min in full" in stage.run("metric", "list").stdout
    assert stage.run("metric", "retention", "--raw", "5m").exit_code == 2
    stage.run("metric", "retention", "--raw", "2d", "--rollup", "400d", "--label-sets", "100")


def test_samples_are_imported_all_or_nothing(stage: Stage) -> None:
    file = stage.base / "s.csv"
    now = time.time()
    file.write_text(f"metric,at,value,service\nmade_total,{now - 9},3,shop\nmade_total,x,4,shop\n")
    bad = stage.run("metric", "import", str(file))
    assert bad.exit_code == 2
    assert f"{file}:3:1: `at` is 'x'" in bad.stderr
    assert "made_total" not in stage.run("metric", "list").stdout
    file.write_text(f"metric,at,value,service\nmade_total,{now - 9},3,shop\n")
    assert stage.run("metric", "import", str(file)).exit_code == 0
    shown = json.loads(stage.run("metric", "show", "made_total", "--json").stdout)
    assert shown["series"][0]["samples"] == [[now - 9, 3.0]]
    file.write_text(f"metric,at,value,service\nmade_total,{now + 900},3,shop\n")
    late = stage.run("metric", "import", str(file))
    assert late.exit_code == 1
    assert "1: in the future" in late.stderr
