"""The judge on a set of simulated deployments with known truth, in this process or several.

    python -m bench.judge.sets --bench DIR [--set dev] [--n 300] [--first 0] [--jobs 1]
        [--policy promote_unproven] [--holdback 0.10] [--constant MODULE:NAME=VALUE]... [--out F]

DIR holds the judge benchmark (its simulator `sim.py`, its scores `bench.py`; numpy and scipy);
nothing of it is part of this repository. The functions asked are those of `headway judge`, without
the pipe between. `--constant` sets a number of a module before anything runs, for ablations:
`headway.analysis.margins:HARM=2`. The JSON is what the benchmark's own `table` reads. Exit 2: no
such benchmark.
"""

import argparse
import importlib
import importlib.util
import json
import multiprocessing
import sys
import time
from pathlib import Path

import msgspec

from headway.cli.judge import Seen, Session, Start, Terms
from headway.model.pace import PACES


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bench", type=Path, required=True)
    parser.add_argument("--set", default="dev")
    parser.add_argument("--seed", type=int, help="of a set of that name that the benchmark lacks")
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--policy", default="promote_unproven")
    parser.add_argument("--holdback", type=float, default=0.10)
    parser.add_argument("--only", choices=["good", "bad"], help="for a quick look at one half")
    parser.add_argument("--kind", action="append", help="only deployments of these kinds")
    parser.add_argument("--constant", action="append", default=[])
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def prepared(asked):
    """Both modules of the benchmark. One is called as a package of ours is, so it goes by path."""
    if not (asked.bench / "sim.py").exists():
        sys.exit(f"{asked.bench} holds no sim.py: name the folder of the judge benchmark")
    sys.path.insert(0, str(asked.bench))
    sim = importlib.import_module("sim")
    if asked.seed is not None:
        sim.SETS[asked.set] = asked.seed
    spec = importlib.util.spec_from_file_location("judge_bench", asked.bench / "bench.py")
    scores = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scores)
    for change in asked.constant:
        name, _, value = change.partition("=")
        module, _, constant = name.partition(":")
        found = importlib.import_module(module)
        if not hasattr(found, constant):
            sys.exit(f"{module} has no {constant}")
        setattr(found, constant, json.loads(value))
    return sim, scores


def run(sim, number, deployment, asked):
    """One deployment, steered by the answers: its row, seconds of CPU and the count of verdicts."""
    terms = Terms(PACES["standard"], asked.holdback, asked.policy)
    session = Session(terms, msgspec.convert(deployment.start(), Start))
    row = {"id": number, "kind": deployment.kind, "bad": deployment.bad, "rate": deployment.rate}
    row |= {"p0": deployment.p0, "fam": deployment.fam, "z": deployment.z, "on": deployment.d["on"]}
    row |= {"outcome": "undecided", "t": None, "promoted_t": None, "reason": ""}
    last, step, changed, harm, full, spent, verdicts = len(sim.STEPS) - 1, 0, True, 0.0, 0.0, 0.0, 0
    for _ in range(int(sim.HORIZON / sim.DT)):
        gone = row["outcome"] == "rollback"
        share = sim.STEPS[step] if step < last else 1 - asked.holdback
        seen, truth = deployment.window(0.0 if gone else share, changed)
        full += truth["full"]
        changed = False
        if gone:
            continue
        harm += truth["ex"]
        line = msgspec.json.encode(seen)
        began = time.process_time()
        answer = session.answer(msgspec.json.decode(line, type=Seen))
        spent, verdicts = spent + time.process_time() - began, verdicts + 1
        if answer["action"] == "rollback":
            row |= {"outcome": "rollback", "t": seen["t"], "reason": answer["reason"]}
            if not deployment.bad:
                break
        elif answer["action"] == "promote" and step < last:
            step, changed = step + 1, True
            if step == last:
                row |= {"outcome": "promoted", "promoted_t": seen["t"]}
    return row | {"last_step": step, "ex": harm, "full": full}, spent, verdicts


def shard(told):
    """Every `jobs`th deployment."""
    asked, part = told
    sim, _ = prepared(asked)
    numbers = range(asked.first + part, asked.first + asked.n, asked.jobs)
    every = ((number, sim.Deployment(asked.set, number)) for number in numbers)
    return [run(sim, number, one, asked) for number, one in every if _wanted(one, asked)]


def _wanted(deployment, asked):
    halves = {"good": (False,), "bad": (True,), None: (False, True)}
    return deployment.bad in halves[asked.only] and (
        not asked.kind or deployment.kind in asked.kind
    )


def main():
    asked = options()
    _, scores = prepared(asked)
    parts = [(asked, part) for part in range(asked.jobs)]
    if asked.jobs == 1:
        done = [shard(parts[0])]
    else:
        with multiprocessing.get_context("fork").Pool(asked.jobs) as pool:
            done = pool.map(shard, parts)
    told = sorted((one for part in done for one in part), key=lambda one: one[0]["id"])
    cpu = 1e3 * sum(spent for _, spent, _ in told) / sum(verdicts for _, _, verdicts in told)
    result = {"judge": "headway", "set": asked.set, "n": asked.n, "lo": asked.first}
    result |= {"cpu_ms": cpu, "constants": asked.constant, "holdback": asked.holdback}
    result |= {"policy": asked.policy, "rows": [row for row, _, _ in told]}
    result["summary"] = scores.summarise(result)
    if asked.out:
        asked.out.write_text(json.dumps(result))
    show(result)


def show(result):
    """The line to compare, then what became of each kind."""
    summary = result["summary"]
    for key, value in summary.items():
        if not isinstance(value, dict):
            print(f"{key:<16} {value:.4g}")
    for kind in sorted({row["kind"] for row in result["rows"]}):
        rows = [row for row in result["rows"] if row["kind"] == kind]
        caught = sum(row["outcome"] == "rollback" for row in rows)
        blast = [row["ex"] / row["full"] for row in rows if row["z"] >= 6 and row["full"]]
        mean = f"  blast {sum(blast) / len(blast):.3f} of {len(blast)}" if blast else ""
        print(f"  {kind:<14} rolled back {caught} of {len(rows)}{mean}")


if __name__ == "__main__":
    main()
