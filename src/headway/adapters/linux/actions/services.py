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
from headway.adapters.linux.actions.engine import engine, refusal
from headway.adapters.linux.actions.image_options import NotUnderstood, options
from headway.adapters.linux.actions.inside import remove
from headway.adapters.linux.actions.job_container import Asked, Enclosure, Places, enclose, hosts
from headway.adapters.linux.actions.pod import Image, Pod
from headway.adapters.linux.actions.room import Room
from headway.adapters.linux.actions.service_container import Numbered, run_service
from headway.adapters.linux.actions.service_images import Wish, container, native_fault, wishes
from headway.model.errors import Failed, Refused
from headway.model.job import JobOrder

Ports = tuple[tuple[int, int], ...]
PATIENCE_SECONDS = 600.0
LINGER_SECONDS = 3.0


def check(order: JobOrder, home: Path) -> None:
    """Raises Refused, naming what is missing: `no-podman`, `no-server`, `bad-service`.

    What still holds `${{ }}` is checked when it is started.
    """
    if order.container and "${{" not in json.dumps(order.container, default=str):
        if wish := container(order.container):
            _check_options(wish, order)
            engine(home, "`container:`", network=order.network)
    elif order.container and (lacking := refusal("`container:`", network=order.network)):
        raise lacking
    if "${{" not in json.dumps(order.services, default=str):
        for wish in wishes(order.services):
            _check(wish, order, home)


def _check(wish: Wish, order: JobOrder, home: Path) -> None:
    try:
        engine(home, f"the service `{wish.name}`", network=order.network)
    except Refused as error:
        lacking = error
    else:
        _check_options(wish, order)
        return
    fault = "the job has `container:`" if order.container else native_fault(wish)
    if fault:
        raise Refused(
            f"the service `{wish.name}` cannot be started: {fault}; {lacking}",
            why=f"without containers there are {' and '.join(native.PROVIDERS)}",
            next=lacking.next,
            code="no-podman",
        )
    native.find(wish)


def _check_options(wish: Wish, order: JobOrder) -> None:
    try:
        volumes = tuple(f"--volume={each}" for each in wish.volumes)
        options((*wish.options, *volumes), trusted=order.trusted)
    except NotUnderstood as error:
        named = "container" if wish.name == "container" else f"service `{wish.name}`"
        raise Refused(f"the {named} cannot be started: {error}", code="bad-service") from error


