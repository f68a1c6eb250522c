"""What the scheduling of jobs costs, with a runner that does nothing: JSON on stdout.

usage: python -m bench.pipeline_schedule [--reps 3]

`schedule_ms`: the pure decisions (settle, ready, order) of one job; `flow_ms`: a job's whole
boundary with its log, synced, and its threads; `sync_ms`: the part of that that the disk takes.
Scenarios: chains of 50 and 300 jobs, fans of 100 and 500 (4 at once), a matrix of 256, two of 250
that a last job needs, 50 packages reused. `memory_mb`: the most that this process held; times are
of the CPU (`schedule_ms`) and of the clock (`flow_ms`, `cpu_ms` beside it).
"""

import argparse
import json
import os
import resource
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from tests.fakes.job_runner import FakeRunner, FakeTrees, FakeWatch, bench

from headway.adapters.disk.blob_store import DiskBlobs
from headway.flows import pipeline
from headway.model.job import JobReport
from headway.pipeline.run.program import load
from headway.pipeline.run.schedule import Schedule
from headway.pipeline.run.state import Created, Ended, RunSpec, Started, after, created

STEP = "    runs-on: ubuntu-latest\n    steps: [{run: 'true'}]\n"
FILE = ".github/workflows/t.yml"


class Nothing(FakeRunner):
    """Gives a green report at once."""

    def run(self, order, secrets, watch):  # type: ignore[no-untyped-def]
        return JobReport(order.key, "success", 0.0, 0.0)


def chain(count: int) -> str:
    jobs = (f"  j{n}:\n" + (f"    needs: j{n - 1}\n" if n else "") + STEP for n in range(count))
    return "on: push\njobs:\n" + "".join(jobs)


def fan(count: int) -> str:
    return "on: push\njobs:\n" + "".join(f"  j{n}:\n{STEP}" for n in range(count))


def matrices(count: int) -> str:
    """Two matrices, and a job that needs both."""
    strategy = f"    strategy: {{matrix: {{n: {list(range(count))}}}}}\n"
    both = "".join(f"  {name}:\n{strategy}{STEP}" for name in "ab")
    return f"on: push\njobs:\n{both}  end:\n    needs: [a, b]\n{STEP}"


def matrix(count: int) -> str:
    strategy = f"    strategy: {{matrix: {{n: {list(range(count))}}}}}\n"
    return f"on: push\njobs:\n  t:\n{strategy}{STEP}"


def spec(text: str, id: str = "r", **more: object) -> RunSpec:
    base = RunSpec(id, FILE, {FILE: text}, "/srv/x.git", "f" * 40, "refs/heads/main")
    return replace(base, **more)  # type: ignore[arg-type]


def pure(text: str, places: int) -> float:
    """Seconds of decisions for the whole run, reading the workflow left out."""
    made = spec(text)
    program = load(made)
    began = time.process_time()
    schedule = Schedule(program)
    state = created(Created(made, 0.0))
    _, state = schedule.settle(state, 1.0)
    while state.phase == "running":
        for key in schedule.ready(state, places - len(state.running)):
            state = after(state, Started(schedule.order(state, key), 1.0))
        key = state.running[0]
        job = schedule.job_of(state, key)
        state = after(state, Ended(job, JobReport(key, "success", 1.0, 1.0), 1.0))
        schedule.stopping(state)
        _, state = schedule.settle(state, 1.0)
    return time.process_time() - began


def whole(text: str, places: int) -> tuple[float, float]:
    """Seconds of `run` with a runner that does nothing: by the clock, and of the CPU."""
    with tempfile.TemporaryDirectory() as home:
        made = bench(Path(home), Nothing(Path(home)), jobs=places)
        pipeline.create(made, spec(text))
        began, used = time.perf_counter(), time.process_time()
        assert pipeline.run(made, "r", FakeWatch()).phase == "success"
        return time.perf_counter() - began, time.process_time() - used


def reused(count: int) -> float:
    """Seconds of a run all of whose jobs have valid results."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        trees = FakeTrees({f"p{n}": f"tree-{n}" for n in range(count)} | {"": "all"})
        made = bench(home, Nothing(home), blobs=DiskBlobs(home), trees=trees)
        sources = {f"j{n}": (f"p{n}",) for n in range(count)}
        for id in ("first", "second"):
            pipeline.create(made, spec(fan(count), id, sources=sources))
        pipeline.run(made, "first", FakeWatch())
        began = time.perf_counter()
        state = pipeline.run(made, "second", FakeWatch())
        assert all(report.reused for report in state.ended.values())
        return time.perf_counter() - began


def sync() -> float:
    """Milliseconds of one appended line of 2 KB and its fdatasync, the median of 100."""
    with tempfile.NamedTemporaryFile() as file:
        found = []
        for _ in range(100):
            began = time.perf_counter()
            os.write(file.fileno(), b"x" * 2000)
            os.fdatasync(file.fileno())
            found.append(time.perf_counter() - began)
    return statistics.median(found) * 1000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--reps", type=int, default=3)
    reps = range(parser.parse_args().reps)
    cases = {"chain50": (chain(50), 50, 2), "fan100": (fan(100), 100, 4)}
    cases |= {"chain300": (chain(300), 300, 2), "fan500": (fan(500), 500, 4)}
    cases |= {"matrix256": (matrix(256), 256, 4), "matrices501": (matrices(250), 501, 4)}
    figures: dict[str, object] = {"sync_ms": round(sync(), 3), "load": os.getloadavg()[0]}
    for name, (text, count, places) in cases.items():
        runs = [whole(text, places) for _ in reps]
        figures[name] = {
            "schedule_ms": round(min(pure(text, places) for _ in reps) / count * 1000, 3),
            "flow_ms": round(min(wall for wall, _ in runs) / count * 1000, 3),
            "cpu_ms": round(min(cpu for _, cpu in runs) / count * 1000, 3),
        }
    figures["reuse50"] = {"decision_ms": round(min(reused(50) for _ in reps) * 1000, 1)}
    figures["memory_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
