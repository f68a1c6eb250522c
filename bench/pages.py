"""What the first view of each page costs, over a history of 5,000 and of 50,000 deliveries.

One real delivery (a canary with users, judged) is made through the whole of Headway; its rows are
copied with other ids and times (bench/history.py), 20 events to a delivery, so that 50,000
deliveries are 1,000,000 events, of 50 services in two environments each. The server is a real one
in a process of its own; each page is asked for with the token of the home, over one connection as a
browser has it. Beside the time stands the server's own processor time, which does not depend on
what else the machine does. `ratio` is the page with ten times the history against the page with a
tenth of it, by processor time, in the same run.
"""

import json
import os
import time
from pathlib import Path

import httpx
import sqlalchemy as sa
from tests.support.load import Load
from tests.support.stage import CANARY, Stage, config

from bench.figures import Result, Row, processor_time, quantile, ratio, spread
from bench.history import EVENTS, Template, grow, lengthen
from headway.store.tables import deliveries, rollouts
from headway.store.views.indexed import begins

LIMIT_MS, LIMIT_CPU_MS, LIMIT_RATIO = 200.0, 120.0, 1.3
FEW, MANY = 5_000, 50_000
WINDOWS = 240
"""Of the long rollout: as many as are drawn."""
LEAST_MS = 2.0
"""What a page may cost more with the longer history whatever the ratio: clocks are that coarse."""
PAGES = ("deliveries", "rollouts", "releases", "runs", "approvals", "line", "audit")
SETTINGS = ("people", "notifications", "webhooks")
LISTS = (
    "deliveries", "releases", "rollouts", "artifacts", "commits", "environments", "services",
    "deployments", "events", "gates", "verdicts", "approvals", "runs", "slos", "alerts",
)  # fmt: skip
IDLE_SECONDS = 3.0

Seen = dict[str, list[tuple[float, float]]]
"""Of each page and view: milliseconds, and those of the processor."""


def addresses(stage: Stage, delivery: str) -> dict[str, str]:
    """Each page by name."""
    row = stage.delivery(delivery)
    with stage.headway.reading() as connection:
        production = rollouts.c.environment == "production"
        mine = sa.select(rollouts.c.id).where(production, rollouts.c.delivery == delivery)
        rollout = connection.execute(mine).scalar_one()
        old = sa.select(deliveries).where(begins(connection, deliveries.c.service, "svc"))
        past = connection.execute(old.order_by(deliveries.c.id).limit(1)).one()
        long = sa.select(rollouts.c.id).where(production, rollouts.c.delivery == past.id)
        lasting = connection.execute(long).scalar_one()
    lengthen(stage.headway.db, lasting, WINDOWS)
    searched = {"commit": past.sha[:7], "digest": past.digest[7:17], "release": past.release[:6]}
    return {
        "board": "/",
        "service": f"/services/{past.service}",
        "delivery": f"/deliveries/{delivery}",
        "rollout": f"/rollouts/{rollout}",
        f"rollout of {WINDOWS} windows": f"/rollouts/{lasting}",
        "release": f"/releases/{row.release}",
        "artifact": f"/artifacts/{row.digest}",
        "run": f"/runs/{delivery}",
        "audit, one service": f"/audit?service={past.service}",
        **{name: f"/{name}" for name in PAGES},
        **{f"search by {name}": f"/search?q={text}" for name, text in searched.items()},
        "search by service": "/search?q=svc",
        "settings": "/settings",
        **{f"settings, {name}": f"/settings/{name}" for name in SETTINGS},
        **{f"API {name}": f"/api/v1/{name}" for name in LISTS},
        "API windows": f"/api/v1/rollouts/{rollout}/windows",
    }


def measure(stage: Stage, pid: int, pages: dict[str, str], count: int) -> Seen:
    """Each view, one page after the other."""
    state = json.loads((stage.home / "server.json").read_text())
    token = {"authorization": f"Bearer {(stage.home / 'token').read_text()}"}
    found: Seen = {name: [] for name in pages}
    with httpx.Client(base_url=state["address"], headers=token, trust_env=False) as client:
        for _ in range(count):
            for name, path in pages.items():
                began, used = time.perf_counter(), processor_time(pid)
                answer = client.get(path, timeout=120)
                took, cost = time.perf_counter() - began, processor_time(pid) - used
                found[name].append((1000 * took, 1000 * cost))
                if answer.status_code not in {200, 303}:
                    raise RuntimeError(f"{path}: {answer.status_code}")
    return found


def run(_base: Path, count: int) -> Result:
    """Both histories, one after the other."""
    few, many = (FEW, MANY) if count > 5 else (FEW // 10, MANY // 10)
    with Stage() as stage:
        with stage.engine():
            stage.deliver(stage.commit(config()), within=300)
            with Load(stage.address(), connections=4, rate=100):
                last = stage.deliver(stage.commit(config(CANARY)), within=300).id
        with stage.headway.reading() as connection:
            template = Template(connection, last)
        first: Seen = {}
        seen: dict[int, Seen] = {}
        for size in (few, many):
            began = time.monotonic()
            grow(stage.headway.db, template, size, many)
            seeded = time.monotonic() - began
            pages = addresses(stage, last)
            with stage.server() as server:
                idle = processor_time(server.pid)
                time.sleep(IDLE_SECONDS)
                idle = (processor_time(server.pid) - idle) / IDLE_SECONDS
                first = measure(stage, server.pid, pages, 1)
                seen[size] = measure(stage, server.pid, pages, count)
    about = {"database": "sqlite", "deliveries": many, "events": many * EVENTS,
             "limit_ms": LIMIT_MS, "limit_cpu_ms": LIMIT_CPU_MS, "load": list(os.getloadavg()),
             "idle_cpu_share": round(idle, 3), "seeding_seconds": round(seeded, 1)}  # fmt: skip
    return _result(seen[few], seen[many], first, about)


def _result(few: Seen, many: Seen, first: Seen, about: dict[str, object]) -> Result:
    rows, figures, problems = [], {}, []
    for name, views in many.items():
        wall, cpu = [w for w, _ in views], [c for _, c in views]
        small = quantile([c for _, c in few[name]], 0.5)
        grown, cost = ratio(quantile(cpu, 0.5), small), quantile(cpu, 0.95)
        figures[name] = {
            "wall_ms": spread(wall), "cpu_ms": spread(cpu), "cpu_ms_few": spread([c for _, c in
            few[name]]), "first_wall_ms": round(first[name][0][0], 1),
            "first_cpu_ms": round(first[name][0][1], 1), "ratio": grown,
        }  # fmt: skip
        times = f"{quantile(wall, 0.5):.0f} / {quantile(wall, 0.95):.0f} ms"
        rows.append(Row(f"{name}, p50 / p95", times, f"cpu p95 {cost:.1f} ms, {grown} of a tenth"))
        if grown > LIMIT_RATIO and quantile(cpu, 0.5) > small + LEAST_MS:
            problems.append(f"{name}: {grown} times the cost with a tenth of the history")
        if cost > LIMIT_CPU_MS:
            problems.append(f"{name}: {cost:.0f} ms of the processor (limit {LIMIT_CPU_MS:.0f})")
        if quantile(wall, 0.95) > LIMIT_MS:
            problems.append(f"{name}: {quantile(wall, 0.95):.0f} ms (limit {LIMIT_MS:.0f})")
    return Result(tuple(rows), about | {"pages": figures}, tuple(problems))
