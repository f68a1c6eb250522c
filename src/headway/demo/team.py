"""The shop's team: writes versions, and pushes them with git as anybody does. Called by `show`."""

import subprocess
import sys

from headway.demo import repository
from headway.demo.report import Asked
from headway.demo.stage import Stage, environment, git_environment
from headway.model.errors import Failed

PUSH_SECONDS = 120.0


class Team:
    """`pushed` maps each pushed version (`v1`) to its commit."""

    def __init__(self, stage: Stage, asked: Asked) -> None:
        self._stage, self._asked = stage, asked
        self.pushed: dict[str, str] = {}

    def connect(self) -> None:
        """`headway remote` in the repository: where pushes go, and what they are allowed with."""
        headway = [sys.executable, "-m", "headway", "--home", str(self._stage.home)]
        self._run([*headway, "remote", str(self._stage.repository)], environment(self._stage))

    def write(self, version: str) -> str:
        """A commit of that version; gives its id."""
        fault, seed = self._asked.fault, self._asked.seed
        return repository.write(self._stage.repository, int(version[1:]), fault, seed)

    def push(self, version: str) -> None:
        """`git push headway main`. Raises Failed with git's own words."""
        sha = self.write(version)
        here = ["git", "-C", str(self._stage.repository)]
        self._run([*here, "push", "--quiet", "headway", "main"], git_environment(self._stage))
        self.pushed[version] = sha

    def link(self) -> str:
        """Where the first administrator looks around. Raises Failed."""
        headway = [sys.executable, "-m", "headway", "--home", str(self._stage.home)]
        return self._run([*headway, "user", "welcome"], environment(self._stage)).strip()

    def _run(self, command: list[str], env: dict[str, str]) -> str:
        """What it said. Raises Failed."""
        try:
            done = subprocess.run(
                command, env=env, capture_output=True, text=True, timeout=PUSH_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            what = f"`{' '.join(command)}` gave no answer in {PUSH_SECONDS:.0f} s"
            raise Failed(what, code="demo") from error
        if done.returncode:
            raise Failed(f"`{' '.join(command)}` failed", why=done.stderr.strip(), code="demo")
        return done.stdout
