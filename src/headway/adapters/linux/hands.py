"""What a step or an action does in the job's sandbox: print, run processes, hide texts.

Serves actions/acting.Hands; made by step for each step. The files behind GITHUB_ENV and its like
are read after each process, as soon as it has ended.
"""

import contextlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

from headway.adapters.linux.actions.acting import Within
from headway.adapters.linux.job import Job
from headway.adapters.linux.output import Output
from headway.adapters.linux.patience import Lost, Stopped
from headway.adapters.linux.sandbox import Command
from headway.adapters.linux.workspace import open_regular
from headway.model.errors import Failed
from headway.model.job import Annotation, Level
from headway.pipeline.step.files import MAX_BYTES, assignments, bad, folders, text

FILES = ("GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STATE", "GITHUB_STEP_SUMMARY")


class StepHands:
    """Of one step. `outputs` and `state`: what its processes have said so far."""

    def __init__(self, job: Job, out: Output, until: float, *, heedless: bool = False) -> None:
        """`heedless`: goes on although the run is stopped, for cleaning up."""
        self._job, self._out = job, out
        self._stop: Callable[[], str] = (lambda: "") if heedless else job.patience.of_step(until)
        self.outputs: dict[str, str] = {}
        self.state: dict[str, str] = {}

    def say(self, line: str) -> None:
        """One line in the log, masked."""
        self._out.say(line)

    def warn(self, text: str) -> None:
        """A warning, in the log and among the step's annotations."""
        self._out.annotate(Annotation("warning", text))

    def mask(self, secret: str) -> None:
        """Never show this text again."""
        if secret.strip():
            self._job.masker.add(secret)
            self._out.masks.append(secret)

    def run(self, argv: list[str], env: dict[str, str], cwd: Path) -> int:
        """Run to the end; the exit code (128 + n for signal n). Raises Stopped, Lost,
        Failed (`no-process`, `environment-file`).
        """
        return self._run(argv, env, cwd, None)

    def enter(self, argv: list[str], env: dict[str, str], cwd: Path) -> int:
        """The same in the job's container, if it has one."""
        within = self._job.within
        try:
            return self._run(argv, env, cwd, within)
        except Stopped:
            if within is not None:
                within.end_step(StepHands(self._job, self._out, float("inf"), heedless=True))
            raise

    def _run(self, argv: list[str], env: dict[str, str], cwd: Path, within: Within | None) -> int:
        if why := self._stop():
            raise Stopped(why)
        files = self._fresh()
        command = Command(argv, str(cwd), env | files)
        if within is not None:
            argv, env = within.command(argv, command.env, command.cwd)
            command = Command(argv, "/", env)
        ended = self._job.sandbox().run(command, self._out.take, self._stop)
        self._out.heed()
        try:
            self._take(files)
        except Failed as error:
            if not ended.stopped:
                raise
            self.say(f"[headway: {error}]")
        for bound in ended.hit:
            level: Level = "error" if ended.code or ended.stopped else "warning"
            self._out.annotate(Annotation(level, f"{bound[0].upper()}{bound[1:]}."))
        if ended.stopped:
            raise Stopped(ended.stopped)
        if ended.lost and ended.code is None:
            raise Lost(ended.problem, code="no-process")
        if ended.code is None:
            raise Failed(ended.problem or "the process is gone", code="no-process")
        return ended.code if ended.code >= 0 else 128 - ended.code

    def _fresh(self) -> dict[str, str]:
        """Empty files for one process, by variable name: those of the last one, if they are."""
        if spare := self._job.spare_files:
            self._job.spare_files = {}
            return spare
        name = next(self._job.names)
        paths = {f: str(self._job.place.files / f"{name}-{f[7:].lower()}") for f in FILES}
        for path in paths.values():
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
        return paths

    def _take(self, files: dict[str, str]) -> None:
        """What the process wrote to the files is there for the steps after it."""
        if all(map(_untouched, files.values())):
            self._job.spare_files = files
            return
        draft = self._job.draft
        if data := _read(files, "GITHUB_STEP_SUMMARY"):
            draft.summaries.append(self._job.masker.text(text(data, "GITHUB_STEP_SUMMARY")))
        if data := _read(files, "GITHUB_OUTPUT"):
            self.outputs |= assignments(data, "GITHUB_OUTPUT")
        if data := _read(files, "GITHUB_STATE"):
            self.state |= assignments(data, "GITHUB_STATE")
        if data := _read(files, "GITHUB_ENV"):
            draft.env |= assignments(data, "GITHUB_ENV")
        if data := _read(files, "GITHUB_PATH"):
            draft.path[:0] = folders(data)
        for path in files.values():
            with contextlib.suppress(OSError):
                os.unlink(path)  # noqa: PTH108 - five a step


def _untouched(path: str) -> bool:
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == 0


def _read(files: dict[str, str], name: str) -> bytes:
    """A file that the step could have replaced by anything. Raises Failed (`environment-file`)."""
    try:
        if os.lstat(files[name]).st_size == 0:
            return b""
        with open_regular(Path(files[name])) as opened:
            return opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise bad(name, f"it cannot be read: {error.strerror}") from error
