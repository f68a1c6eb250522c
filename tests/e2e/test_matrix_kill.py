"""kill -9 of the server, of what starts sandboxes and of single sandboxes, in a matrix of 30 steps.

Whatever is killed at whatever moment: steps whose end is on disk never run again, the run ends
green, and no process of it is left.
"""

import json
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.contract.job_runs import gone_within
from tests.support.served import Hosted, Served

STEPS = 10
LEGS = ("a", "b", "c")


def grid(notes: Path) -> str:
    """Each step notes its beginning and its end, leaves a daemon, and needs the one before."""
    steps = "".join(
        f"      - id: s{n}\n        run: |\n"
        f"          echo b ${{{{ matrix.leg }}}} s{n} >> {notes}\n"
        "          (setsid sleep 600 &)\n"
        f"          test {n} = 0 || test -e done{n - 1}\n"
        f"          sleep 0.1; touch done{n}\n"
        f"          echo e ${{{{ matrix.leg }}}} s{n} >> {notes}\n"
        for n in range(STEPS)
    )
    return (
        "on: workflow_dispatch\njobs:\n  grid:\n    runs-on: ubuntu-latest\n"
        "    timeout-minutes: 20\n"
        f"    strategy: {{matrix: {{leg: [{', '.join(LEGS)}]}}}}\n    steps:\n{steps}"
    )


def recorded(served: Served) -> set[tuple[str, str]]:
    """(leg, step) of every step whose end is on disk."""
    return recorded_in(served.home / "runs")


def recorded_in(runs: Path) -> set[tuple[str, str]]:
    """The same below a folder of runs."""
    found = set()
    for path in runs.glob("run_*/grid.*/steps.jsonl"):
        leg = LEGS[int(path.parent.name.rpartition(".")[2]) - 1]
        for line in path.read_bytes().split(b"\n")[:-1]:
            ended = json.loads(line)["ended"]
            if ended and ended["outcome"] == "success":
                found.add((leg, ended["id"]))
    return found


def supervisors(served: Served) -> tuple[list[int], list[int]]:
    """What starts sandboxes, and the first processes of sandboxes: they share a log."""
    log, found = str(served.home / "log/nursery.log"), {}
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and str((folder / "fd/1").readlink()) == log:
                parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
                found[int(folder.name)] = int(parent)
        except OSError:
            continue
    agents = [pid for pid, parent in found.items() if parent in found]
    return [pid for pid in found if pid not in agents], agents


def strike(served: Served, who: str, dice: random.Random) -> None:
    if who == "server":
        served.kill()
        assert gone_within(f"{served.home}/runs", 30)
        served.up()
        return
    nurseries, agents = supervisors(served)
    victims = nurseries if who == "nursery" else agents
    if victims:
        os.kill(dice.choice(victims), signal.SIGKILL)


def go_through(served: Served, repo: Hosted, plan: list[str], dice: random.Random) -> int:
    """Starts runs and kills, one after the other, until the plan is done; gives how many runs."""
    count = 0
    while plan:
        notes = served.scratch / f"notes-{count}"
        repo.write(grid=grid(notes))
        repo.push()
        told = served.cli("pipeline", "start", "grid.yml", "--repo", str(repo.bare), "--json")
        assert told.returncode == 0, told.stderr
        served.eventually(notes.exists)
        count += 1
        done, seen = recorded(served), 0
        while plan and served.runs(repo)[-1].phase == "running":
            time.sleep(dice.uniform(0.05, 0.8))
            done, seen = recorded(served), len(lines(notes))
            strike(served, plan.pop(), dice)
            assert not {(leg, step) for _, leg, step in lines(notes)[seen:]} & done
        (last,) = served.ended(1, repo)
        assert last.phase == "success", served.story()
        began = [(leg, step) for kind, leg, step in lines(notes)[seen:] if kind == "b"]
        assert not set(began) & done
        ends = Counter((leg, step) for kind, leg, step in lines(notes) if kind == "e")
        assert set(ends) == {(leg, f"s{n}") for leg in LEGS for n in range(STEPS)}
        assert gone_within(f"{served.home}/runs", 30)
        for folder in served.home.glob("runs/run_*"):
            folder.rename(served.base / folder.name)  # the next run is looked at by itself
    return count


def lines(notes: Path) -> list[tuple[str, str, str]]:
    whole = notes.read_text().rpartition("\n")[0].splitlines()
    return [(kind, leg, step) for kind, leg, step in map(str.split, whole)]


@pytest.mark.soak
def test_each_of_them_is_killed_once() -> None:
    with Served() as served:
        repo = served.another("grid")
        served.up()
        plan = ["server", "agent", "nursery"]
        assert go_through(served, repo, plan, random.Random(1)) >= 1


@pytest.mark.soak
def test_killed_at_sixty_points() -> None:
    dice = random.Random(2)
    plan = [who for who in ("server", "agent", "nursery") for _ in range(20)]
    dice.shuffle(plan)
    with Served() as served:
        repo = served.another("grid")
        served.up()
        print(go_through(served, repo, plan, dice), "runs, 60 kills")
