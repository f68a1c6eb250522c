"""`headway server` in a process of its own, repositories that it hosts, and what came of runs."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headway.flows import pipeline
from headway.model.event import Event
from headway.pipeline.run.state import RunState
from headway.store import log, run_log, triggers
from headway.wiring import Headway, locate
from tests.support import forked
from tests.support.forked import Forked
from tests.support.triggering import Repository

STEP = "    runs-on: ubuntu-latest\n    timeout-minutes: 5\n    steps:\n"


def job(*lines: str, name: str = "a") -> str:
    """A job whose steps run these lines."""
    steps = "".join(f"      - run: |\n          {line}\n" for line in lines)
    return f"  {name}:\n{STEP}{steps}"


def workflow(on: str, *jobs: str, name: str = "CI") -> str:
    return f"name: {name}\non: {on}\njobs:\n{''.join(jobs)}"


@dataclass
class Hosted(Repository):
    """A repository that a server hosts, by its working copy."""

    bare: Path

    def push(self, *refs: str) -> None:
        self.git("push", "-q", str(self.bare), *(refs or ("main",)))

    def write(self, **workflows: str) -> str:
        """Workflow files by name, committed."""
        named = {f"_dot_github__workflows__{n}_dot_yml": text for n, text in workflows.items()}
        return self.commit("workflows", **named)


class Served:
    """One home below a short path; `scratch` is where steps may leave traces. `database`: its URL,
    else a file in the home.
    """

    def __init__(self, database: str = "") -> None:
        self._named = {"HEADWAY_DATABASE": database} if database else {}
        self.base = Path(tempfile.mkdtemp(prefix="hwr"))
        self.home, self.scratch = self.base / "h", self.base / "s"
        self.scratch.mkdir()
        self.headway = Headway(locate(str(self.home), self._named))
        self.repo = self.another("plain")
        self._process: Forked | None = None

    def __enter__(self) -> "Served":
        return self

    def __exit__(self, *_: object) -> None:
        self.down()
        if "outbox" in self.headway.__dict__:
            self.headway.outbox.close()
        self.headway.db.dispose()
        shutil.rmtree(self.base)

    def up(self, *options: str) -> None:
        """Start the server, and wait until it hears."""
        out = (self.base / "server.log").open("ab")
        words = ["--home", str(self.home), "server", "--port", "0", *options]
        self._process = forked.start(words, out, env={**os.environ, **self._named})
        out.close()
        self.eventually(lambda: self._state().get("pid") == self._process.pid)  # type: ignore[union-attr]

    def _state(self) -> dict[str, Any]:
        with contextlib.suppress(FileNotFoundError):
            found: dict[str, Any] = json.loads((self.home / "server.json").read_text())
            return found
        return {}

    @property
    def pid(self) -> int:
        return int(self._state()["pid"])

    @property
    def address(self) -> str:
        return str(self._state()["address"])

    def left(self) -> int | None:
        """The exit code of a server that left by itself."""
        return self._process.poll() if self._process else None

    def down(self, how: int = signal.SIGTERM) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """As when the power goes."""
        self.down(signal.SIGKILL)

    def eventually(self, there: Callable[[], object], within: float = 90.0) -> None:
        deadline = time.monotonic() + within
        while not there():
            assert time.monotonic() < deadline, self.story()
            time.sleep(0.03)

    def story(self) -> str:
        """What is known, for whoever reads a failed test."""
        with self.headway.reading() as connection:
            told = triggers.newest(connection)
        runs = [(r.spec.id, r.spec.workflow, r.phase) for r in self.runs()]
        files = (self.base / "server.log", self.home / "log" / "headway.log")
        logs = [f.read_text()[-2000:] for f in files if f.exists()]
        return "\n".join([*map(str, told), str(runs), *logs])

    def another(self, name: str) -> "Hosted":
        """A repository that the server hosts, and a working copy of it."""
        return Hosted(self.base / name, self.headway.host(name))

    def runs(self, repo: "Hosted | None" = None) -> list[RunState]:
        """Of that repository (or of all), oldest first."""
        found = [pipeline.show(self.home, name) for name in reversed(run_log.runs(self.home))]
        return [r for r in found if repo is None or r.spec.repo == str(repo.bare)]

    def ended(self, count: int = 1, repo: "Hosted | None" = None) -> list[RunState]:
        """Those runs, once so many of them have ended."""
        self.eventually(lambda: sum(r.phase != "running" for r in self.runs(repo)) >= count)
        return self.runs(repo)

    def events(self, **where: str) -> list[Event]:
        with self.headway.reading() as connection:
            return log.after(connection, 0, limit=100_000, **where)

    def kinds(self, run: str) -> list[str]:
        return [e.kind for e in self.events(subject=run)]

    def seen(self) -> list[triggers.Seen]:
        with self.headway.reading() as connection:
            return triggers.newest(connection, 1000)

    def said(self, name: str) -> list[str]:
        """Lines that steps left in that file of `scratch`."""
        file = self.scratch / name
        return file.read_text().splitlines() if file.exists() else []

    def cli(self, *words: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, **self._named, "NO_COLOR": "1"}
        return forked.run(["--home", str(self.home), *words], env=environment, cwd=cwd or self.base)
