"""Load from `wrk` (github.com/wg/wrk), which is nobody's code here, and what it counted.

Closed loop: each connection asks again as soon as it was answered. Every failure that wrk knows is
counted: no connection, a read or write error (also a connection that closes before a whole
answer), no answer in 10 s, and a status of 400 or above. Without wrk, `plain_load` takes its place
and the result says so.
"""

import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Row

REPORT = Path(__file__).with_name("report.lua")
LONGEST_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Counted:
    """`failed` is the sum of every kind in `failures`. p99_ms None: the generator did not say."""

    generator: str
    requests: int
    seconds: float
    rps: float
    p50_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    failed: int
    failures: dict[str, int]


class Load:
    """Runs from its start until `stop`."""

    def __init__(self, url: str, connections: int) -> None:
        self._process = subprocess.Popen(
            _command(url, connections), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._kill = threading.Timer(LONGEST_SECONDS, self._process.kill)
        self._kill.start()

    def stop(self) -> Counted:
        """End it in order; gives what it counted."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        said, _ = self._process.communicate(timeout=60)
        self._kill.cancel()
        found = [line for line in said.splitlines() if line.startswith("COUNTED ")]
        if self._process.returncode or not found:
            raise RuntimeError(f"the load generator broke: {said[-500:]}")
        return _counted(json.loads(found[0].removeprefix("COUNTED ")))

    def close(self) -> None:
        """Whatever happened, nothing of it is left."""
        self._kill.cancel()
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def told(counted: list[Counted]) -> Row:
    """The line that matters most."""
    requests = sum(c.requests for c in counted)
    beside = f"of {requests}, counted by {counted[0].generator}"
    return Row("requests failed at the client", str(sum(c.failed for c in counted)), beside)


@contextmanager
def load(url: str, connections: int = 8) -> Iterator[Load]:
    """Load from here to the end of the block at the latest."""
    made = Load(url, connections)
    try:
        yield made
    finally:
        made.close()


def generator() -> str:
    """Which one is used here."""
    return "wrk" if shutil.which("wrk") else "tests/support/load.py"


def _command(url: str, connections: int) -> list[str]:
    if generator() != "wrk":
        return [sys.executable, "-m", "bench.plain_load", url, str(connections)]
    threads = ["-t1", f"-c{connections}", f"-d{LONGEST_SECONDS}s", "--timeout", "10s"]
    return ["wrk", *threads, "-s", str(REPORT), url]


def _counted(said: dict[str, int]) -> Counted:
    failures = {k: said[k] for k in ("connect", "read", "write", "timeout", "status")}
    seconds = said["microseconds"] / 1e6
    times = [said[k] / 1000 if k in said else None for k in ("p50_us", "p99_us", "max_us")]
    return Counted(
        generator(),
        said["requests"],
        round(seconds, 3),
        round(said["requests"] / seconds, 1),
        *times,
        sum(failures.values()),
        failures,
    )
