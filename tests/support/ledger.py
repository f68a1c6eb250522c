"""What the world itself says was done to it: the ledgers of a home, and the processes alive.

Written by the instances' shims and from the proxy's own counter, never from Headway's journal.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from headway.adapters.envoy.applied import counters, routes_of
from headway.adapters.envoy.proxy import EnvoyProxy
from headway.adapters.local.wanted import MARK

Line = dict[str, Any]


def starts(home: Path, environment: str) -> list[Line]:
    """Every start of an application, oldest first."""
    return _lines(home / "ledger" / f"{environment}.jsonl")


def reloads(home: Path, environment: str) -> list[Line]:
    """Every version of a service's routes that the proxy loaded, oldest first."""
    return _lines(home / "ledger" / f"{environment}-proxy.jsonl")


def _lines(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def nothing_twice(home: Path, environment: str) -> None:
    """No instance began twice, and no generation of the routes took hold twice."""
    first = [line["instance"] for line in starts(home, environment) if line["why"] == "first"]
    _once(first, "instance started anew")
    loaded = [(r["service"], r["generation"]) for r in reloads(home, environment)]
    _once(loaded, "generation of routes loaded again")
    generations = [r["generation"] for r in reloads(home, environment)]
    assert generations == sorted(generations), "an older generation took hold after a newer one"


def _once(found: list[Any], what: str) -> None:
    twice = {key: n for key, n in Counter(found).items() if n > 1}
    assert not twice, f"{what}: {twice}"


def proxy_agrees(home: Path, environment: str, service: str) -> int:
    """The proxy's own count of route loads is the ledger's number of lines; gives it. A proxy that
    was started again loaded its files once more, which is no change and has no line.
    """
    proxy = EnvoyProxy(home, environment)
    who = proxy.running()
    assert who is not None, "the proxy does not answer"
    lines = [r for r in reloads(home, environment) if r["service"] == service]
    mine = [r for r in lines if r["epoch"] == str(who)]
    wanted = len(mine) + (lines[0]["epoch"] != str(who))
    count = int(counters(proxy.admin, routes_of(service))["config_reload"])
    assert count == wanted, f"the proxy loaded {count} times, by the ledger {wanted}"
    return count


def alive(home: Path) -> dict[str, list[int]]:
    """Living processes of applications, by `ENVIRONMENT/INSTANCE`, found by the mark in their
    environment.
    """
    prefix = f"{MARK}={home.resolve()}/".encode()
    found: dict[str, list[int]] = {}
    for entry in _processes():
        variables = _read(entry / "environ").split(b"\0")
        for mark in (v.decode() for v in variables if v.startswith(prefix)):
            found.setdefault(_where(mark), []).append(int(entry.name))
    return found


def pids(home: Path) -> list[int]:
    """The same, without their names."""
    return [pid for found in alive(home).values() for pid in found]


def shims(home: Path) -> dict[str, int]:
    """Living shims, by `ENVIRONMENT/INSTANCE`."""
    prefix = f"{home.resolve()}/instances/"
    found = {}
    for entry in _processes():
        words = _read(entry / "cmdline").decode(errors="replace").rstrip("\0").split("\0")
        if words[-1].startswith(prefix) and any(w.endswith("/shim.py") for w in words):
            found[_where(words[-1])] = int(entry.name)
    return found


def _where(folder: str) -> str:
    """Of home/instances/ENVIRONMENT/SERVICE/INSTANCE."""
    environment, _service, instance = folder.split("/")[-3:]
    return f"{environment}/{instance}"


def _processes() -> list[Path]:
    return [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""
