"""How long the first view of each page takes, over a history of 5,000 and of 50,000 deliveries.

One real delivery (a canary with users, judged) is made through the whole of Headway; its rows are
copied with other ids and times, 20 events to a delivery, so that 50,000 deliveries are 1,000,000
events. The server is a real one in a process of its own; each page is asked for with the token of
the home, over one connection as a browser has it. `ratio` is the page with ten times the history
against the page with a tenth of it, in the same run.
"""

import json
import time
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa
from tests.support.load import Load
from tests.support.stage import CANARY, Stage, config

from bench.figures import Result, Row, quantile, ratio, spread
from headway.store.rollouts import ulid
from headway.store.tables import deliveries, events, releases, rollouts, windows

LIMIT_MS, LIMIT_RATIO = 200.0, 1.3
EVENTS = 20
FEW, MANY = 5_000, 50_000
BATCH = 2_000
SERVICES = 50


class Template:
    """The rows of one real delivery."""

    def __init__(self, connection: sa.Connection, delivery: str) -> None:
        def rows(table: sa.Table, column: str, value: str) -> list[dict[str, Any]]:
            query = sa.select(table).where(table.c[column] == value)
            return [dict(r._mapping) for r in connection.execute(query)]

        (self.delivery,) = rows(deliveries, "id", delivery)
        (self.release,) = rows(releases, "name", self.delivery["release"])
        self.rollouts = rows(rollouts, "delivery", delivery)
        self.windows = {r["id"]: rows(windows, "rollout", r["id"]) for r in self.rollouts}
        own = rows(events, "delivery", delivery)
        self.events = (own * EVENTS)[:EVENTS]

    def copy(self, number: int, seq: int, at: float) -> dict[sa.Table, list[dict[str, Any]]]:
        """The same under other names; `seq`: of its first event."""
        service, id = f"svc{number % SERVICES:02}", f"del_{ulid(at)}"
        name, digest = f"{service}-{number}", f"sha256:{number:064x}"
        new = {"service": service, "release": name, "digest": digest, "sha": f"{number:040x}"}
        delivery = self.delivery | new | {"id": id, "requested_at": at, "finished_at": at + 60}
        release = self.release | {"name": name, "number": number, "service": service,
                                  "digest": digest, "delivery": id, "created_at": at}  # fmt: skip
        moved = [self._rollout(r, id, new, at) for r in self.rollouts]
        told = [
            e | {"seq": seq + n, "id": f"{id}/{n}", "at": at + n, "delivery": id, "subject": id,
                 "service": service, "release": name}
            for n, e in enumerate(self.events)
        ]  # fmt: skip
        seen = [w for r, w in moved for w in w]
        return {deliveries: [delivery], releases: [release], rollouts: [r for r, _ in moved],
                windows: seen, events: told}  # fmt: skip

    def _rollout(
        self, row: dict[str, Any], delivery: str, new: dict[str, str], at: float
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        id = f"rol_{ulid(at)}"
        own = {"id": id, "delivery": delivery, "service": new["service"], "digest": new["digest"],
               "release": new["release"], "started_at": at, "finished_at": at + 60}  # fmt: skip
        return row | own, [w | {"rollout": id} for w in self.windows[row["id"]]]


def grow(stage: Stage, template: Template, count: int) -> None:
    """Until there are so many deliveries: the old ones are older than the real one."""
    engine = stage.headway.db
    with engine.connect() as connection:
        have = connection.execute(sa.select(sa.func.count()).select_from(deliveries)).scalar_one()
        seq = 1 + (connection.execute(sa.select(sa.func.max(events.c.seq))).scalar() or 0)
    begin = time.time() - 400 * 86400
    for first in range(have, count, BATCH):
        rows: dict[sa.Table, list[dict[str, Any]]] = {}
        for number in range(first, min(first + BATCH, count)):
            for table, more in template.copy(number, seq, begin + number * 600).items():
                rows.setdefault(table, []).extend(more)
            seq += EVENTS
        with engine.begin() as connection:
            for table, values in rows.items():
                if values:
                    connection.execute(table.insert(), values)


def addresses(stage: Stage, delivery: str) -> dict[str, str]:
    """Each page by name."""
    row = stage.delivery(delivery)
    with stage.headway.db.connect() as connection:
        mine = rollouts.c.delivery == delivery, rollouts.c.environment == "production"
        rollout = connection.execute(sa.select(rollouts.c.id).where(*mine)).scalar_one()
    return {
        "board": "/",
        "service": "/services/shop",
        "deliveries": "/deliveries",
        "delivery": f"/deliveries/{delivery}",
        "rollouts": "/rollouts",
        "rollout": f"/rollouts/{rollout}",
        "releases": "/releases",
        "release": f"/releases/{row.release}",
        "artifact": f"/artifacts/{row.digest}",
        "runs": "/runs",
        "run": f"/runs/{delivery}",
        "approvals": "/approvals",
        "audit": "/audit",
        "search": f"/search?q={row.sha[:7]}",
        "settings": "/settings",
    }


def measure(stage: Stage, pages: dict[str, str], count: int) -> dict[str, list[float]]:
    """Milliseconds of each view, one page after the other."""
    state = json.loads((stage.home / "server.json").read_text())
    token = {"authorization": f"Bearer {(stage.home / 'token').read_text()}"}
    found: dict[str, list[float]] = {name: [] for name in pages}
    with httpx.Client(base_url=state["address"], headers=token, trust_env=False) as client:
        for _ in range(count):
            for name, path in pages.items():
                began = time.perf_counter()
                answer = client.get(path, timeout=60)
                found[name].append(1000 * (time.perf_counter() - began))
                if answer.status_code not in {200, 303}:
                    raise RuntimeError(f"{path}: {answer.status_code}")
    return found


def run(_base: Path, count: int) -> Result:
    """Both histories, one after the other."""
    few, many = (FEW, MANY) if count > 5 else (FEW // 10, MANY // 10)
    with Stage() as stage:
        with stage.engine():
            stage.deliver(stage.commit(config()))
            with Load(stage.address(), connections=4, rate=100):
                last = stage.deliver(stage.commit(config(CANARY))).id
        with stage.headway.reading() as connection:
            template = Template(connection, last)
        pages, seen = addresses(stage, last), {}
        for size in (few, many):
            grow(stage, template, size)
            with stage.server():
                measure(stage, pages, 2)
                seen[size] = measure(stage, pages, count)
    return _result(seen, few, many)


def _result(seen: dict[int, dict[str, list[float]]], few: int, many: int) -> Result:
    rows, figures, problems = [], {}, []
    for name in seen[few]:
        small, large = seen[few][name], seen[many][name]
        p95, grown = quantile(large, 0.95), ratio(quantile(large, 0.5), quantile(small, 0.5))
        figures[name] = {"few": spread(small), "many": spread(large), "ratio": grown}
        beside = f"limit {LIMIT_MS:.0f} ms, {grown} of a tenth (limit {LIMIT_RATIO})"
        rows.append(Row(f"{name}, p95", f"{p95:.1f} ms", beside))
        if p95 > LIMIT_MS or grown > LIMIT_RATIO:
            problems.append(f"{name}: {p95:.0f} ms, {grown} times a tenth of the history")
    about = {"deliveries": many, "events": many * EVENTS, "limit_ms": LIMIT_MS}
    return Result(tuple(rows), about | {"pages": figures}, tuple(problems))
