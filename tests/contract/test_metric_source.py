"""What every metric source promises, asked of Headway's own samples and of a real Prometheus."""

import gzip
import math
import signal
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path

import httpx
import pytest
from tests.support.prometheus import Exporter, RealPrometheus, Served, matrix, say, scraped

from headway.adapters.own.metric_source import OwnSamples
from headway.adapters.prometheus import metric_source as prometheus
from headway.adapters.prometheus.metric_source import MOST_BYTES, Prometheus, expression
from headway.model.connection import Connection
from headway.model.errors import HeadwayError, Invalid, Unreachable
from headway.model.series import Point, Selector
from headway.ports.metric_source import MetricSource
from headway.store.samples import Samples, location


class Own:
    """Samples are appended as a receiver would."""

    def __init__(self, home: Path) -> None:
        self._store = Samples(location(home, "sqlite"))
        self.source: MetricSource = OwnSamples(home, Connection("headway", "headway", ""))

    def show(self, metric: str, labels: dict[str, str], value: float) -> None:
        """The metric has this value now, until it is shown again."""
        kind = "counter" if metric.endswith("_total") else "gauge"
        now = time.time()
        self._store.append([Point(metric, labels, kind, now, value)], now)  # type: ignore[arg-type]

    def close(self) -> None:
        self._store.close()


class Scraped:
    """Samples come from an exporter, by Prometheus' own scraping."""

    def __init__(self, home: Path) -> None:
        self._exporter = Exporter()
        self._shown: dict[str, float] = {}
        self._prometheus = RealPrometheus(self._exporter.url.removeprefix("http://"))
        self.source: MetricSource = Prometheus(home, Connection("p", "prometheus", self.url))

    @property
    def url(self) -> str:
        return self._prometheus.url

    def show(self, metric: str, labels: dict[str, str], value: float) -> None:
        text = ",".join(f'{k}="{v}"' for k, v in labels.items())
        self._shown[f"{metric}{{{text}}}"] = value
        self._exporter.text = "".join(f"{k} {v!r}\n" for k, v in self._shown.items())

    def close(self) -> None:
        self._prometheus.close()
        self._exporter.close()


@pytest.fixture(scope="module", params=[Own, Scraped])
def given(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Own]:
    made = request.param(tmp_path_factory.mktemp("home"))
    yield made
    made.close()


def until(test: Callable[[], bool], within: float = 30.0) -> None:
    deadline = time.monotonic() + within
    while not test():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.1)


def values(source: MetricSource, metric: str, labels: dict[str, str], since: float) -> list[float]:
    found = source.fetch(Selector(metric, labels), since, time.time())
    return [value for series in found for _, value in series.samples]


def shown(given: Own, metric: str, labels: dict[str, str], value: float, since: float) -> None:
    """Show the value and wait until the source has it."""
    given.show(metric, labels, value)
    until(lambda: value in values(given.source, metric, labels, since))


def test_what_nobody_reported_is_empty(given: Own) -> None:
    assert given.source.fetch(Selector("nobody_total"), time.time() - 60, time.time()) == ()


