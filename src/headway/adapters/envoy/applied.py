"""Replace one of Envoy's files and wait for Envoy's word on it. Called by router.

Envoy counts per subscription (docs: "xDS subscription statistics"): `version_text` is the version
in force, `update_rejected` moves when it refused one,
`update_failure` when it could not even read it.
"""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from headway.adapters.envoy import config, files
from headway.adapters.envoy.admin import Admin, Json
from headway.adapters.envoy.pending import Pending, restore_pending, write_pending
from headway.model.errors import Refused, Unreachable

_WITHIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Subscription:
    """One watched file and the prefix of Envoy's counters for it."""

    file: str
    stats: str


CLUSTERS = Subscription("cds.yaml", "cluster_manager.cds.")
LISTENERS = Subscription("lds.yaml", "listener_manager.lds.")


def routes_of(service: str) -> Subscription:
    """The service's route file."""
    return Subscription(f"rds-{service}.yaml", f"http.{service}.rds.{service}.")


def endpoints_of(cluster: str) -> Subscription:
    """The cluster's endpoint file."""
    return Subscription(f"eds-{cluster}.yaml", f"cluster.{cluster}.")


def _subscription(file: str) -> Subscription:
    kind, _, name = file.removesuffix(".yaml").partition("-")
    if kind == "eds":
        return endpoints_of(name)
    if kind == "rds":
        return routes_of(name)
    return CLUSTERS if kind == "cds" else LISTENERS


class Rejected(Exception):
    """Envoy refused a file; its own words. Caught in this package, where it becomes Refused."""


class Change:
    """One change under way: every file it replaces is noted first, and can be put back."""

    def __init__(self, folder: Path, admin: Admin, pending: Pending) -> None:
        self._folder = folder
        self._admin = admin
        self._pending = pending
        self._deadline = time.monotonic() + _WITHIN_SECONDS
        self._before = all_counters(admin, pending.service)

    def write(self, subscription: Subscription, document: Json) -> None:
        """Replace the file; do not wait."""
        path = self._folder / subscription.file
        if subscription.file not in {name for name, _ in self._pending.former}:
            former = path.read_text(encoding="utf-8") if path.exists() else None
            self._pending.former.append((subscription.file, former))
            write_pending(self._folder, self._pending)
        files.replace(path, files.dump(document), synced=True)

    def apply(self, subscription: Subscription, document: Json) -> None:
        """Replace the file unless it is in force, and wait until it is.

        Raises Rejected with Envoy's reason, Unreachable (`routing-unconfirmed`) without an answer.
        """
        self.replace(subscription, document)()

    def replace(self, subscription: Subscription, document: Json) -> Callable[[], None]:
        """Replace the file unless it is in force; gives what waits until it is (see `apply`).

        Two moments, because Envoy says nothing of a new cluster's endpoints before it is told of
        the cluster, and must find the endpoints when it is.
        """
        before = _of(self._before, subscription)
        version = document["version_info"]
        in_force = before.get("version_text") == version
        if in_force and (self._folder / subscription.file).exists():
            return lambda: None
        self._before[f"{subscription.stats}version_text"] = version
        log = self._log_size()
        self.write(subscription, document)
        return lambda: self._confirm(subscription, version, _refusals(before), log)

    def _confirm(self, subscription: Subscription, version: str, rejected: int, log: int) -> None:
        while True:
            now = counters(self._admin, subscription)
            if now.get("version_text") == version:
                return
            if _refusals(now) > rejected:
                raise Rejected(self._reason(log))
            self.pause(f"{subscription.file} {version}")

    def undo(self) -> None:
        """Put every former file back, and wait until Envoy has the former versions in force."""
        self._deadline = time.monotonic() + _WITHIN_SECONDS
        former = {name: json.loads(text) for name, text in self._pending.former if text is not None}
        restore_pending(self._folder)
        for name, document in former.items():
            subscription = _subscription(name)
            version = document["version_info"]
            while counters(self._admin, subscription).get("version_text") != version:
                self.pause(f"the former {name} {version}")

    def pause(self, what: str) -> None:
        """Wait a moment before the next question. Raises Unreachable (`routing-unconfirmed`)."""
        if time.monotonic() > self._deadline:
            raise Unreachable(
                "The proxy has not confirmed the routing",
                why=f"{what} is not in force after {_WITHIN_SECONDS:.0f} s",
                next="the same change again carries on where this one stopped",
                code="routing-unconfirmed",
            )
        time.sleep(0.001)

    def _log_size(self) -> int:
        log = self._folder / "envoy.log"
        return log.stat().st_size if log.exists() else 0

    def _reason(self, since: int) -> str:
        """Envoy's log entry on the refusal, which may come a moment after the counter moved."""
        for _ in range(200):
            with (self._folder / "envoy.log").open("rb") as log:
                log.seek(since)
                text = log.read().decode("utf-8", "replace")
            if found := re.findall(
                r"^.*(?:rejected|[Ee]rror).*(?:\n(?!\[).*)*", text, re.MULTILINE
            ):
                return _spoken(found[-1])
            time.sleep(0.005)
        return "the proxy gave no reason"


def _spoken(logged: str) -> str:
    """The sentence in a log entry, without time stamps and the dump of the refused document."""
    text = re.sub(r"^(\[[^\]]*\])+ ", "", re.sub(r"\] \[", "][", logged)).strip()
    text = text.rpartition("\n: ")[2].rpartition("update rejected: ")[2]
    return re.sub(r"\s*goo\.gle/debug\w+\s*", " ", text)[:600]


def _refusals(found: Json) -> int:
    return int(found.get("update_rejected", 0)) + int(found.get("update_failure", 0))


def counters(admin: Admin, subscription: Subscription) -> Json:
    """`version_text`, `config_reload` and the refusals of it; a name Envoy lacks is absent."""
    return _of(_read(admin, re.escape(subscription.stats)), subscription)


def all_counters(admin: Admin, service: str) -> Json:
    """The same of every file that concerns the service, by Envoy's whole names."""
    own = [re.escape(s.stats) for s in (CLUSTERS, LISTENERS, routes_of(service))]
    return _read(admin, "|".join([*own, rf"cluster\.{re.escape(service)}__.+\."]))


def _read(admin: Admin, prefixes: str) -> Json:
    names = "version_text|update_rejected|update_failure|config_reload"
    regex = quote(f"^({prefixes})({names})$", safe="")
    found = admin.json(f"/stats?format=json&filter={regex}")["stats"]
    return {s["name"]: s["value"] for s in found if "name" in s}


def _of(found: Json, subscription: Subscription) -> Json:
    prefix = subscription.stats
    return {name[len(prefix) :]: v for name, v in found.items() if name.startswith(prefix)}


def discovery(resources: list[Json]) -> Json:
    """A file whose version is a function of its content."""
    return config.discovery(files.short_digest(files.dump(resources)), resources)


def refused(service: str, reason: str) -> Refused:
    """The error a caller sees for Envoy's refusal of a routing."""
    return Refused(
        f"The proxy refused the new routing of {service}",
        why=reason,
        next="correct what it names; the former routing is still in force",
        code="routing-rejected",
    )
