"""One instance's folder and its shim, seen from the target. Called by target.py.

A slot is home/instances/ENVIRONMENT/SERVICE/INSTANCE. Whether its shim lives is asked of the kernel
(who holds `lock`?), never believed from a file: a pid in a file may be somebody else's by now.
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headway.adapters.local import limits, shim
from headway.adapters.local.wanted import MARK
from headway.model.errors import Failed

_FLOCK = "hhqqi"  # struct flock, fcntl(2), on 64-bit Linux
_LAUNCH_SECONDS = 20.0
_END_SECONDS = 10.0  # what a shim may need beyond the grace


@dataclass(frozen=True, slots=True)
class Slot:
    """`folder` names it; everything else is on disk."""

    folder: Path

    @property
    def id(self) -> str:
        """The instance's id, `RELEASE-N`."""
        return self.folder.name

    @property
    def number(self) -> int:
        """N."""
        return int(self.id.rpartition("-")[2])

    def spec(self) -> dict[str, Any]:
        """What is wanted; empty if the slot was never completed."""
        return _read(self.folder / "spec.json")

    def state(self) -> dict[str, Any]:
        """What the shim last wrote; empty if it never did."""
        return _read(self.folder / "state.json")

    def write(self, spec: dict[str, Any]) -> None:
        """Say what is wanted."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        shim.write_json(str(self.folder / "spec.json"), spec)

    def holder(self) -> int:
        """The pid of the living shim, else 0."""
        with contextlib.suppress(FileNotFoundError):
            fd = os.open(self.folder / "lock", os.O_RDWR)
            try:
                asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
                kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(fd, fcntl.F_GETLK, asked))
                return int(pid) if kind != fcntl.F_UNLCK else 0
            finally:
                os.close(fd)
        return 0


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return found if isinstance(found, dict) else {}


@contextlib.contextmanager
def _link(slot: Slot, timeout: float) -> Iterator[socket.socket]:
    """A connection to the shim. By way of /proc, since a socket's path has at most 107 bytes."""
    folder = os.open(slot.folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(timeout)
            link.connect(f"/proc/self/fd/{folder}/sock")
            yield link
    finally:
        os.close(folder)


def _answer(link: socket.socket, request: dict[str, object]) -> dict[str, Any]:
    link.sendall((json.dumps(request) + "\n").encode())
    data = b""
    while not data.endswith(b"\n"):
        if not (chunk := link.recv(65536)):
            raise ConnectionResetError
        data += chunk
    answer = json.loads(data)
    assert isinstance(answer, dict)
    return answer


def ask(slot: Slot, do: str = "status", timeout: float = 2.0) -> dict[str, Any] | None:
    """The shim's state, after `do` (status, reload). None: no answer."""
    try:
        with _link(slot, timeout) as link:
            return _answer(link, {"do": do})
    except (OSError, ValueError):
        return None


def start(slots: list[Slot]) -> None:
    """Launch a shim for each, together; returns when each answers. One that has a shim already
    keeps it. Raises Failed (`shim-start`).
    """
    launched = []
    for slot in slots:
        if not slot.holder():
            clear(slot)
        launched.append((slot, _launch(slot)))
    failed = [slot for slot, process in launched if not _launched(process)]
    for slot in failed:
        said = (slot.folder / "shim.err").read_text(errors="replace").strip()
        why = said.splitlines()[-1] if said else "its launcher ended without a word"
        raise Failed(f"instance {slot.id} could not be started", why=why, code="shim-start")


def _launched(process: subprocess.Popen[bytes]) -> bool:
    try:
        return process.wait(_LAUNCH_SECONDS) in (0, shim.EXIT_TAKEN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False


def _launch(slot: Slot) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", "-S", shim.__file__, str(slot.folder)]
    with (slot.folder / "shim.err").open("wb") as errors:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env={},
            start_new_session=True,
        )


def stop(slots: list[Slot]) -> None:
    """End the instances, all at once, and forget them; returns when nothing of them is left."""
    ends = [(slot, ask_end(slot)) for slot in slots]
    for slot, until in ends:
        while slot.holder() and time.monotonic() < until:
            time.sleep(0.01)
        _kill(slot)
        forget(slot)


def ask_end(slot: Slot) -> float:
    """Mark the slot unwanted and tell its shim; gives the (monotonic) time it must be gone by."""
    spec = slot.spec()
    if spec["wanted"]:
        slot.write(spec | {"wanted": False})
    pid, grace = slot.holder(), float(spec["stop_grace_seconds"])
    if pid:
        request = {"do": "stop", "grace": grace, "signal": spec["stop_signal"]}
        try:
            with _link(slot, 2.0) as link:
                _answer(link, request)
        except (OSError, ValueError):
            _signal(pid, signal.SIGTERM)  # it means the same
    return time.monotonic() + grace + _END_SECONDS


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _kill(slot: Slot) -> None:
    """A shim that did not end when asked is killed; its application dies with it."""
    while pid := slot.holder():
        _signal(pid, signal.SIGKILL)
        time.sleep(0.01)


def forget(slot: Slot) -> None:
    """Remove the slot and what a dead shim left behind. Needs: no living shim."""
    clear(slot)
    limits.forget(slot.spec().get("cgroups", []))
    shutil.rmtree(slot.folder)


def clear(slot: Slot) -> None:
    """Kill what a dead shim left behind. A shim that just took the slot keeps what it started: it
    takes the lock first, so what was found before the lock is seen free is nobody's.
    """
    cgroups = slot.spec().get("cgroups", [])
    while (left := _left(slot, cgroups)) and not slot.holder():
        for pid in left:
            _signal(pid, signal.SIGKILL)
        time.sleep(0.005)


def _left(slot: Slot, cgroups: list[str]) -> set[int]:
    """Living processes of the instance: in its cgroups, or started with its mark."""
    mark = f"{MARK}={slot.folder}".encode()
    found = limits.members(cgroups)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.add(int(entry.name))
    return {pid for pid in found if (fields := shim.proc_stat(pid)) and fields[0] not in "ZX"}
