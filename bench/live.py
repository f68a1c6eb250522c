"""How soon 200 pages that show one rollout hear that something happened, and what they cost.

A real server in a process of its own; clients are connections that speak HTTP and read server-sent
events, as browsers do. Every second something happens to the rollout. Beside them stands a client
that takes nothing. Latency is from the commit of the event to its arrival at each client; a change
may be told together with others of the same half second. Memory is the server's VmRSS.
"""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bench.figures import Result, Row, spread
from headway.model.event import Fact
from headway.store.log import About, append
from headway.store.tables import deliveries, rollouts
from headway.wiring import Headway, locate

CLIENTS = 200
LIMIT_SECONDS, LIMIT_MIB = 2.0, 64.0
ROLLOUT, DELIVERY = "rol_" + "1" * 26, "del_" + "1" * 26


def run(base: Path, count: int) -> Result:
    home = base / "h"
    headway = Headway(locate(str(home), {}))
    _fill(headway)
    server = subprocess.Popen(
        [sys.executable, "-m", "headway", "--home", str(home), "server", "--port", "0"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        found = asyncio.run(_measure(headway, _there(home, server), server.pid, count))
    finally:
        server.terminate()
        server.wait(30)
        headway.db.dispose()
    worst, grown = found["latency_seconds"]["max"], found["memory_mib_of_clients"]
    problems = [f"{worst} s until a client heard"] if worst > LIMIT_SECONDS else []
    problems += [f"{grown} MiB for {CLIENTS} clients"] if grown > LIMIT_MIB else []
    problems += [] if found["told"] == found["expected"] else ["a change was not told"]
    latency = found["latency_seconds"]
    rows = (
        Row("heard after p50 / p99 / max", f"{latency['p50']} / {latency['p99']} / {worst} s",
            f"limit {LIMIT_SECONDS} s; {CLIENTS} clients, {count} changes"),
        Row("memory of the clients", f"{grown} MiB", f"limit {LIMIT_MIB} MiB"),
        Row("processor time of the server", f"{found['cpu_share']} of a core",
            f"{found['cpu_share_alone']} without clients"),
    )  # fmt: skip
    return Result(rows, found, tuple(problems))


def _fill(headway: Headway) -> None:
    """A rollout, as a row; nothing moves."""
    named = {"service": "shop", "release": "shop-1", "digest": "sha256:1"}
    texts = ("ref", "repo", "author", "subject", "by", "because", "sha", "environment")
    delivery = dict.fromkeys(texts, "x") | named | {"state": "done", "outcome": "delivered"}
    states = dict.fromkeys(("stable", "state", "judge", "snapshot", "verdict", "because"), "")
    rollout = states | named | {"environment": "production", "outcome": "released"}
    with headway.tx() as tx:
        times = {"requested_at": tx.now, "finished_at": tx.now}
        tx.connection.execute(sa.insert(deliveries).values(id=DELIVERY, **delivery, **times))
        times = {"started_at": tx.now, "finished_at": tx.now}
        tx.connection.execute(
            sa.insert(rollouts).values(id=ROLLOUT, delivery=DELIVERY, **rollout, **times)
        )


def _there(home: Path, server: "subprocess.Popen[bytes]") -> int:
    deadline = time.monotonic() + 60
    while not (home / "server.json").exists():
        if server.poll() is not None or time.monotonic() > deadline:
            raise SystemExit("the server did not come up")
        time.sleep(0.05)
    return int(json.loads((home / "server.json").read_text())["address"].rpartition(":")[2])


async def _measure(headway: Headway, port: int, pid: int, count: int) -> dict[str, Any]:
    token = (headway.home / "token").read_text()
    heard: list[dict[int, float]] = [{} for _ in range(CLIENTS)]
    await asyncio.sleep(1)
    before, idle = _memory(pid), _cpu(pid)
    await asyncio.sleep(3)
    alone = (_cpu(pid) - idle) / 3
    tasks = [asyncio.create_task(_client(port, token, h)) for h in heard]
    stuck = await _connect(port, token)
    while not all(0 in h for h in heard):  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    await asyncio.sleep(1)
    began, used = time.monotonic(), _cpu(pid)
    made: dict[int, float] = {}
    for number in range(count):
        made |= await asyncio.to_thread(_happen, headway, number)
        await asyncio.sleep(1)
    await asyncio.sleep(3)
    cpu = (_cpu(pid) - used) / (time.monotonic() - began)
    memory = _memory(pid)
    for task in tasks:
        task.cancel()
    stuck[1].close()
    latencies = [_first(h, seq) - at for h in heard for seq, at in made.items() if _first(h, seq)]
    return {
        "clients": CLIENTS,
        "changes": count,
        "expected": CLIENTS * count,
        "told": len(latencies),
        "latency_seconds": spread(latencies),
        "memory_mib_before": round(before, 1),
        "memory_mib_of_clients": round(memory - before, 1),
        "cpu_share": round(cpu, 3),
        "cpu_share_alone": round(alone, 3),
    }


def _happen(headway: Headway, number: int) -> dict[int, float]:
    with headway.tx() as tx:
        append(tx, About(DELIVERY, "shop"), Fact("bench.happened", ROLLOUT, number, {}))
        query = sa.text("SELECT max(seq) FROM headway_event")
        seq = int(tx.connection.execute(query).scalar() or 0)
    return {seq: time.monotonic()}


def _first(heard: dict[int, float], seq: int) -> float:
    """When the client first heard of that event or a later one; 0: never."""
    return min((at for told, at in heard.items() if told >= seq), default=0.0)


async def _connect(port: int, token: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"GET /api/v1/live?on=rollout:{ROLLOUT} HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        f"authorization: Bearer {token}\r\n\r\n".encode()
    )
    await writer.drain()
    return reader, writer


async def _client(port: int, token: str, heard: dict[int, float]) -> None:
    reader, writer = await _connect(port, token)
    try:
        while line := await reader.readline():
            if line.startswith(b"retry:"):
                heard[0] = 0.0
            if line.startswith(b"id: "):
                heard[int(line[4:])] = time.monotonic()
    finally:
        writer.close()


def _memory(pid: int) -> float:
    """MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(x.split()[1]) for x in status.splitlines() if x.startswith("VmRSS")) / 1024


def _cpu(pid: int) -> float:
    """Seconds used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
