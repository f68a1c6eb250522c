"""A job for actions in tests: repository, workspace, store and mirror are real, and processes."""

import os
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from headway.adapters.disk.blob_store import DiskBlobs
from headway.adapters.git.actions import GitActions
from headway.adapters.git.source_host import GitSourceHost
from headway.adapters.linux.actions.acting import Acting, Direct
from headway.adapters.linux.actions.find import LocalFinder
from headway.model.job import JobOrder, StepSpec


def git(folder: Path, *arguments: str) -> str:
    named = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
    done = subprocess.run(
        ["git", *named, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(folder: Path, files: dict[str, str], message: str = "more") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / ".git").exists():
        git(folder, "init", "-q")
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", message)
    return git(folder, "rev-parse", "HEAD")


class PlainHands:
    """Processes without a sandbox; NAME=value lines of the environment files are taken."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.masked: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def warn(self, text: str) -> None:
        self.lines.append(f"::warning::{text}")

    def mask(self, secret: str) -> None:
        self.masked.append(secret)

    def enter(self, argv: list[str], env: dict[str, str], cwd: Path) -> int:
        return self.run(argv, env, cwd)

    def run(self, argv: list[str], env: dict[str, str], cwd: Path) -> int:
        done = subprocess.run(
            argv, env=env, cwd=cwd, capture_output=True, text=True, check=False, timeout=120
        )
        self.lines += (done.stdout + done.stderr).splitlines()
        return done.returncode


@dataclass
class ActionsBench:
    """One run of one repository. `job(…)` is a job with a workspace of its own."""

    folder: Path
    files: dict[str, str] = field(default_factory=lambda: {"a.txt": "one\n"})
    cache_bytes: int = 1 << 30

    def __post_init__(self) -> None:
        self.home = self.folder / "home"
        self.repo = self.folder / "repo"
        self.mirrors = self.folder / "mirrors"
        self.mirrors.mkdir(parents=True)
        self.sha = commit(self.repo, self.files, "first")
        self.blobs = DiskBlobs(self.home, self.cache_bytes)
        self.actions = GitActions(self.home, str(self.mirrors))
        self.finder = LocalFinder(self.home, GitSourceHost(), self.actions, self.blobs)
        self.hands = PlainHands()

    def order(self, **fields: Any) -> JobOrder:
        plain = JobOrder(
            run="run1",
            id="build",
            key="build",
            name="build",
            attempt=1,
            repo=str(self.repo),
            sha=self.sha,
            ref="refs/heads/main",
            steps=(),
        )
        return replace(plain, **fields)

    def acting(self, uses: str, order: JobOrder, **inputs: str) -> Acting:
        named = {name.replace("_", "-"): value for name, value in inputs.items()}
        job = self.home / "runs" / order.run / order.key
        for name in ("work", "temp", "files", "home"):
            (job / name).mkdir(parents=True, exist_ok=True)
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(job / "home"),
            "LANG": "C.UTF-8",
            "GITHUB_OUTPUT": str(job / "files/output"),
            "GITHUB_STATE": str(job / "files/state"),
        }
        for name in ("output", "state"):
            (job / "files" / name).write_text("")
        return Acting(
            order=order,
            step=StepSpec(id="s", uses=uses, inputs=named),
            inputs=named,
            env=env,
            checkout=job / "work",
            temp=job / "temp",
            files=job / "files",
            uploads_folder=self.home / "runs" / order.run / "uploads",
            hands=self.hands,
        )

    def use(self, uses: str, order: JobOrder | None = None, **inputs: str) -> Acting:
        """Find it, run its main part; raises what it raises, AssertionError if it is red."""
        acting = self.acting(uses, order or self.order(), **inputs)
        known = replace(acting.order, steps=(acting.step,))
        found = self.finder.find(known, uses, acting.checkout)
        assert isinstance(found, Direct)
        code = found.main(acting)
        assert code == 0, self.hands.lines
        self.take(acting)
        return acting

    def after(self, acting: Acting) -> int:
        """Its post part."""
        found = self.finder.find(acting.order, str(acting.step.uses), acting.checkout)
        assert isinstance(found, Direct)
        assert found.post is not None
        return found.post(acting)

    def take(self, acting: Acting) -> None:
        for name, into in (("output", acting.outputs), ("state", acting.state)):
            for line in (acting.files / name).read_text().splitlines():
                key, _, value = line.partition("=")
                into[key] = value

    def work(self, key: str = "build", run: str = "run1") -> Path:
        return self.home / "runs" / run / key / "work"
