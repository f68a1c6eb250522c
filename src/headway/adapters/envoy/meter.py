"""EnvoyMeter: what Envoy counted for each release of a service.

Called by flows through ports/traffic_meter.py. What counts as what (each was tried on Envoy 1.40):

- requests: answers given to users, by status class 2xx to 5xx. A request under way is not counted
  yet; a request whose user hung up first never is; a retried attempt is not, its last answer is.
- errors: 5xx, also those that Envoy gives itself for want of an answer (no connection or no live
  instance 503, timeout 504). They are a part of the same numbers, so errors <= requests always.
- latency: of answers that the application gave; a timeout has none. Merged once a second.
- per route: the same answers once more, of all releases together, each for the longest route that
  its path is below. Answers to testers are among them, as they are among their release's; copies
  of mirrored requests are not; a retried request counts once, by its last answer; a timeout is one
  of the errors (504) and has no latency. The counters live as long as the proxy, also those of a
  route that it no longer counts.
- per instance: attempts, not answers. One that refuses connections shows errors here, which a
  retry on another instance may have hidden from the user.
"""

import re
import time
from pathlib import Path
from urllib.parse import quote

from headway.adapters.envoy import observed
from headway.adapters.envoy.admin import Admin, Json
from headway.adapters.envoy.config import release_of
from headway.adapters.envoy.proxy import EnvoyProxy
from headway.histogram.rebin import BOUNDS_MS, rebin
from headway.model.errors import Unreachable
from headway.model.window import Counts, Snapshot, VersionCounts
from headway.ports.traffic_meter import TrafficMeter


class EnvoyMeter(TrafficMeter):
    """Reads the environment's proxy under `home`; never starts one."""

    def __init__(self, home: Path) -> None:
        self._home = home.resolve()

    def read(self, service: str, environment: str) -> Snapshot | None:
        """See TrafficMeter. None also if the proxy was replaced while it was read."""
        proxy = EnvoyProxy(self._home, environment)
        who = proxy.running() if proxy.known else None
        if who is None:
            return None
        at = time.time()
        try:
            answers, latency = _totals(proxy.admin, service)
            paths = observed.counted(proxy.admin, service)
            hosts = observed.hosts(proxy.admin, service)
        except Unreachable:
            return None
        if proxy.running() != who:
            return None
        versions = {
            release_of(name): VersionCounts(
                _total(answers.get(name, {}), latency.get(name)),
                {_where(host): _attempts(host) for host in found},
            )
            for name, found in hosts.items()
        }
        by_path = {
            path: _total(answers.get(name, {}), latency.get(name)) for name, path in paths.items()
        }
        return Snapshot(at, str(who), BOUNDS_MS, versions, by_path)


def _totals(admin: Admin, service: str) -> tuple[dict[str, dict[str, int]], dict[str, Json]]:
    """Per cluster and virtual cluster: answers by status class (`2xx`), and Envoy's histogram of
    milliseconds.
    """
    name = re.escape(service)
    regex = rf"^(cluster\.{name}__.+|vhost\.{name}\.vcluster\..+)\.upstream_rq_([2-5]xx|time)$"
    path = f"/stats?format=json&histogram_buckets=detailed&filter={quote(regex, safe='')}"
    answers: dict[str, dict[str, int]] = {}
    latency: dict[str, Json] = {}
    for entry in admin.json(path)["stats"]:
        if "name" in entry:
            cluster, kind = _split(entry["name"])
            answers.setdefault(cluster, {})[kind] = int(entry["value"])
        for histogram in entry.get("histograms", {}).get("details", []):
            latency[_split(histogram["name"])[0]] = histogram
    return answers, latency


def _split(name: str) -> tuple[str, str]:
    """`cluster.shop__v1.upstream_rq_5xx` is `shop__v1` and `5xx`; `vhost.shop.vcluster.r1.…` is
    `r1` (no cluster is called so: all have `__`).
    """
    owner, _, kind = name.rpartition(".upstream_rq_")
    if owner.startswith("vhost."):
        return owner.rpartition(".")[2], kind
    return owner.removeprefix("cluster."), kind


def _total(answers: dict[str, int], latency: Json | None) -> Counts:
    native = [] if latency is None else latency["totals"]
    buckets = rebin((b["lower_bound"], b["width"], b["count"]) for b in native)
    return Counts(sum(answers.values()), answers.get("5xx", 0), buckets)


def _where(host: Json) -> str:
    found = observed.endpoint(host)
    return f"{found.host}:{found.port}"


def _attempts(host: Json) -> Counts:
    found = observed.numbers(host)
    errors = found.get("rq_error", 0)
    return Counts(found.get("rq_success", 0) + errors, errors)
