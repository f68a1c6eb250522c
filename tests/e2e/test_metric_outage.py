"""Prometheus stopped, killed or lying in mid-canary, on real parts: WAIT with the reason, then
hold, then on with the rollout once it is back; never a pass, never a crash.
"""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import Any

import httpx
import pytest
from tests.support.prometheus import Exporter, RealPrometheus, Served, matrix, say
from tests.support.stage import Stage, config, eventually

from headway.adapters.prometheus import metric_source
from headway.flows import measure
from headway.model.connection import Connection
from headway.store import connections

CANARY = """\
rollout: {strategy: canary, steps: [30%, 100%], holdback: 10%, stability: 1s, deadline: 1h}
    analysis:
      pace: quick
      errors: {absolute: 5%, relative: 50%}
      latency: {relative: 300%}
      signals:
        conversion: {ratio: {bad: lost_total, total: carts_total}, source: prom, margin: 100%}
    traffic: {sticky: {header: x-user}}"""


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "LAG_SECONDS", 1.5)
    monkeypatch.setattr(measure, "SECONDS", 2.0)
    monkeypatch.setattr(metric_source, "SECONDS", 1.0)
    monkeypatch.setattr(metric_source, "_TIMEOUT", httpx.Timeout(1.0))


class Shop(Exporter):
    """Both releases lose a tenth of their carts."""

    def __init__(self) -> None:
        super().__init__()
        self.began = time.time()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        carts = int((time.time() - self.began) * 400)
        lines = [
            f'{name}{{release="{release}"}} {value}'
            for release in ("shop-1", "shop-2")
            for name, value in (("carts_total", carts), ("lost_total", carts // 10))
        ]
        say(("\n".join(lines) + "\n").encode(), content_type="text/plain")(handler)


@contextlib.contextmanager
def canary(url: str) -> Iterator[tuple[Stage, str]]:
    """A second release on its way to users, judged with a signal from `url`."""
    with Stage() as stage, stage.engine():
        connections.put(stage.home, Connection("prom", "prometheus", url))
        yaml = config(CANARY, staging=False)
        assert stage.deliver(stage.commit(yaml)).outcome == "delivered"
        with stage.load(rate=150):
            yield stage, stage.request(stage.commit(yaml))


def unheard(stage: Stage) -> str:
    told = stage.events(kind="rollout.unheard", release="shop-2")
    return str(told[-1].data["signals"].get("conversion", "")) if told else ""  # type: ignore[union-attr, attr-defined]


def steps(stage: Stage) -> list[object]:
    return [e.data["step"] for e in stage.events(kind="rollout.shifted", release="shop-2")]


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGSTOP, marks=pytest.mark.soak), signal.SIGKILL]
)
def test_a_stopped_or_killed_prometheus_holds_the_canary(number: signal.Signals) -> None:
    with (
        Shop() as shop,
        RealPrometheus(shop.url.removeprefix("http://")) as real,
        canary(real.url) as (stage, delivery),
    ):
        stage.happened("rollout.shifted", release="shop-2", within=60)
        real.signal(number)
        held = stage.happened("rollout.held", release="shop-2", within=90)
        because = str(held.data["because"])
        assert because.startswith("insufficient data: no data for conversion: ")
        assert "prom does not answer" in because or "no answer" in because
        assert steps(stage) == [0]
        if number is signal.SIGSTOP:
            real.signal(signal.SIGCONT)
            assert stage.ended(delivery, 120).outcome == "delivered"
            assert unheard(stage) == ""
        else:
            stage.say(delivery, "abort")
            assert stage.ended(delivery, 60).outcome in {"rolled_back", "failed"}


Answer = Callable[[BaseHTTPRequestHandler], None]


def test_every_lie_is_waited_for_and_named() -> None:
    """One rollout, one lie after the other, then the truth."""
    until = threading.Event()

    def slow(handler: BaseHTTPRequestHandler) -> None:
        until.wait(30)
        say(matrix())(handler)

    def dated(offset: float, value: str) -> Answer:
        def answer(handler: BaseHTTPRequestHandler) -> None:
            now = time.time() + offset
            values = [(now - 60 + n, value) for n in range(60)]
            say(matrix(*(({"release": r}, values) for r in ("shop-1", "shop-2"))))(handler)

        return answer

    lies: list[tuple[str, Answer, str]] = [
        ("500", say(b"", 500), "it answers 500"),
        ("no JSON", say(b"<html>"), "not JSON"),
        ("empty", say(matrix()), "no series"),
        ("NaN", dated(0, "NaN"), "no series"),
        ("old", dated(-50, "7"), "s old"),
        ("future", dated(3600, "7"), "no series"),
        ("clock", say(matrix(), date=formatdate(time.time() + 4000, usegmt=True)),
         "ahead of ours"),
        ("slow", slow, "ReadTimeout"),
    ]  # fmt: skip
    began = time.time() - 100

    def truth(handler: BaseHTTPRequestHandler) -> None:
        """As a Prometheus would that scrapes each second."""
        asked: Any = httpx.URL(handler.path).params["query"]
        each = 400 if "carts_total" in asked else 40
        now = int(time.time())
        values = [(float(t), str(int((t - began) * each))) for t in range(now - 90, now + 1)]
        say(matrix(*(({"release": r}, values) for r in ("shop-1", "shop-2"))))(handler)

    with Served(lies[0][1]) as liar, canary(liar.url) as (stage, delivery):
        stage.happened("rollout.shifted", release="shop-2", within=60)
        for name, lie, because in lies:
            liar.answer = lie
            eventually(
                lambda b=because: b in unheard(stage), lambda n=name: f"{n}: {unheard(stage)}"
            )
            assert steps(stage) == [0], name
            assert stage.delivery(delivery).state in {"delivering", "held"}
        liar.answer = truth
        until.set()
        assert stage.ended(delivery, 120).outcome == "delivered"
        assert unheard(stage) == ""
