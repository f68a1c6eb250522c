"""The folders of one job on disk: HOME/runs/RUN/KEY, and RUN/.uploads. Called by runner.

Names become paths only after a strict check; a job's folder is made anew for every attempt.
"""

import contextlib
import errno
import fcntl
import itertools
import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from headway.adapters.linux.trees import remove
from headway.model.errors import Drifted, Failed, Invalid
from headway.record import dataclass

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")
_LOCK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where one job works. `run`: the folder of its run; `uploads`: what jobs of the run hand to
    each other. `folder`: the job's own, with `logs` and `records` (see there) and `box`: everything
    that is not needed any longer once the job is green.

    In the box: `checkout` (GITHUB_WORKSPACE, empty until a step fills it), `home` (HOME, beside the
    checkout, so that it never ends in an upload), `temp` (RUNNER_TEMP and TMPDIR), `files`
    (scripts, the event, and the files behind GITHUB_ENV and its like).
    """

    run: Path
    folder: Path
    uploads: Path
    logs: Path
    records: Path
    box: Path
    checkout: Path
    home: Path
    temp: Path
    files: Path


def at(run: Path, folder: Path) -> Workspace:
    """The workspace in this folder of a run."""
    box = folder / "work"
    return Workspace(
        run=run,
        folder=folder,
        uploads=run / ".uploads",
        logs=folder / "logs",
        records=folder / "steps.jsonl",
        box=box,
        checkout=box / "tree",
        home=box / "home",
        temp=box / "temp",
        files=box / "files",
    )


def workspace(home: Path, run: str, key: str) -> Workspace:
    """The folders' names; nothing is made. Raises Invalid (`bad-name`)."""
    if not _RUN.fullmatch(run) or not _KEY.fullmatch(key):
        raise Invalid(f"{run[:80]!r}, {key[:80]!r} cannot name a run and a job", code="bad-name")
    folder = home.resolve() / "runs" / run
    return at(folder, folder / key)


def make_anew(place: Workspace) -> None:
    """Remove what an earlier attempt left and make the folders, empty. Raises Failed
    (`storage-full`).
    """
    try:
        if place.folder.exists():
            remove(place.folder)
        make(place)
    except OSError as error:
        raise Failed(
            f"the workspace {place.folder} cannot be made", why=str(error), code="storage-full"
        ) from error


def keep_try(place: Workspace, tries: int) -> None:
    """Move logs and boundaries of the job's try before this one aside, where people find them;
    nothing for none. Again after a crash, it changes nothing. Raises Failed (`storage-full`).
    """
    if tries < 1:
        return
    aside = earlier(place, tries)
    try:
        aside.folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        for found, kept in ((place.logs, aside.logs), (place.records, aside.records)):
            if found.exists() and not kept.exists():
                found.rename(kept)
    except OSError as error:
        raise Failed(
            f"the logs of {place.folder} cannot be kept", why=str(error), code="storage-full"
        ) from error


def earlier(place: Workspace, tries: int) -> Workspace:
    """Where the logs of a job's try before the last one are; the first is 1."""
    return at(place.run, place.run / ".tries" / place.folder.name / str(tries))


def make(place: Workspace) -> None:
    """Make what is missing of the folders."""
    place.folder.mkdir(parents=True, exist_ok=True, mode=0o755)
    for folder in (
        *(place.box, place.checkout, place.home, place.temp, place.files),
        place.logs,
    ):
        folder.mkdir(exist_ok=True, mode=0o755)


def fresh_names(place: Workspace) -> Iterator[str]:
    """Names for scripts and environment files that nothing of an interrupted run has."""
    heads = (re.match("[0-9]+", name) for name in os.listdir(place.files))  # noqa: PTH208
    return map(str, itertools.count(max((int(h.group()) + 1 for h in heads if h), default=0)))


@contextlib.contextmanager
def locked(place: Workspace) -> Iterator[int]:
    """Hold the job's lock; what is left of an earlier process is waited for. Gives the descriptor.

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
            time.sleep(0.005)
        else:
            return


def open_regular(path: Path) -> BinaryIO:
    """Open a file that a step could have replaced by a link or a pipe. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return os.fdopen(descriptor, "rb")
