"""Jobs of three repositories on two worker processes and a real Postgres: JSON on stdout.

usage: python -m bench.pool [--jobs 500] [--kill] [--out FILE]

All jobs are queued at once, 60 % of them by one repository, each a step that appends a line to a
file. `jobs_per_second`: from the first claim to the last result. `wait_*`: from the queue to a
worker, in seconds. `fairness`: Jain's index (1: alike) over the repositories of the jobs that were
taken while all three still waited (Jain, Chiu, Hawe, DEC-TR-301). `overlap_*`: the most that ran at
once, from the claims and results of all jobs, to be held against the limits. `cancel_ms`: from the
wish to stop until the step is told (median of 5). `first_step_ms`: from `run` to the first line of
a step, with an idle worker (median of 5). `--kill`: one of the workers is killed in the middle of a
job, and another one started.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.contract.job_runs import Seen, order, short_home
from tests.support import pools
from tests.support.pools import Server, Worker
from tests.support.postgres import postgres

from headway.model.job import JobOrder
from headway.pipeline.pool.choice import Limits
from headway.store import pool_members
from headway.store.pool_place import tx

SHARES = {"crowd": 0.6, "some": 0.3, "few": 0.1}
LIMITS = Limits(pool=4, repo=2, environment=1)


@dataclass(frozen=True)
class Row:
    """One job as the database has it at the end."""

    repo: str
    environment: str
    since: float
    claimed: float
    finished: float
    generation: int
    state: str


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    text = json.dumps(measure(given.jobs, kill=given.kill), indent=2)
    if given.out:
        given.out.write_text(text + "\n")
    sys.stdout.write(text + "\n")


def measure(count: int, *, kill: bool) -> dict[str, object]:
    """All figures."""
    with ExitStack() as stack:
        url = stack.enter_context(postgres())
        home = stack.enter_context(short_home())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hwp")))
        server = stack.enter_context(pools.server(url, home))
        workers = [stack.enter_context(pools.worker(url, "b", "--jobs", "2")) for _ in range(2)]
        quick = _quick(server, folder)
        with tx(server.engine) as one:
            pool_members.limit(one, "b", LIMITS)
        jobs = _jobs(count, folder / "done")
        with ThreadPoolExecutor(count) as threads:
            going = [threads.submit(server.bench.runner.run, job, {}, Seen()) for job in jobs]
            if kill:
                _kill(server, folder, workers[0], count)
                stack.enter_context(pools.worker(url, "b", "--jobs", "2"))
            outcomes = Counter(each.result().outcome for each in going)
        rows = _rows(server)
        lines = Counter((folder / "done").read_text().split())
        for each in workers[1:]:
            each.stop()
    return quick | _figures(rows) | {
        "jobs": count,
        "killed": kill,
        "outcomes": dict(outcomes),
        "done": len(lines),
        "done_twice": sum(n > 1 for n in lines.values()),
        "results": sum(row.state == "done" for row in rows),
        "begun_again": sum(row.generation > 1 for row in rows),
        "limits": {"pool": LIMITS.pool, "repo": LIMITS.repo, "environment": LIMITS.environment},
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
    }  # fmt: skip


def _jobs(count: int, file: Path) -> list[JobOrder]:
    made = []
    for repo, share in SHARES.items():
        for n in range(round(count * share)):
            environment = "production" if n % 10 == 0 else ""
            script = f"echo {repo}-{n} >> {file}"
            more = {"run": f"run_{repo}", "runs_on": ("b",), "repo": repo}
            made.append(order(f"{repo}-{n}", script, environment=environment, **more))
    return made


def _kill(server: Server, folder: Path, worker: Worker, count: int) -> None:
    """Kill a worker in the middle of all."""
    file = folder / "done"
    pools.until(lambda: file.exists() and file.read_text().count("\n") > count // 3, 3600)
    worker.kill()
    pools.silence(server.engine, worker)


def _rows(server: Server) -> list[Row]:
    asked = "SELECT repo, environment, since, claimed_at, finished_at, generation, state"
    found = server.rows(f"{asked} FROM headway_pool_job WHERE run LIKE 'run!_%' ESCAPE '!'")
    return [Row(str(each[0]).partition(":")[2], *each[1:]) for each in found]  # type: ignore[arg-type]


def _figures(rows: list[Row]) -> dict[str, object]:
    waits = sorted(row.claimed - row.since for row in rows)
    took = max(row.finished for row in rows) - min(row.claimed for row in rows)
    return {
        "jobs_per_second": round(len(rows) / took, 2),
        "wait_p50": round(statistics.median(waits), 3),
        "wait_p99": round(waits[int(len(waits) * 0.99)], 3),
        "wait_max": round(waits[-1], 3),
        "fairness": round(_fairness(rows), 4),
        "overlap_pool": _overlap(rows),
        "overlap_repo": max(_overlap(of) for of in _by(rows, "repo")),
        "overlap_environment": max(
            _overlap(of) for of in _by([r for r in rows if r.environment], "repo")
        ),
    }


def _by(rows: Iterable[Row], name: str) -> list[list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(getattr(row, name), []).append(row)
    return list(groups.values())


def _overlap(rows: list[Row]) -> int:
    """How many were in workers' hands at once, at most. A job that was taken twice counts from its
    last claim on.
    """
    moments = [(row.finished, -1) for row in rows] + [(row.claimed, 1) for row in rows]
    now = most = 0
    for _, change in sorted(moments):
        now += change
        most = max(most, now)
    return most


def _fairness(rows: list[Row]) -> float:
    """Over the repositories, while each of them had jobs that waited."""
    groups = _by(rows, "repo")
    begin = max(min(row.since for row in of) for of in groups)
    until = min(max(row.claimed for row in of) for of in groups)
    shares = [sum(begin <= row.claimed <= until for row in of) for of in groups]
    return sum(shares) ** 2 / (len(shares) * sum(n * n for n in shares))


def _quick(server: Server, folder: Path) -> dict[str, object]:
    """With idle workers: how soon a job begins, how soon it hears that it shall stop."""
    first, cancel = [], []
    for n in range(6):
        heard, file = Seen(), folder / f"int{n}"
        script = f"trap 'date +%s.%N > {file}; exit 1' INT; echo here; while :; do sleep 0.01; done"
        job = order(f"quick{n}", script, run="quick", runs_on=("b",))
        with ThreadPoolExecutor(1) as one:
            began = time.time()
            going = one.submit(server.bench.runner.run, job, {}, heard)
            pools.until(lambda heard=heard: bool(heard.lines))
            first.append(heard.lines[0][1].at - began)
            asked = time.time()
            heard.stop.set()
            going.result()
            cancel.append(float(file.read_text()) - asked)
    return {
        "first_step_ms": round(statistics.median(first[1:]) * 1000),
        "cancel_ms": round(statistics.median(cancel[1:]) * 1000),
        "cancel_max_ms": round(max(cancel) * 1000),
    }


if __name__ == "__main__":
    main()
