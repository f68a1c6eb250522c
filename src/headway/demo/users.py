"""The demo's users, a process of their own: `python -m headway.demo.users --url U --out FILE`.

Writes what they met to FILE every half second, by atomic rename, and once more (`final` true)
after SIGTERM or `--seconds`, when every request has ended. The demo reads that file.
"""

import argparse
import asyncio
import json
import os
import resource
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from headway.demo.arrivals import due_times, shots
from headway.demo.open_loop import Limits, OpenLoop
from headway.demo.tally import Tally

WRITE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Load:
    """What to do. `rate` is requests per second, `seconds` None: until SIGTERM."""

    url: str
    rate: float
    seed: int
    out: Path
    seconds: float | None
    poisson: bool
    limits: Limits


def parse(argv: list[str] | None) -> Load:
    """The command line. Ends the process with a sentence if it makes no sense."""
    parser = argparse.ArgumentParser(
        prog="python -m headway.demo.users", description="open-loop load"
    )
    parser.add_argument("--url", required=True, help="http://host:port of the service")
    parser.add_argument("--out", required=True, type=Path, help="file for the counts, JSON")
    parser.add_argument("--rate", type=float, default=400.0, help="requests per second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, help="end after this; default: at SIGTERM")
    parser.add_argument("--arrivals", choices=("poisson", "even"), default="poisson")
    parser.add_argument("--connections", type=int, default=1000, help="most at a time")
    given = parser.parse_args(argv)
    address = urlsplit(given.url)
    if address.scheme != "http" or not address.hostname:
        parser.error(f"--url {given.url}: write http://HOST:PORT")
    if given.rate <= 0 or given.connections < 1:
        parser.error("--rate and --connections must be above 0")
    limits = Limits(given.connections)
    poisson = given.arrivals == "poisson"
    return Load(given.url, given.rate, given.seed, given.out, given.seconds, poisson, limits)


def write(out: Path, document: dict[str, object]) -> None:
    """Replace the file at once: a reader sees the old or the new one."""
    new = out.with_name(f".{out.name}.new")
    new.write_text(json.dumps(document))
    new.replace(out)


class Report:
    """Puts the document together; knows when the load began and what it cost."""

    def __init__(self, load: Load, tally: Tally, loop: OpenLoop) -> None:
        self._load, self._tally, self._loop = load, tally, loop
        self._began, self._cpu = time.time(), time.process_time()

    def document(self, *, final: bool) -> dict[str, object]:
        """Everything counted until now. Times are Unix seconds."""
        now, cpu = time.time(), time.process_time() - self._cpu
        asked = {"url": self._load.url, "rate": self._load.rate, "seed": self._load.seed}
        when = {"started_at": self._began, "at": now, "seconds": now - self._began, "final": final}
        cost = {
            "seconds": round(cpu, 4),
            "share": round(cpu / max(now - self._began, 1e-9), 4),
            "ms_per_request": round(1000.0 * cpu / max(self._loop.offered, 1), 4),
        }
        parts = self._loop.as_json() | self._tally.as_json()
        return {**asked, **when, "pid": os.getpid(), "cpu": cost, **parts}


async def run(load: Load) -> None:
    """Load the service until told to stop, then wait for the last answers."""
    address = urlsplit(load.url)
    tally, ended = Tally(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    users = OpenLoop(address.hostname or "", address.port or 80, tally, load.limits)
    report = Report(load, tally, users)
    users.start(
        shots(due_times(load.rate, load.seed, poisson=load.poisson), load.seed, address.netloc)
    )
    if load.seconds is not None:
        loop.call_later(load.seconds, ended.set)
    while not ended.is_set():
        write(load.out, report.document(final=False))
        await _wait(ended, WRITE_SECONDS)
    await users.stop()
    write(load.out, report.document(final=True))


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


def allow_connections(wanted: int) -> None:
    """Raise this process's limit of open files, as far as it may, to hold the connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = wanted + 64
    if soft != resource.RLIM_INFINITY and soft < need:
        most = need if hard == resource.RLIM_INFINITY else min(need, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def main(argv: list[str] | None = None) -> int:
    """The program; gives its exit code."""
    load = parse(argv)
    allow_connections(load.limits.connections)
    asyncio.run(run(load))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