@pytest.mark.seed("S-104")
def test_samples_come_back_as_they_were_in_order_and_in_time(given: Own) -> None:
    began = time.time() - 1
    for value in (3.0, 5.0, 2.0):  # it began anew
        shown(given, "carts_total", {"release": "shop-1"}, value, began)
    (series,) = given.source.fetch(Selector("carts_total"), began, time.time())
    assert series.kind == "counter"
    assert series.labels["release"] == "shop-1"
    assert "__name__" not in series.labels
    times = [at for at, _ in series.samples]
    assert times == sorted(set(times))
    assert began <= times[0] <= times[-1] <= time.time()
    steps = [v for i, (_, v) in enumerate(series.samples) if not i or v != series.samples[i - 1][1]]
    assert steps == [3.0, 5.0, 2.0]
    middle = times[len(times) // 2]
    (part,) = given.source.fetch(Selector("carts_total"), middle, middle)
    assert [at for at, _ in part.samples] == [middle]


def test_labels_choose_the_series(given: Own) -> None:
    began = time.time() - 1
    for release in ("a", 'quo"te\\'):
        escaped = release if isinstance(given, Own) else release.replace("\\", "\\\\")
        escaped = escaped if isinstance(given, Own) else escaped.replace('"', '\\"')
        given.show("size", {"release": escaped}, 1.5)
    until(lambda: len(given.source.fetch(Selector("size"), began, time.time())) == 2)
    (one,) = given.source.fetch(Selector("size", {"release": 'quo"te\\'}), began, time.time())
    assert one.labels["release"] == 'quo"te\\'
    assert one.kind == "gauge"
    assert given.source.fetch(Selector("size", {"release": "b"}), began, time.time()) == ()


def test_values_that_are_no_numbers_are_left_out(given: Own) -> None:
    began = time.time() - 1
    for value in (1.0, math.nan, math.inf):
        given.show("odd", {"release": "r"}, value)
        time.sleep(0 if isinstance(given, Own) else 1.5)
    shown(given, "odd", {"release": "r"}, 4.0, began)
    assert set(values(given.source, "odd", {}, began)) == {1.0, 4.0}


# What Prometheus, or something that says it is Prometheus, may do wrong.


@pytest.fixture
def liar() -> Iterator[Served]:
    with Served(say(b"")) as found:
        yield found


def of(server: Served, **options: str) -> Prometheus:
    return Prometheus(Path(), Connection("prom", "prometheus", server.url, options))


def ask(server: Served, **options: str) -> object:
    return of(server, **options).fetch(Selector("m"), 0.0, 100.0)


@pytest.mark.parametrize(
    ("answer", "kind", "why"),
    [
        (say(b"no", 500), Unreachable, "500"),
        (say(b"no", 503), Unreachable, "503"),
        (say(b"slow down", 429), Unreachable, "429"),
        (say(b'{"status":"error","error":"bad"}', 422), Invalid, "422: bad"),
        (say(b"", 401), Invalid, "401"),
        (say(b"", 302, location="http://127.0.0.1:9/x"), Invalid, "302"),
        (say(b"<html>"), Invalid, "not JSON"),
        (say(b"\xff\xfe\x00"), Invalid, "not JSON"),
        (say(b"[]"), Invalid, "not a matrix"),
        (say(b'{"status":"success","data":{"resultType":"vector","result":[]}}'), Invalid, "matr"),
        (say(b'{"status":"success","data":{"resultType":"matrix","result":{}}}'), Invalid, "matr"),
        (say(matrix(({}, [(1.0, "1 apple")]))), Invalid, "not a matrix"),
        (say(b" " * (MOST_BYTES + 2)), Invalid, "16 MiB"),
        (say(matrix(), date=formatdate(time.time() + 300, usegmt=True)), Invalid, "s ahead of"),
        (say(matrix(), date=formatdate(time.time() - 300, usegmt=True)), Invalid, "s behind"),
    ],
)
def test_a_bad_answer_is_an_error_with_its_reason(
    liar: Served, answer: Callable, kind: type[HeadwayError], why: str
) -> None:
    liar.answer = answer
    with pytest.raises(kind) as error:
        ask(liar)
    assert why in error.value.why
    assert error.value.code == "metric-source"


def test_hostile_samples_are_put_in_order_or_left_out(liar: Served) -> None:
    wild = [(30.0, "3"), (10.0, "1"), (20.0, "NaN"), (25.0, "+Inf"), (30.0, "4"), (900.0, "9")]
    liar.answer = say(matrix(({"__name__": "m", "release": "r"}, [*wild, (-5.0, "2")])))
    (series,) = of(liar).fetch(Selector("m"), 0.0, 100.0)
    assert series.samples == ((10.0, 1.0), (30.0, 4.0))


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "SECONDS", 1.0)
    monkeypatch.setattr(prometheus, "_TIMEOUT", httpx.Timeout(1.0))


@pytest.mark.usefixtures("hasty")
def test_a_server_that_never_ends_its_answer_is_given_up(liar: Served) -> None:
    ended = []

    def drip(handler) -> None:  # type: ignore[no-untyped-def]
        handler.send_response_only(200)
        handler.end_headers()
        for _ in range(200):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.1)
        ended.append(True)

    liar.answer = drip
    with pytest.raises(Unreachable, match="no whole answer in 1 s"):
        ask(liar)
    assert not ended


def test_nobody_there() -> None:
    with Served(say(b"")) as gone:
        pass
    with pytest.raises(Unreachable, match="ConnectError"):
        ask(gone)


def test_credentials_are_sent_and_never_shown(liar: Served) -> None:
    heard = []

    def answer(handler) -> None:  # type: ignore[no-untyped-def]
        heard.append(handler.headers["authorization"])
        say(matrix())(handler)

    liar.answer = answer
    ask(liar, token="s3cret")
    ask(liar, username="ana", password="pw")
    assert heard == ["Bearer s3cret", "Basic YW5hOnB3"]
    liar.answer = say(b"no", 500)
    with pytest.raises(Unreachable) as error:
        ask(liar, token="s3cret")
    assert "s3cret" not in repr(error.value) + str(error.value)


def test_a_gzip_bomb_is_not_unpacked(liar: Served) -> None:
    liar.answer = say(gzip.compress(b" " * (64 << 20)), content_encoding="gzip")
    with pytest.raises(Invalid, match="16 MiB"):
        ask(liar)


def test_a_metric_with_an_odd_name_is_asked_for_by_label() -> None:
    assert expression(Selector("up", {"a": 'x"'})) == 'up{a="x\\""}'
    assert expression(Selector("carts.lost")) == '{__name__="carts.lost"}'
    with pytest.raises(Invalid, match="no label"):
        expression(Selector("up", {"a-b": "x"}))


@pytest.mark.usefixtures("hasty")
def test_a_stopped_prometheus_is_unreachable_and_is_heard_again() -> None:
    with Exporter('x_total{release="r"} 1\n') as exporter, scraped(exporter) as real:
        source = Prometheus(Path(), Connection("p", "prometheus", real.url))
        began = time.time() - 1
        until(lambda: 1.0 in values(source, "x_total", {}, began))
        real.signal(signal.SIGSTOP)
        with pytest.raises(Unreachable):
            source.fetch(Selector("x_total"), began, time.time())
        real.signal(signal.SIGCONT)
        exporter.text = 'x_total{release="r"} 2\n'
        until(lambda: 2.0 in values(source, "x_total", {}, began))
        real.signal(signal.SIGKILL)
        real.process.wait(30)
        with pytest.raises(Unreachable):
            source.fetch(Selector("x_total"), began, time.time())
