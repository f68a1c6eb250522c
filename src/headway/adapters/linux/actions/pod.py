"""The containers of one job: a place for them that ends with the job, and calls into it.

Everything of them lives below one process of the job's sandbox, in a mount namespace and (unless
the job is cut off) a network namespace of their own, joined to the world by slirp4netns: when the
sandbox ends, also by `kill -9`, the kernel takes processes, mounts, addresses and packet filters
with it. What can be left are files and empty control groups; `sweep` removes those of jobs that do
not live any longer, when the next pod opens. Podman keeps its records in a store of the job, beside
the machine's image store, so that jobs never wait for or see each other. Called by services,
job_container and containers.
"""

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from headway.adapters.linux.actions import pod_groups
from headway.adapters.linux.actions.acting import Hands
from headway.adapters.linux.actions.engine import Engine
from headway.adapters.linux.actions.inside import remove
from headway.adapters.linux.actions.pod_scripts import CLOSE, OPEN, PULL
from headway.model.errors import Failed

BRIEF = Path("/run/headway-pods")
"""Short paths are needed for sockets; and there they are gone when the machine starts anew."""
SUBNET = "10.89.211.0/24"
NAMESERVER = "10.0.2.3"
OWN = "/bin/sh"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,400}")


def address(number: int) -> str:
    """That of the container with this number (from 0) in the job's network."""
    return f"10.89.211.{10 + number}"


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is here. `health`: it has a check of its own."""

    id: str
    path: str = ""
    health: bool = False


@dataclass(slots=True)
class Pod:
    """Of one job. `lock`: the file that is locked as long as anything of the job lives. `network`:
    whether the containers get a network namespace that reaches the world; else they use the
    sandbox's, which is cut off. `env`: of the machine's programs.
    `hosts`: flags that tell a container where the services are; `groups`: those that put it below
    the job's control group.
    """

    engine: Engine
    home: Path
    lock: Path
    env: dict[str, str]
    network: bool
    bridged: bool = False
    opened: bool = False
    made: bool = False
    hosts: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    _secrets: list[Path] = field(default_factory=list)

    @property
    def token(self) -> str:
        """Names the job's pod on this machine."""
        return hashlib.sha256(os.fsencode(self.lock)).hexdigest()[:16]

    @property
    def brief(self) -> Path:
        """Sockets, notes, podman's volatile state."""
        return BRIEF / self.token

    @property
    def store(self) -> Path:
        """What containers write, and job.json for `sweep`."""
        return self.home / "containers" / self.token

    def open(self, hands: Hands, *, bridged: bool) -> None:
        """Make the place, once. `bridged`: containers get addresses and names. Raises Failed
        (`no-containers`).
        """
        if self.opened:
            return
        self._make()
        self.opened = True
        self.bridged = bridged
        self._do(hands, OPEN, self._opening(bridged=bridged), "the job's containers have no place")
        own = (self.brief / "cgroup").read_text("utf-8")
        made = pod_groups.groups(own, self.token, self.engine.runtime)
        pod_groups.note(made, self.store)
        self.groups = made.flags

    def _make(self) -> None:
        """The folders, with what `sweep` needs to know; what dead jobs have left is removed."""
        if self.made:
            return
        sweep(self.home, self.lock)
        note = json.dumps({"lock": str(self.lock), "store": str(self.store)})
        for folder in (self.brief, self.store):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            (folder / "job.json").write_text(note, "utf-8")
        (self.brief / "conf").write_text(_CONF, "utf-8")
        self.made = True

    def _opening(self, *, bridged: bool) -> dict[str, str]:
        known = {"HEADWAY_NET": "--net" if bridged and self.network else ""}
        known["HEADWAY_RUNTIME"] = Path(self.engine.runtime).name
        known["HEADWAY_SUBNET"] = SUBNET if bridged else ""
        return known

    def call(self, *words: str) -> list[str]:
        """Podman on the containers of this job."""
        return [OWN, str(self.brief / "podman"), *words]

    def limits(self) -> list[str]:
        """Flags for every container."""
        return [*self.engine.limits, *self.groups, *self.nameserver()]

    def nameserver(self) -> list[str]:
        """The world's names are asked of slirp4netns."""
        return ["--dns", NAMESERVER] if self.bridged and self.network else []

    def image(self, name: str, hands: Hands, credentials: tuple[str, str] | None = None) -> Image:
        """The image, pulled if it is not here. Raises Failed (`no-image`)."""
        if not _NAME.fullmatch(name):
            raise Failed(f"{name[:120]!r} names no image", code="no-image")
        whole = qualified(name)
        self._make()
        auth = self._auth(whole, credentials) if credentials else ""
        known = {"HEADWAY_IMAGE": name, "HEADWAY_WHOLE": whole, "HEADWAY_AUTH": auth}
        try:
            self._do(hands, PULL, known, f"the image {name[:120]} cannot be had", "no-image")
        finally:
            self.forget()
        return _image((self.brief / "image").read_bytes(), name)

    def forget(self) -> None:
        """Remove what was written of passwords."""
        while self._secrets:
            self._secrets.pop().unlink(missing_ok=True)

    def published(self, ports: Mapping[int, int]) -> list[str]:
        """Flags that publish ports, inside to outside; `publish` must follow."""
        at = "" if self.network else "127.0.0.1:"
        return [f"--publish={at}{outside}:{inside}" for inside, outside in ports.items()]

    def publish(self, ports: Mapping[int, int]) -> None:
        """What comes to those ports of 127.0.0.1 goes to the pod. Raises Failed (`port-taken`)."""
        for outside in ports.values() if self.network else ():
            self._forward(outside)

    def _forward(self, outside: int) -> None:
        where = {"proto": "tcp", "host_addr": "127.0.0.1", "host_port": outside}
        order = {"execute": "add_hostfwd", "arguments": {**where, "guest_port": outside}}
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(10)
            try:
                channel.connect(str(self.brief / "api"))
                channel.sendall(json.dumps(order).encode())
                channel.shutdown(socket.SHUT_WR)
                answer = json.loads(channel.recv(4096))
            except (OSError, ValueError) as error:
                answer = {"error": {"desc": str(error)}}
        if "error" in answer:
            raise Failed(
                f"port {outside} of this machine cannot be joined to a container",
                why=str(answer["error"].get("desc"))[:200],
                code="port-taken",
            )

    def close(self, hands: Hands) -> None:
        """Kill the containers and remove what they were. Twice does no harm."""
        if not self.made:
            return
        self.forget()
        if self.opened:
            hands.run([OWN, "-c", CLOSE], self._known({}), Path("/"))
        self.opened = self.made = False
        _remove(self.store, self.brief)

    def _auth(self, image: str, credentials: tuple[str, str]) -> str:
        """The format is that of containers-auth.json(5)."""
        file = self.brief / "auth"
        self._secrets.append(file)
        registry = image.partition("/")[0]
        packed = base64.b64encode(":".join(credentials).encode()).decode()
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            json.dump({"auths": {registry: {"auth": packed}}}, opened)
        return str(file)

    def _known(self, more: Mapping[str, str]) -> dict[str, str]:
        engine = self.engine
        return {
            **self.env,
            "PATH": f"{self.env.get('PATH', os.defpath)}:/usr/sbin:/sbin",
            "HEADWAY_BRIEF": str(self.brief),
            "HEADWAY_STORE": str(self.store),
            "HEADWAY_PODMAN": engine.program,
            "HEADWAY_OCI": engine.runtime,
            "HEADWAY_DRIVER": engine.driver,
            "HEADWAY_IMAGES": engine.images,
            **more,
        }

    def _do(
        self,
        hands: Hands,
        script: str,
        known: dict[str, str],
        fault: str,
        code: str = "no-containers",
    ) -> None:
        if exit_code := hands.run([OWN, "-euc", script], self._known(known), self.brief):
            raise Failed(fault, why=f"exit code {exit_code}; see the log above", code=code)


