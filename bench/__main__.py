"""Every benchmark, one after the other, each in a process of its own; the figures as JSON.

    scripts/bench [--only NAME]… [--quick] [--out FOLDER] [--database URL]

Writes FOLDER/NAME.json (bench/out), after a whole run also FOLDER/all.json, and prints a table.
Exit 1: a benchmark broke, ran out of its time, or what it requires was not so (a request was lost).
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.facts import load_average, machine
from bench.rig import clear

WHOLE_SECONDS = 1500.0


@dataclass(frozen=True, slots=True)
class Benchmark:
    """`count` is how often the thing is done (rollback: once idle and once under load), `quick` the
    same for a short look.
    """

    name: str
    count: int
    quick: int
    limit_seconds: float


BENCHMARKS = (
    Benchmark("switches", 1000, 50, 150),
    Benchmark("replacements", 50, 3, 330),
    Benchmark("rollback", 60, 10, 150),
    Benchmark("rds", 200, 20, 60),
    Benchmark("start", 3, 2, 90),
    Benchmark("engine", 1000, 50, 120),
    Benchmark("judge.canaries", 1000, 50, 150),
    Benchmark("flaky", 3, 1, 120),
    Benchmark("first_step", 30, 3, 120),
    Benchmark("pages", 20, 5, 900),
    Benchmark("live", 20, 3, 120),
)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("scripts/bench", description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=[b.name for b in BENCHMARKS])
    parser.add_argument("--quick", action="store_true", help="small counts, to see that it works")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out")
    parser.add_argument("--database", metavar="URL", help="an empty Postgres for `pages`")
    return parser.parse_args()


def main() -> int:
    asked = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if asked.database:
        os.environ["HEADWAY_DATABASE"] = asked.database
    asked.out.mkdir(parents=True, exist_ok=True)
    chosen = [b for b in BENCHMARKS if not asked.only or b.name in asked.only]
    facts = machine() | {"load_before": load_average()}
    deadline = time.monotonic() + WHOLE_SECONDS
    told = []
    for benchmark in chosen:
        count = benchmark.quick if asked.quick else benchmark.count
        told.append(measure(benchmark, count, deadline))
        show(told[-1])
        _write(asked.out / f"{benchmark.name}.json", {"machine": facts, **told[-1]})
    facts |= {"load_after": load_average()}
    if len(told) == len(BENCHMARKS):
        _write(asked.out / "all.json", {"machine": facts, "benchmarks": told})
    print(f"\n{facts['cores']} cores, load average {facts['load_before'][0]} before and "
          f"{facts['load_after'][0]} after; the figures are in {asked.out}")  # fmt: skip
    return int(any(t["problems"] for t in told))


def measure(benchmark: Benchmark, count: int, deadline: float) -> dict[str, Any]:
    """Run it in a folder of its own, and leave nothing of it behind."""
    folder = Path(tempfile.mkdtemp(prefix="hwb"))
    began = time.monotonic()
    limit = min(benchmark.limit_seconds, deadline - began)
    try:
        problem = _run(benchmark.name, folder, count, limit)
        file = folder / "result.json"
        if problem or not file.exists():
            return _broken(benchmark, problem or "it wrote no result")
        seconds = round(time.monotonic() - began, 1)
        return {**json.loads(file.read_text()), "seconds": seconds}
    finally:
        clear(folder / "h")
        shutil.rmtree(folder)


def _run(name: str, folder: Path, count: int, limit: float) -> str:
    """What went wrong; empty if nothing did."""
    command = [sys.executable, "-m", "bench.child", name, str(folder), str(count)]
    process = subprocess.Popen(command, cwd=Path(__file__).parent.parent)
    try:
        ended = process.wait(max(1.0, limit))
        return f"exit {ended}" if ended else ""
    except subprocess.TimeoutExpired:
        return f"not done in {limit:.0f} s"
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """TERM first: it ends what it started."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _broken(benchmark: Benchmark, why: str) -> dict[str, Any]:
    return {"name": benchmark.name, "rows": [], "figures": {}, "problems": [why]}


def show(told: dict[str, Any]) -> None:
    """One part of the table."""
    seconds = f", {told['seconds']:g} s" if "seconds" in told else ""
    print(f"\n{told['name']}{seconds}", flush=True)
    for row in told["rows"]:
        print(f"  {row['what']:<46} {row['value']:>22}   {row['beside']}")
    for problem in told["problems"]:
        print(f"  NOT GOOD: {problem}")


def _write(file: Path, document: dict[str, Any]) -> None:
    file.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
