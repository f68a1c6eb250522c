"""The program that plays journeys, one at a time, for each release in turn.

Run by player as `python -m headway.adapters.beside.play FOLDER`. A journey is a program of the
repository in a clean checkout; it gets a closed environment and a process group of its own, which
is killed when its time is over and when this program is told to end.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO

from headway.adapters.beside.process import MARK, Json, Wanted, epoch, replace

_TAIL_BYTES = 400
_LAUNCH = (
    'f="$1"; if [ -x "$f" ]; then exec "$f"; fi; case "$f" in *.py) exec python3 "$f";; esac; '
)
_LAUNCH += 'exec sh "$f"'


class Player:
    """Counts of every journey and release since it was told of that commit and those releases."""

    def __init__(self, folder: Path) -> None:
        self.wanted = Wanted(folder)
        self._folder = folder
        self._told: Json = {}
        self._of: Json = {}

    def round(self, wanted: Json) -> None:
        """Every program once for every release."""
        if self._of != _subject(wanted):
            self._of = _subject(wanted)
            life = f"{epoch()}-{time.monotonic_ns()}"
            self._told = {"epoch": life, "counts": {f: {} for f in wanted["files"]}, "last": {}}
        for file in wanted["files"]:
            for release in wanted["releases"]:
                problem = self._play(wanted, file, release)
                if problem is None or self.wanted.now() is None:
                    return  # told to end: how this one ended says nothing
                self._count(file, release, problem)

    def _count(self, file: str, release: str, problem: str) -> None:
        bad, total = self._told["counts"][file].get(release, (0, 0))
        self._told["counts"][file][release] = (bad + bool(problem), total + 1)
        if problem:
            self._told["last"][file] = f"{release}: {problem}"
        replace(self._folder / "told.json", self._told)

    def _play(self, wanted: Json, file: str, release: str) -> str | None:
        """Why it failed, empty if it did not; None if it was told to end meanwhile."""
        with (self._folder / "journey.log").open("w+b") as log:
            child = subprocess.Popen(
                ["sh", "-c", _LAUNCH, "sh", f"./{file}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=wanted["checkout"],
                env=self._environment(wanted, release),
                start_new_session=True,
            )
            try:
                code = self._ended(child, wanted["timeout_seconds"])
            finally:
                _end(child)
            if code is None:
                return None if self.wanted.now() is None else "it did not end in time"
            return "" if code == 0 else f"exit {code}: {_tail(log)}"

    def _ended(self, child: "subprocess.Popen[bytes]", seconds: float) -> int | None:
        deadline = time.monotonic() + seconds
        while (code := child.poll()) is None:
            if time.monotonic() > deadline or self.wanted.now() is None:
                return None
            time.sleep(0.02)
        return code

    def _environment(self, wanted: Json, release: str) -> dict[str, str]:
        found = {
            "PATH": wanted["path"],
            "HOME": str(self._folder / "tmp"),
            "TMPDIR": str(self._folder / "tmp"),
            "LANG": "C.UTF-8",
            "HEADWAY_URL": wanted["url"],
            "HEADWAY_RELEASE": release,
            "HEADWAY_TEST_HEADER": f"{wanted['header']}: {release}",
            MARK: str(self._folder),
        }
        return found | ({"HEADWAY_HOST": wanted["host"]} if wanted["host"] else {})


def _subject(wanted: Json) -> Json:
    return {name: wanted[name] for name in ("sha", "files", "releases")}


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Nothing of the journey stays."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _tail(log: BinaryIO) -> str:
    """The last printable words."""
    size = os.fstat(log.fileno()).st_size
    raw = os.pread(log.fileno(), _TAIL_BYTES, max(0, size - _TAIL_BYTES))
    text = " ".join(raw.decode("utf-8", "replace").split())
    return "".join(c if c.isprintable() else "?" for c in text)


def main(folder: Path) -> None:
    """Until told to end."""
    player = Player(folder)
    shutil.rmtree(folder / "tmp", ignore_errors=True)
    (folder / "tmp").mkdir(mode=0o700)
    (folder / "ready").touch()
    while (wanted := player.wanted.now()) is not None:
        began = time.monotonic()
        player.round(wanted)
        while time.monotonic() < began + wanted["every_seconds"]:
            if player.wanted.now() is None:
                return
            time.sleep(0.05)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
