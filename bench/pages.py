"""What the first view of each page costs, over a history of 5,000 and of 50,000 deliveries; on
SQLite, or on the Postgres that HEADWAY_DATABASE names (an empty one), as `--database` of
scripts/bench sets it.

One real delivery (a canary with users, judged) is made through the whole of Headway; its rows are
copied with other ids and times (bench/history.py), 20 events to a delivery, so that 50,000
deliveries are 1,000,000 events, of 50 services in two environments each.

Times are those of a real server in a process of its own, asked with the token of the home over one
connection as a browser has it. Processor time is that of the same application in this process,
asked without a network: it does not depend on what else the machine does. `ratio` is the page with
ten times the history against the page with a tenth of it, by processor time, in the same run.
"""

import asyncio
import gc
import json
import os
import time
from pathlib import Path

import httpx
import sqlalchemy as sa
from tests.support.load import Load
from tests.support.stage import CANARY, Stage, config

from bench.figures import Result, Row, quantile, ratio, spread
from bench.history import EVENTS, Template, grow, lengthen
from headway.store.tables import deliveries, rollouts
from headway.store.views.indexed import begins
from headway.web.app import app
from headway.wiring import Headway

LIMIT_MS, LIMIT_CPU_MS, LIMIT_RATIO = 200.0, 120.0, 1.3
FEW, MANY = 5_000, 50_000
ADDRESS = "http://127.0.0.1"
WINDOWS = 240
"""Of the long rollout: as many as are drawn."""
LEAST_MS = 5.0
"""What a page may cost more with the longer history whatever the ratio: so much does it vary."""
PAGES = ("deliveries", "rollouts", "releases", "runs", "approvals", "line", "audit")
SETTINGS = ("people", "notifications", "webhooks")
LISTS = (
    "deliveries", "releases", "rollouts", "artifacts", "commits", "environments", "services",
    "deployments", "events", "gates", "verdicts", "approvals", "runs", "slos", "alerts",
)  # fmt: skip

Seen = dict[str, list[float]]
"""Of each page and view: milliseconds."""


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


def times(stage: Stage, pages: dict[str, str], count: int) -> Seen:
    """Of each view of the running server's, one page after the other."""
    state = json.loads((stage.home / "server.json").read_text())
    found: Seen = {name: [] for name in pages}
    token = _token(stage.home)
    with httpx.Client(base_url=state["address"], headers=token, trust_env=False) as client:
        for _ in range(count):
            for name, path in pages.items():
                began = time.perf_counter()
                answer = client.get(path, timeout=120)
                found[name].append(1000 * (time.perf_counter() - began))
                _must(answer)
    return found


async def costs(headway: Headway, pages: dict[str, str], count: int) -> Seen:
    """The processor's of each view, after a first one; of this process, with the client in it."""
    door = app(headway, (headway.home / "token").read_text())
    gc.freeze()  # as the server does
    found: Seen = {name: [] for name in pages}
    way = httpx.ASGITransport(door)
    token = _token(headway.home)
    async with httpx.AsyncClient(transport=way, base_url=ADDRESS, headers=token) as client:
        for name, path in pages.items():
            _must(await client.get(path))
            for _ in range(count):
                began = time.process_time()
                await client.get(path)
                found[name].append(1000 * (time.process_time() - began))
    return found


def _token(home: Path) -> dict[str, str]:
    return {"authorization": f"Bearer {(home / 'token').read_text()}"}


def _must(answer: httpx.Response) -> None:
    if answer.status_code not in {200, 303}:
        raise RuntimeError(f"{answer.url.path}: {answer.status_code}")


def run(_base: Path, count: int) -> Result:
    """Both histories, one after the other."""
    few, many = (FEW, MANY) if count > 5 else (FEW // 10, MANY // 10)
    with Stage(database=os.environ.get("HEADWAY_DATABASE", "")) as stage:
        with stage.engine():
            stage.deliver(stage.commit(config()), within=300)
            with Load(stage.address(), connections=4, rate=100):
                last = stage.deliver(stage.commit(config(CANARY)), within=300).id
        with stage.headway.reading() as connection:
            template = Template(connection, last)
        name = stage.headway.db.dialect.name
        took: dict[int, Seen] = {}
        cost: dict[int, Seen] = {}
        for size in (few, many):
            began = time.monotonic()
            grow(stage.headway.db, template, size, many)
            seeded = time.monotonic() - began
            pages = addresses(stage, last)
            with stage.server():
                times(stage, pages, 2)
                took[size] = times(stage, pages, count)
            cost[size] = asyncio.run(costs(stage.headway, pages, count))
    about = {"deliveries": many, "events": many * EVENTS, "database": name,
             "limit_ms": LIMIT_MS, "limit_cpu_ms": LIMIT_CPU_MS,
             "seeding_seconds": round(seeded, 1)}  # fmt: skip
    return _result(took[many], cost[few], cost[many], about)


def _result(took: Seen, few: Seen, many: Seen, about: dict[str, object]) -> Result:
    rows, figures, problems = [], {}, []
    for name, cost in many.items():
        wall, small, middle = took[name], quantile(few[name], 0.5), quantile(cost, 0.5)
        grown, p95 = ratio(middle, small), quantile(wall, 0.95)
        most = quantile(cost, 0.95)
        figures[name] = {
            "ms": spread(wall), "cpu_ms": spread(cost), "cpu_ms_few": spread(few[name]),
            "ratio": grown,
        }  # fmt: skip
        beside = f"{most:.0f} ms of the processor, {grown} of a tenth"
        rows.append(Row(f"{name}, p50 / p95", f"{quantile(wall, 0.5):.0f} / {p95:.0f} ms", beside))
        if grown > LIMIT_RATIO and middle > small + LEAST_MS:
            problems.append(f"{name}: {grown} times the cost with a tenth of the history")
        if most > LIMIT_CPU_MS:
            problems.append(f"{name}: {most:.0f} ms of the processor (limit {LIMIT_CPU_MS:.0f})")
        if p95 > LIMIT_MS:
            problems.append(f"{name}: {p95:.0f} ms (limit {LIMIT_MS:.0f})")
    return Result(tuple(rows), about | {"pages": figures}, tuple(problems))
