"""`services:` of a job: containers through podman, else the servers installed on this machine.

The runner calls `check` before anything of the job runs, `start` before its first step, and `stop`
after its last. Servers are started inside the job's sandbox, so that they die with it whatever
happens; their data lies in a folder of the job, so that a job that goes on after a crash finds it.
"""

import contextlib
import fcntl
import json
import os
import socket
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from headway.adapters.linux.actions import native
from headway.adapters.linux.actions.acting import Hands
from headway.adapters.linux.actions.containers import has_podman, run_service, stop_service
from headway.adapters.linux.actions.inside import remove
from headway.adapters.linux.actions.room import Room
from headway.adapters.linux.actions.service_images import Wish, native_fault, wishes
from headway.model.errors import Failed, Refused

PATIENCE_SECONDS = 600.0
LINGER_SECONDS = 3.0


def check(services: Mapping[str, Any], container: Any) -> None:
    """Raises Refused, naming what is missing: `no-podman`, `no-server`, `bad-service`.

    What still holds `${{ }}` is checked when it is started.
    """
    if container:
        raise Refused(
            "the job has `container:`, and steps inside a container are not done here",
            next="leave `container:` out, and set up the tools with steps",
            code="no-container",
        )
    if "${{" not in json.dumps(services, default=str):
        for wish in wishes(services):
            _check(wish)


def _check(wish: Wish) -> None:
    if has_podman():
        return
    if fault := native_fault(wish):
        raise Refused(
            f"the service `{wish.name}` cannot be started: {fault}, and podman is not installed",
            why=f"without podman there are {' and '.join(native.PROVIDERS)}",
            next="install podman and runc",
            code="no-podman",
        )
    native.find(wish)


class Services:
    """The services of one job. `folder` is the job's own; `network`: False: the job is cut off,
    and with it every port is free.
    """

    def __init__(self, folder: Path, hands: Hands, env: dict[str, str], *, network: bool) -> None:
        self._folder, self._hands, self._env, self._network = folder, hands, env, network
        self._held = contextlib.ExitStack()
        self._containers: list[str] = []

    def start(self, services: Mapping[str, Any]) -> dict[str, Any]:
        """Start them and wait until they answer; gives `job.services`.

        `{NAME: {"id", "network", "ports": {"5432": "49153"}}}`. Raises Refused, Failed
        (`service-failed`, `port-taken`).
        """
        try:
            return {wish.name: self._start(wish) for wish in wishes(services)}
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop what was started, wipe its data, give the ports back. Twice does no harm."""
        for name in self._containers:
            stop_service(name, self._room(self._folder))
        self._containers.clear()
        for folder in self._folder.glob("*") if self._folder.is_dir() else ():
            native.stop(self._room(folder))
            remove(folder)
        self._held.close()

    def _room(self, folder: Path) -> Room:
        return Room(folder, self._hands, self._env)

    def _start(self, wish: Wish) -> dict[str, Any]:
        _check(wish)
        folder = self._folder / wish.name
        folder.mkdir(parents=True, exist_ok=True)
        inner = wish.ports or (((0, native.port(wish)),) if wish.kind else ())
        ports = {inside: self._port(folder, outside, inside) for outside, inside in inner}
        if has_podman():
            self._containers.append(run_service(wish, ports, self._room(folder)))
        else:
            self._native(wish, folder, ports)
        shown = {str(inside): str(outside) for inside, outside in ports.items()}
        return {"id": f"{wish.name}-{os.getpid()}", "network": "host", "ports": shown}

    def _native(self, wish: Wish, folder: Path, ports: dict[int, int]) -> None:
        provider = native.find(wish)
        own = native.port(wish)
        if set(ports) - {own}:
            raise Failed(
                f"the service `{wish.name}` listens at {own} only",
                why=f"`ports` names {', '.join(str(p) for p in sorted(set(ports) - {own}))}",
                code="service-failed",
            )
        if wish.major and wish.major != provider.major:
            self._hands.say(
                f"::warning::{wish.image} is asked for; {wish.kind} {provider.major} is here"
            )
        code = provider.start(wish, self._room(folder), ports[own])
        if code:
            raise Failed(
                f"the service `{wish.name}` did not start (exit {code})",
                why=native.last_words(folder),
                code="service-failed",
            )
        self._hands.say(f"service {wish.name}: {wish.kind} on 127.0.0.1:{ports[own]}")

    def _port(self, folder: Path, wanted: int, inside: int) -> int:
        """The port outside: as before a crash, else the wanted one, else a free one."""
        note = folder / f"port-{inside}"
        before = int(note.read_text()) if note.is_file() else 0
        port = wanted or before
        if port and self._network:
            port = self._take(port, wanted)
        port = port or _free()
        note.write_text(str(port))
        return port

    def _take(self, port: int, wanted: int) -> int:
        """Wait for a port that another job here holds. 0: it is not free, another will do."""
        place = Path(tempfile.gettempdir()) / f"headway-ports-{os.getuid()}"
        place.mkdir(mode=0o700, exist_ok=True)
        lock = self._held.enter_context((place / str(port)).open("a"))
        if not _until(PATIENCE_SECONDS, lambda: _locked(lock.fileno())):
            raise _taken(port)
        # What a killed server leaves behind may hold its port for a moment.
        if _until(LINGER_SECONDS, lambda: _is_free(port)):
            return port
        if wanted:
            raise _taken(port)
        return 0


def _until(seconds: float, done: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def _taken(port: int) -> Failed:
    return Failed(
        f"port {port} is taken on this machine",
        why="a service with `ports: [A:B]` needs port A",
        next="write only B, and read the port from `job.services.NAME.ports['B']`",
        code="port-taken",
    )


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
