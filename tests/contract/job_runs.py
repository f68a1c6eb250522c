"""What the tests of job runners share: orders, a watch that remembers, a repository, a runner."""

import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from headway import workbench
from headway.adapters.linux.actions.find import LocalFinder
from headway.adapters.linux.runner import LinuxRunner
from headway.adapters.linux.sandbox import Limits
from headway.model.job import JobOrder, Line, StepReport, StepSpec

QUICK = Limits(int_seconds=0.1, term_seconds=0.1)


@dataclass
class Seen:
    """A JobWatch that remembers, and can be told to cancel."""

    began: list[tuple[int, str]] = field(default_factory=list)
    lines: list[tuple[int, Line]] = field(default_factory=list)
    ended: list[tuple[int, StepReport]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    on_line: Callable[[Line], None] = lambda _: None

    def step_began(self, job: str, number: int, name: str) -> None:
        self.began.append((number, name))

    def line(self, job: str, number: int, line: Line) -> None:
        self.lines.append((number, line))
        self.on_line(line)

    def step_ended(self, job: str, number: int, report: StepReport) -> None:
        self.ended.append((number, report))

    def cancelled(self) -> bool:
        return self.stop.is_set()

    def text(self) -> str:
        return "\n".join(line.text for _, line in self.lines)


def order(key: str, *steps: str | StepSpec, **more: object) -> JobOrder:
    """A job; a text is a script, its id `s` and its number."""
    made = tuple(
        StepSpec(f"s{n}", run=step) if isinstance(step, str) else step
        for n, step in enumerate(steps)
    )
    given: dict[str, object] = {"run": "run_1", "id": key, "key": key, "name": key, "attempt": 1}
    given |= {"repo": "", "sha": "0" * 40, "ref": "refs/heads/main", "steps": made}
    return JobOrder(**{**given, **more})  # type: ignore[arg-type]


@contextmanager
def short_home() -> Iterator[Path]:
    """A home whose paths are short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="hw-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def runner_in(home: Path, limits: Limits = QUICK) -> LinuxRunner:
    """The runner as it is wired, with short times of grace."""
    bench = workbench.bench(home)
    source = workbench.load("headway.source_hosts", "git")()
    finder = LocalFinder(home, source, bench.actions, bench.blobs)
    return LinuxRunner(home, source, finder, bench.blobs, limits)


def repository(folder: Path, files: dict[str, str]) -> str:
    """A repository with one commit of these files; gives the commit."""
    folder.mkdir(parents=True)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for words in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "one"]):
        subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)
    told = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True
    )
    return told.stdout.strip()


def survivors(mark: str) -> list[str]:
    """Processes of this machine whose command line or variables hold the mark."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                text = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
                state = (folder / "stat").read_bytes().rpartition(b")")[2].split()[0]
            except OSError:
                continue
            if mark.encode() in text and state != b"Z":
                found.append(f"{folder.name} {text[:200]!r}")
    return found


def gone_within(mark: str, seconds: float) -> bool:
    """Whether every such process is gone by then."""
    until = time.monotonic() + seconds
    while survivors(mark):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True
