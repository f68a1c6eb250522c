"""Prometheus: raw samples by an instant query with a range selector, `metric{…}[Ns]`.

A range query would give values at steps that Prometheus chose, with lookback hiding gaps; a range
selector gives what was scraped, at the time it was scraped, without stale markers (HTTP API and
querying basics, prometheus.io/docs). Built by wiring for connections of kind `prometheus`:

    url       http(s)://HOST:PORT, with the path under which /api/v1 is
    options   token (bearer), or username and password
"""

import json
import math
import re
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx

from headway.model.connection import Connection
from headway.model.errors import Invalid, Unreachable
from headway.model.series import Selector, Series
from headway.ports.metric_source import MetricSource

SECONDS = 5.0
MOST_BYTES = 16 << 20
_TIMEOUT = httpx.Timeout(SECONDS, connect=2.0)
SKEW_SECONDS = 10.0
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_COUNTERS = ("_total", "_count", "_sum", "_bucket")


class Prometheus(MetricSource):
    """Anything that speaks Prometheus' query API: Prometheus, Thanos, Mimir, VictoriaMetrics."""

    def __init__(self, home: Path, connection: Connection) -> None:
        self._name = connection.name
        self._url = connection.url.rstrip("/") + "/api/v1/query"
        given = connection.options
        bearer = {"authorization": f"Bearer {given['token']}"} if "token" in given else {}
        self._headers = {"accept-encoding": "identity", **bearer}
        user = given.get("username")
        self._auth = httpx.BasicAuth(user, given.get("password", "")) if user else None

    def fetch(self, selector: Selector, since: float, until: float) -> tuple[Series, ...]:
        """See MetricSource. Raises Invalid also if its clock is not ours: then nothing that it says
        about time can be compared with a rollout.
        """
        seconds = max(1, math.ceil(until - since) + 1)
        asked = {"query": f"{expression(selector)}[{seconds}s]", "time": f"{until:.3f}"}
        answer = self._ask(asked)
        try:
            return tuple(s for s in (_series(e, since, until) for e in _matrix(answer)) if s)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise self._nonsense("its answer is not a matrix of samples") from error

    def _ask(self, asked: dict[str, str]) -> Any:
        deadline = time.monotonic() + SECONDS
        try:
            with (
                httpx.Client(timeout=_TIMEOUT, follow_redirects=False, trust_env=False) as client,
                client.stream(
                    "GET", self._url, params=asked, headers=self._headers, auth=self._auth
                ) as response,
            ):
                body = self._read(response, deadline)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise self._silent(type(error).__name__) from error
        self._check(response, body)
        try:
            return json.loads(body)
        except ValueError as error:
            raise self._nonsense("its answer is not JSON") from error

    def _read(self, response: httpx.Response, deadline: float) -> bytes:
        found = bytearray()
        for chunk in response.iter_bytes():
            found += chunk
            if len(found) > MOST_BYTES:
                raise self._nonsense(f"it answers more than {MOST_BYTES >> 20} MiB")
            if time.monotonic() > deadline:
                raise self._silent(f"no whole answer in {SECONDS:g} s")
        return bytes(found)

    def _check(self, response: httpx.Response, body: bytes) -> None:
        status = response.status_code
        if status == 429 or status >= 500:
            raise self._silent(f"it answers {status}")
        if status != 200:
            raise self._nonsense(f"it answers {status}{_error(body)}")
        skew = _skew(response.headers.get("date", ""), time.time())
        if abs(skew) > SKEW_SECONDS:
            way = "ahead of" if skew > 0 else "behind"
            raise self._nonsense(f"its clock is {abs(skew):.0f} s {way} ours")

    def _silent(self, why: str) -> Unreachable:
        return Unreachable(f"{self._name} does not answer", why=why, code="metric-source")

    def _nonsense(self, why: str) -> Invalid:
        return Invalid(f"{self._name} cannot be understood", why=why, code="metric-source")


def expression(selector: Selector) -> str:
    """The selector as PromQL. Raises Invalid for a label that PromQL cannot name."""
    labels = dict(selector.labels)
    metric = selector.metric
    if not _NAME.fullmatch(metric):
        labels, metric = {"__name__": metric, **labels}, ""
    wrong = [name for name in labels if not _LABEL.fullmatch(name)]
    if wrong:
        raise Invalid(f"`{wrong[0]}` is no label of Prometheus", code="metric-source")
    tests = ",".join(
        f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in labels.items()
    )
    return f"{metric}{{{tests}}}"


def _matrix(answer: Any) -> list[Any]:
    if answer["status"] != "success" or answer["data"]["resultType"] != "matrix":
        raise ValueError
    found = answer["data"]["result"]
    if not isinstance(found, list):
        raise TypeError
    return found


def _series(entry: Any, since: float, until: float) -> Series | None:
    """One series; None if nothing is left of it. What Prometheus says twice counts once."""
    labels = {str(k): str(v) for k, v in entry["metric"].items()}
    metric = labels.pop("__name__", "")
    samples = {float(at): float(text) for at, text in entry.get("values", [])}
    kept = tuple(
        (at, value)
        for at, value in sorted(samples.items())
        if since <= at <= until and math.isfinite(value)
    )
    kind = "counter" if metric.endswith(_COUNTERS) else "gauge"
    return Series(labels, "counter" if kind == "counter" else "gauge", kept) if kept else None


def _error(body: bytes) -> str:
    """What Prometheus says it did not like, shortened."""
    try:
        said = json.loads(body[:10_000])["error"]
    except (ValueError, KeyError, TypeError):
        return ""
    return f": {str(said)[:200]}"


def _skew(date: str, now: float) -> float:
    """Seconds that the server's clock is ahead; 0 if it does not say."""
    try:
        return parsedate_to_datetime(date).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return 0.0
