"""One program per place that runs detached, is told what to do by a file, and tells by another.

Called by differ and player. The program outlives the server; it holds a flock(2) on `alive.lock`
that it inherited at birth, so "does it live?" is a question to the kernel. It ends by itself when
`wanted.json` says so or is gone. Files are replaced by renaming: killed at any point, the former or
the new content is there.
"""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from headway.model.errors import Drifted, Failed, Unreachable

Json = dict[str, Any]
_WITHIN_SECONDS = 15.0


class Beside:
    """The program `module` (run as `python -m module FOLDER`) of one place."""

    def __init__(self, folder: Path, module: str) -> None:
        self.folder = folder
        self._module = module

    def order(self, generation: int, content: Json) -> None:
        """Tell it what to do, start it if it does not run, and wait until it says that it does.

        Raises Drifted (`stale-generation`), Failed (`beside-died`), Unreachable (`beside-silent`).
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._locked():
            wanted = {"generation": generation, "stopped": False, "content": content}
            former = read_json(self.folder / "wanted.json")
            _fence(former, wanted)
            if former != wanted:
                replace(self.folder / "wanted.json", wanted)
            self._start()

    def stop(self, generation: int) -> None:
        """Tell it to end and wait for it; what does not listen is killed, with all it started."""
        if not self.folder.exists():
            return
        with self._locked():
            former = read_json(self.folder / "wanted.json")
            if former is None:
                return
            wanted = {"generation": generation, "stopped": True, "content": {}}
            _fence(former, wanted)
            replace(self.folder / "wanted.json", wanted)
            self._end()

    def told(self) -> Json | None:
        """What it told last, of the order in force; None if nothing. Starts it again if it died."""
        wanted = read_json(self.folder / "wanted.json")
        if wanted is None or wanted["stopped"]:
            return None
        if not self._alive():
            with self._locked():
                if read_json(self.folder / "wanted.json") == wanted:
                    self._start()
        return read_json(self.folder / "told.json")

    def _start(self) -> None:
        self._spawn_unless_alive()
        deadline = time.monotonic() + _WITHIN_SECONDS
        while not (self.folder / "ready").exists():
            if not self._alive():
                raise Failed(
                    f"{self._module} ended as it started", why=self._log(), code="beside-died"
                )
            if time.monotonic() > deadline:
                raise self._silent("it runs, but is not ready")
            time.sleep(0.01)

    def _spawn_unless_alive(self) -> None:
        fd = os.open(self.folder / "alive.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not _try_lock(fd):
                return
            self._kill()  # what a killed program may have left behind
            for left in ("ready", "told.json"):
                (self.folder / left).unlink(missing_ok=True)
            with (self.folder / "log").open("wb") as log:
                child = subprocess.Popen(
                    [sys.executable, "-I", "-m", self._module, str(self.folder)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd="/",
                    env={"LANG": "C.UTF-8", "PATH": os.environ.get("PATH", os.defpath)},
                    start_new_session=True,
                    pass_fds=(fd,),
                )
            threading.Thread(target=child.wait, daemon=True).start()  # no zombie
        finally:
            os.close(fd)

    def _end(self) -> None:
        deadline = time.monotonic() + _WITHIN_SECONDS
        while self._alive():
            if time.monotonic() > deadline:
                self._kill()
            time.sleep(0.02)
        self._kill()

    def _kill(self) -> None:
        """Every process that carries this folder's mark: the program, and what it started.

        Looked for again until there is none: a dying one may just have begun another.
        """
        mark = os.fsencode(str(self.folder))
        deadline = time.monotonic() + _WITHIN_SECONDS
        while found := [
            e for e in Path("/proc").iterdir() if e.name.isdigit() and _marked(e, mark)
        ]:
            if time.monotonic() > deadline:
                raise self._silent(f"{len(found)} processes do not die")
            for entry in found:
                with suppress(ProcessLookupError):
                    os.kill(int(entry.name), signal.SIGKILL)
            time.sleep(0.01)

    def _alive(self) -> bool:
        fd = os.open(self.folder / "alive.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            return not _try_lock(fd)
        finally:
            os.close(fd)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fd = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + 2 * _WITHIN_SECONDS
            while not _try_lock(fd):
                if time.monotonic() > deadline:
                    raise self._silent("another process is telling it something")
                time.sleep(0.01)
            yield
        finally:
            os.close(fd)

    def _silent(self, why: str) -> Unreachable:
        return Unreachable(
            f"{self._module} does not answer",
            why=f"{self.folder}: {why}",
            next=f"see {self.folder / 'log'}",
            code="beside-silent",
        )

    def _log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")[-500:]


MARK = "HEADWAY_BESIDE"


def _marked(entry: Path, mark: bytes) -> bool:
    """The program by its last argument, what it started by its environment."""
    try:
        words = (entry / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        if words[-1] == mark and b"-m" in words:
            return True
        return MARK.encode() + b"=" + mark in (entry / "environ").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False


def _fence(former: Json | None, wanted: Json) -> None:
    """One generation names one content."""
    if former is None or wanted["generation"] > former["generation"] or former == wanted:
        return
    raise Drifted(
        "What runs beside the rollout was told something newer",
        why=f"generation {former['generation']} was told, this is {wanted['generation']}",
        code="stale-generation",
    )


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def replace(path: Path, content: Json) -> None:
    """Write under a temporary name, then rename over `path`."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(msgspec.json.encode(content))
    temporary.replace(path)


def read_json(path: Path) -> Json | None:
    """The file's object, or None if there is no such file."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    found: Json = msgspec.json.decode(text)
    return found


class Wanted:
    """Inside the program: what it is told, looked up again whenever the file changed."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "wanted.json"
        self._seen = 0
        self._content: Json | None = None

    def now(self) -> Json | None:
        """The content of the order in force; None: end."""
        try:
            changed = self._file.stat().st_mtime_ns
        except FileNotFoundError:
            return None
        if changed != self._seen:
            found = read_json(self._file)
            self._content = None if found is None or found["stopped"] else found["content"]
            self._seen = changed
        return self._content


def epoch() -> str:
    """This life of the program: its pid and its begin in clock ticks since boot (proc(5))."""
    stat = Path("/proc/self/stat").read_text()
    return f"{os.getpid()}-{stat.rpartition(')')[2].split()[19]}"