def qualified(image: str) -> str:
    """The name with its registry, as Docker completes it ("Image reference", its documentation)."""
    first, slash, _ = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return image
    return f"docker.io/{image}" if slash else f"docker.io/library/{image}"


def _image(told: bytes, name: str) -> Image:
    try:
        found = json.loads(told)[0]
        config = found.get("Config") or {}
        env = dict(each.partition("=")[::2] for each in config.get("Env") or ())
        health = found.get("Healthcheck") or config.get("Healthcheck") or {}
        return Image(str(found["Id"]), env.get("PATH", ""), bool(health.get("Test")))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise Failed(
            f"podman says nothing that can be read of the image {name[:120]}", code="no-image"
        ) from error


def sweep(home: Path, own: Path) -> None:
    """Remove what dead jobs have left, and what an earlier process left of the job whose lock is
    `own`. Those that live are locked.
    """
    for note in (*BRIEF.glob("*/job.json"), *(home / "containers").glob("*/job.json")):
        try:
            told = json.loads(note.read_text("utf-8"))
            lock, store = Path(told["lock"]), Path(told["store"])
        except (OSError, ValueError, LookupError):
            continue  # being made, or being removed by another
        if lock == own or _is_free(lock):
            _remove(store, BRIEF / store.name)


def _is_free(lock: Path) -> bool:
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _remove(store: Path, brief: Path) -> None:
    pod_groups.forget(store)
    for folder in (brief, store):
        with contextlib.suppress(FileNotFoundError):
            remove(folder)


_CONF = """\
[engine]
lock_type = "file"
cgroup_manager = "cgroupfs"
events_logger = "none"
[containers]
log_driver = "k8s-file"
"""
