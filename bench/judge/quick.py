"""The judge at pace `quick` on simulated deployments: false rollbacks, promotions, catches.

    HEADWAY_JUDGE_BENCH=<folder with sim.py> python bench/judge/quick.py [--n 300] [--bad] [--out F]

The simulator is the judge benchmark's (numpy and scipy) and is not part of this repository: it is
imported from the folder named by the environment. Two of its globals are changed: windows are
those of the pace, and a run ends after `--horizon` seconds. Its cold starts (decay 5 to 25 s) are
left alone unless `--warm-scale` shrinks them: `quick` forgives a cold start for seconds only.
"""

import argparse
import importlib
import json
import os
import statistics
import sys
import time
from pathlib import Path

import msgspec

from headway.cli.judge import Seen, Session, Start, Terms
from headway.model.pace import PACES


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--set", default="dev")
    parser.add_argument("--pace", default="quick", choices=sorted(PACES))
    parser.add_argument("--horizon", type=float, default=600.0)
    parser.add_argument("--warm-scale", type=float, default=1.0)
    parser.add_argument("--bad", action="store_true")
    parser.add_argument("--policy", default="hold")
    parser.add_argument("--out")
    return parser.parse_args()


def simulator(window, horizon):
    folder = os.environ.get("HEADWAY_JUDGE_BENCH")
    if not folder:
        sys.exit("HEADWAY_JUDGE_BENCH must name the folder that holds the simulator, sim.py")
    sys.path.insert(0, folder)
    sim = importlib.import_module("sim")
    sim.DT, sim.HORIZON = window, horizon
    return sim


def run(sim, number, asked):
    pace = PACES[asked.pace]
    deployment = sim.Deployment(asked.set, number, bad_share=1.0 if asked.bad else 0.0)
    deployment.cold_tau *= asked.warm_scale
    start = msgspec.convert(deployment.start(), Start)
    session = Session(Terms(pace, 0.05, asked.policy), start)
    seen = {"kind": deployment.kind, "rate": deployment.rate, "z": deployment.z, "steps": []}
    seen |= {"id": number, "on": deployment.d["on"], "outcome": "undecided", "t": None}
    step, changed = 0, True
    for _ in range(int(asked.horizon / pace.window)):
        share = sim.STEPS[step] if step < 3 else 0.95
        observed, _truth = deployment.window(share, changed)
        changed = False
        answer = session.answer(msgspec.convert(observed, Seen))
        if answer["action"] == "rollback":
            return seen | {"outcome": "rollback", "t": observed["t"], "why": answer["reason"]}
        if answer["action"] == "promote":
            step, changed = step + 1, True
            seen["steps"].append(observed["t"])
    return seen | {"outcome": "promoted"} if step == 3 else seen


def summary(rows, seconds):
    count = {o: sum(r["outcome"] == o for r in rows) for o in ("rollback", "promoted", "undecided")}
    full = [r["steps"][2] for r in rows if len(r["steps"]) == 3]
    late = [r["t"] - r["on"] for r in rows if r["t"] is not None]
    by_kind = {
        kind: f"{sum(r['outcome'] == 'rollback' for r in some)}/{len(some)}"
        for kind in sorted({r["kind"] for r in rows})
        if (some := [r for r in rows if r["kind"] == kind])
    }
    return {
        "runs": len(rows),
        **count,
        "seconds_to_full_p50": statistics.median(full) if full else None,
        "rollback_seconds_p50": statistics.median(late) if late else None,
        "rolled_back_by_kind": by_kind,
        "wall_seconds": round(seconds, 1),
    }


def main():
    asked = options()
    sim = simulator(PACES[asked.pace].window, asked.horizon)
    began = time.monotonic()
    rows = [run(sim, asked.first + i, asked) for i in range(asked.n)]
    told = summary(rows, time.monotonic() - began)
    print(json.dumps(told, indent=1))
    if asked.out:
        text = json.dumps({"summary": told, "rows": rows})
        Path(asked.out).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