class Services:
    """The services of one job, and its container. `folder` is the job's own."""

    def __init__(self, folder: Path, hands: Hands, env: dict[str, str], order: JobOrder) -> None:
        self._folder, self._hands, self._env, self._order = folder, hands, env, order
        self._held = contextlib.ExitStack()

    def start(self, services: Mapping[str, Any], pod: Pod | None) -> dict[str, Any]:
        """Start them and wait until they answer; gives `job.services`. `pod`: where containers
        are, opened if it is needed; None: there are none here.

        `{NAME: {"id", "network", "ports": {"5432": "49153"}}}`. Raises Refused, Failed
        (`service-failed`, `port-taken`, `no-image`).
        """
        try:
            asked = wishes(services)
            if pod is None:
                return {wish.name: self._native(wish) for wish in asked}
            images = self._images(asked, pod)
            names = _names(tuple(wish for wish in asked if wish.name in images))
            pod.hosts = tuple(hosts(names))
            return {
                wish.name: self._contained(wish, pod, images[wish.name], names)
                if wish.name in images
                else self._native(wish)
                for wish in asked
            }
        except BaseException:
            self.stop()
            raise

    def enclose(
        self, given: Any, pod: Pod, places: Places, services: Mapping[str, Any]
    ) -> Enclosure | None:
        """Start the job's container; None if its image is empty. Raises Refused, Failed."""
        wish = container(given)
        if wish is None:
            return None
        _check_options(wish, self._order)
        if wish.credentials:
            self._hands.mask(wish.credentials[1])
        pod.open(self._hands, bridged=True)
        room = self._room(self._folder / ".container")
        room.folder.mkdir(parents=True, exist_ok=True)
        ports = {inside: self._port(room.folder, outside, inside) for outside, inside in wish.ports}
        asked = Asked(wish, ports, _names(wishes(services)))
        return enclose(asked, pod, room, places, trusted=self._order.trusted)

    def stop(self) -> None:
        """Stop what was started, wipe its data, give the ports back. Twice does no harm."""
        for folder in self._folder.glob("*") if self._folder.is_dir() else ():
            native.stop(self._room(folder))
            remove(folder)
        self._held.close()

    def _room(self, folder: Path) -> Room:
        return Room(folder, self._hands, self._env)

    def _place(self, wish: Wish, wanted: Ports) -> tuple[Room, dict[int, int]]:
        """A folder of its own, and its ports, inside to outside."""
        folder = self._folder / wish.name
        folder.mkdir(parents=True, exist_ok=True)
        ports = {inside: self._port(folder, outside, inside) for outside, inside in wanted}
        return self._room(folder), ports

    def _images(self, asked: tuple[Wish, ...], pod: Pod) -> dict[str, Image]:
        """Those that are here or can be pulled, by service; the pod is open if there are any."""
        found: dict[str, Image] = {}
        for wish in asked:
            _check_options(wish, self._order)
            if wish.credentials:
                self._hands.mask(wish.credentials[1])
            try:
                found[wish.name] = pod.image(wish.image, self._hands, wish.credentials)
            except Failed:
                if self._order.container or not _served(wish):
                    raise
                said = f"{wish.image} cannot be had; {wish.kind} of this machine serves instead"
                self._hands.warn(f"{said}")
        if found:
            pod.open(self._hands, bridged=True)
        return found

    def _contained(
        self, wish: Wish, pod: Pod, image: Image, names: dict[str, int]
    ) -> dict[str, Any]:
        room, ports = self._place(wish, wish.ports)
        others = {name: number for name, number in names.items() if number != names[wish.name]}
        asked = Asked(wish, ports, others)
        numbered = Numbered(asked, image, names[wish.name])
        id = run_service(numbered, pod, room, trusted=self._order.trusted)
        shown = {str(inside): str(outside) for inside, outside in ports.items()}
        where = ", ".join(f"{i} at 127.0.0.1:{o}" for i, o in ports.items())
        self._hands.say(f"service {wish.name}: {wish.image}{', port ' if where else ''}{where}")
        return {"id": id, "network": "job", "ports": shown}

    def _native(self, wish: Wish) -> dict[str, Any]:
        if fault := native_fault(wish):
            raise Refused(f"the service `{wish.name}` cannot be started: {fault}", code="no-podman")
        native.find(wish)
        room, ports = self._place(wish, wish.ports or ((0, native.port(wish)),))
        self._serve(wish, room.folder, ports)
        shown = {str(inside): str(outside) for inside, outside in ports.items()}
        return {"id": f"{wish.name}-{os.getpid()}", "network": "host", "ports": shown}

    def _serve(self, wish: Wish, folder: Path, ports: dict[int, int]) -> None:
        provider = native.find(wish)
        own = native.port(wish)
        if set(ports) - {own}:
            raise Failed(
                f"the service `{wish.name}` listens at {own} only",
                why=f"`ports` names {', '.join(str(p) for p in sorted(set(ports) - {own}))}",
                code="service-failed",
            )
        if wish.major and wish.major != provider.major:
            self._hands.warn(f"{wish.image} is asked for; {wish.kind} {provider.major} is here")
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
        if port and self._order.network:
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


def _served(wish: Wish) -> bool:
    """Whether a server of this machine can stand for the image."""
    try:
        return not native_fault(wish) and bool(native.find(wish))
    except Refused:
        return False


def _names(asked: tuple[Wish, ...]) -> dict[str, int]:
    """The number of each service's container by its names."""
    found = {wish.name: number for number, wish in enumerate(asked)}
    for number, wish in enumerate(asked):
        with contextlib.suppress(NotUnderstood):  # said by _check_options
            found |= dict.fromkeys(options(wish.options, trusted=False).aliases, number)
    return found


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
