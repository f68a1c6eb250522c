"""The folders of one run on disk: HOME/runs/RUN/JOB and HOME/runs/RUN/uploads. Called by runner.

Names become paths only after a strict check; a job's folder is made anew for every attempt.
"""

import contextlib
import errno
import fcntl
import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from headway.model.errors import Drifted, Invalid
from headway.pipeline.supported import RESERVED_JOB_IDS

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_JOB = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}")
_LOCK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where one job works. `checkout` holds the commit's files, `files` what steps write to us."""

    run: Path
    folder: Path

    @property
    def checkout(self) -> Path:
        """GITHUB_WORKSPACE: the clean tree of the commit."""
        return self.folder / "work"

    @property
    def home(self) -> Path:
        """HOME of the steps; beside the checkout, so that it never ends in an upload."""
        return self.folder / "home"

    @property
    def temp(self) -> Path:
        """RUNNER_TEMP and TMPDIR."""
        return self.folder / "temp"

    @property
    def files(self) -> Path:
        """Scripts, and the files behind GITHUB_ENV, GITHUB_PATH, GITHUB_OUTPUT."""
        return self.folder / "files"

    @property
    def logs(self) -> Path:
        """One log a step, `1.log` and on."""
        return self.folder / "logs"


def workspace(home: Path, run: str, job: str) -> Workspace:
    """The folders' names; nothing is made. Raises Invalid (`bad-name`)."""
    if not _RUN.fullmatch(run) or not _JOB.fullmatch(job) or job in RESERVED_JOB_IDS:
        raise Invalid(f"{run!r}, {job!r} cannot name a run and a job", code="bad-name")
    folder = home.resolve() / "runs" / run
    return Workspace(folder, folder / job)


def make_anew(place: Workspace) -> None:
    """Remove what an earlier attempt left and make the folders, empty."""
    remove(place.folder)
    for folder in (place.checkout, place.home, place.temp, place.files, place.logs):
        folder.mkdir(parents=True)
        folder.chmod(0o755)


def clear_away(place: Workspace) -> None:
    """A green job's files are not needed any longer: what counts was uploaded; its logs stay."""
    for folder in (place.checkout, place.home, place.temp, place.files):
        remove(folder)


def remove(folder: Path) -> None:
    """Remove a tree, also one that holds folders nobody may write to. Links are not followed."""

    def again(function: Callable[..., object], path: str, _error: object) -> None:
        os.chmod(Path(path).parent, 0o700)  # noqa: PTH101
        if not Path(path).is_symlink() and Path(path).is_dir():
            Path(path).chmod(0o700)
            shutil.rmtree(path)
        else:
            function(path)

    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder, onerror=again)


@contextlib.contextmanager
def locked(place: Workspace) -> Iterator[int]:
    """Hold the job's lock; what is left of an earlier attempt is waited for. Gives the descriptor.

    Raises Drifted (`job-running`) if the job is still being run.
    """
    place.run.mkdir(parents=True, exist_ok=True)
    path = place.run / f".{place.folder.name}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(descriptor, place)
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int, place: Workspace) -> None:
    until = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > until:
                raise Drifted(
                    f"job `{place.folder.name}` of run {place.run.name} is still being run",
                    code="job-running",
                ) from error
            time.sleep(0.05)
        else:
            return


def open_regular(path: Path, flags: int = os.O_RDONLY) -> BinaryIO:
    """Open a file that a step could have replaced by a link or a pipe. Raises OSError."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return os.fdopen(descriptor, "ab" if flags & os.O_APPEND else "rb")
