"""How soon a step runs at a running server: after `git push`, and after it was started by name.

A real server; one workflow whose only step prints the clock (bash, EPOCHREALTIME), so that the time
ends inside the step's own process. `hook`: from the moment the hook wrote its note, when git has
moved the ref; `push`: from the return of `git push`; `dispatch`: from the request on the wire.
Runs follow each other with a pause, so that each begins on a quiet server. The peer is the least
that could be: `git push` with no hook at all, and starting bash to print the clock.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import httpx

from bench.figures import Result, Row, quantile, ratio, spread
from headway.model.errors import HeadwayError
from headway.store import triggers
from headway.store.tables import triggers as told
from headway.wiring import Headway, locate

STEP = """\
on: {push: , workflow_dispatch: }
jobs:
  a:
    runs-on: ubuntu-latest
    timeout-minutes: 1
    steps: [{run: 'echo $EPOCHREALTIME > FILE.new; mv FILE.new FILE'}]
"""
PAUSE_SECONDS = 0.4
LIMIT_PUSH, LIMIT_DISPATCH = 150.0, 50.0
WITHIN_SECONDS = 60.0


class Place:
    """A home with its server, one hosted repository, and its working copy."""

    def __init__(self, base: Path) -> None:
        self.home, self.work, self.file = base / "h", base / "w", base / "at"
        self.headway = Headway(locate(str(self.home), {}))
        self.bare = self.headway.host("bench")
        self.work.mkdir()
        self.git("init", "-q", "-b", "main")
        path = self.work / ".github/workflows/first.yml"
        path.parent.mkdir(parents=True)
        path.write_text(STEP.replace("FILE", str(self.file)))
        self.git("add", "-A")

    def git(self, *words: str) -> None:
        who = ["-c", "user.name=b", "-c", "user.email=b@example.org"]
        subprocess.run(["git", "-C", str(self.work), *who, *words], check=True, capture_output=True)

    def commit(self) -> None:
        """Another tree every time, or the result of the run before would be taken."""
        (self.work / "changed").write_text(str(time.time()))
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "again")

    def came(self) -> float:
        """When the step ran, Unix seconds; waits for it, and for the server to be quiet again."""
        deadline = time.monotonic() + WITHIN_SECONDS
        while not self.file.exists():
            if time.monotonic() > deadline:
                raise RuntimeError("no step ran")
            time.sleep(0.001)
        at = float(self.file.read_text())
        self.file.unlink()
        time.sleep(PAUSE_SECONDS)
        return at

    def noted(self) -> float:
        """When the hook wrote the newest note: its name begins with that."""
        with self.headway.reading() as connection:
            newest = told.c.received_at.desc()
            row = connection.execute(told.select().order_by(newest).limit(1)).first()
        assert row is not None
        return float(row.delivery.rpartition(" ")[2].partition("-")[0]) / 1e9

    def started(self) -> tuple[int, ...]:
        """The states of what was told, for a look at the end."""
        with self.headway.reading() as connection:
            return tuple(len(seen.runs) for seen in triggers.newest(connection, 10_000))


def run(base: Path, count: int) -> Result:
    place = Place(base)
    command = [sys.executable, "-m", "headway", "--home", str(place.home), "server", "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = _address(place.home / "server.json", server)
        found = _pushes(place, count) | {"dispatch": _dispatches(place, address, count)}
    finally:
        server.terminate()
        server.wait(60)
    bare = {"bare_push": _bare_pushes(place, count), "bash": _bash(count)}
    figures = {name: spread(values) for name, values in (found | bare).items()}
    return Result(_rows(found, bare), figures, _problems(place, count))


def _address(file: Path, server: "subprocess.Popen[bytes]") -> str:
    deadline = time.monotonic() + WITHIN_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        if file.exists():
            return str(json.loads(file.read_text())["address"])
        time.sleep(0.01)
    raise HeadwayError("the server did not start")


def _pushes(place: Place, count: int) -> dict[str, list[float]]:
    """Milliseconds; the first one, when nothing is loaded yet, is told apart."""
    hook: list[float] = []
    push: list[float] = []
    for _ in range(count + 1):
        place.commit()
        place.git("push", "-q", str(place.bare), "main")
        returned = time.time()
        at = place.came()
        hook.append((at - place.noted()) * 1000)
        push.append((at - returned) * 1000)
    return {"hook": hook[1:], "push": push[1:], "first": hook[:1]}


def _dispatches(place: Place, address: str, count: int) -> list[float]:
    url = f"{address}/repos/bench/actions/workflows/first.yml/dispatches"
    token = {"authorization": f"Bearer {(place.home / 'token').read_text()}"}
    found = []
    with httpx.Client(trust_env=False, headers=token, timeout=60) as client:
        for _ in range(count + 1):
            began = time.time()
            answer = client.post(url, json={"ref": "main"})
            answer.raise_for_status()
            found.append((place.came() - began) * 1000)
    return found[1:]


def _bare_pushes(place: Place, count: int) -> list[float]:
    """The same pushes to a repository without a hook."""
    bare = place.work.parent / "bare.git"
    subprocess.run(["git", "init", "-q", "--bare", str(bare)], check=True)
    found = []
    for _ in range(count):
        place.commit()
        began = time.time()
        place.git("push", "-q", str(bare), "main")
        found.append((time.time() - began) * 1000)
    return found


def _bash(count: int) -> list[float]:
    found = []
    for _ in range(count):
        began = time.time()
        said = subprocess.run(
            ["bash", "-c", "echo $EPOCHREALTIME"], capture_output=True, check=True
        )
        found.append((float(said.stdout) - began) * 1000)
    return found


def _rows(found: dict[str, list[float]], bare: dict[str, list[float]]) -> tuple[Row, ...]:
    least = quantile(bare["bash"], 0.5)
    return (
        Row("hook's note to first step, p50 / p95", _both(found["hook"]),
            f"at most {LIMIT_PUSH:g} ms wanted"),
        Row("return of git push to first step, p50 / p95", _both(found["push"]),
            f"git push without a hook takes {quantile(bare['bare_push'], 0.5):.0f} ms"),
        Row("dispatch to first step, p50 / p95", _both(found["dispatch"]),
            f"at most {LIMIT_DISPATCH:g} ms wanted; "
            f"{ratio(quantile(found['dispatch'], 0.5), least):g} of starting bash"),
        Row("first push after the server's start", f"{found['first'][0]:.0f} ms"),
    )  # fmt: skip


def _both(values: list[float]) -> str:
    return f"{quantile(values, 0.5):.0f} / {quantile(values, 0.95):.0f} ms"


def _problems(place: Place, count: int) -> tuple[str, ...]:
    """Every push started one run, and nothing else was started."""
    pushed = place.started()
    wrong = pushed != (1,) * (count + 1)
    runs = len(list((place.home / "runs").glob("run_*")))
    return tuple(
        text
        for bad, text in (
            (wrong, f"{len(pushed)} pushes were told, their runs: {pushed}"),
            (runs != 2 * (count + 1), f"{runs} runs of {2 * (count + 1)}"),
        )
        if bad
    )
