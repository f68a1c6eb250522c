"""Podman on this machine: what is missing, and which runtime works with which limits.

Whether a runtime works shows only when it is tried (control groups, rlimits and namespaces decide),
so that each is tried once, and what works is noted in HOME/containers/engine.json until one of the
programs changes. Called by services, containers and pod.
"""

import json
import os
import platform
import resource
import shutil
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from headway.model.errors import Refused

RUNTIMES = ("crun", "runc", "youki")
PROBE_SECONDS = 60
_LIMITS = (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC))
_MOUNTED = ("/usr", "/bin", "/lib", "/lib64")


@dataclass(frozen=True, slots=True)
class Engine:
    """How podman is called so that containers start. `images` is the machine's image store, read by
    all jobs; `driver` its kind. `known` tells whether the programs are still the same.
    """

    program: str
    runtime: str
    limits: tuple[str, ...]
    driver: str
    images: str
    known: str

    def shared(self) -> list[str]:
        """Podman on the machine's own store: images are pulled and built there."""
        return [self.program, "--runtime", self.runtime, "--events-backend", "none"]


def has_podman() -> str:
    """Where podman is, or empty."""
    return _which("podman")


def refusal(what: str, *, network: bool) -> Refused | None:
    """Why no container can run here; None if nothing is known to be missing. `network`: whether the
    containers are to reach the world.
    """
    packages = {"podman": "podman", "nsenter": "util-linux", "unshare": "util-linux"}
    if network:
        packages["slirp4netns"] = "slirp4netns"
    missing = [name for name in packages if not _which(name)]
    if missing:
        install = " ".join(dict.fromkeys(packages[name] for name in missing))
        also = " runc" if "podman" in missing else ""
        named = "podman" if "podman" in missing else missing[0]
        return Refused(
            f"{what} needs a container, and {named} is not installed here",
            next=f"apt-get install {install}{also}",
            code="no-podman",
        )
    if os.geteuid():
        return Refused(
            f"{what} needs a container, and Headway does not run as root here",
            why="containers of jobs share a network namespace that only root can set up",
            next="run Headway, or a worker for such jobs, as root",
            code="no-podman",
        )
    return None


def engine(home: Path, what: str, *, network: bool) -> Engine:
    """What works here, tried once. Raises Refused (`no-podman`)."""
    if lacking := refusal(what, network=network):
        raise lacking
    note = home / "containers" / "engine.json"
    known = _known()
    found = _noted(note, known)
    if found is None:
        found = _probed(what, known)
        note.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = note.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(asdict(found)), "utf-8")
        fresh.replace(note)
    return found


def _which(program: str) -> str:
    path = os.environ.get("PATH") or os.defpath
    return shutil.which(program, path=f"{path}:/usr/sbin:/sbin") or ""


def _known() -> str:
    """Changes when a program or the kernel does."""
    programs = [_which(name) for name in ("podman", *RUNTIMES)]
    stamps = [f"{each} {Path(each).stat().st_mtime_ns}" for each in programs if each]
    return " ".join([platform.release(), *stamps])


def _noted(note: Path, known: str) -> Engine | None:
    try:
        told = json.loads(note.read_text("utf-8"))
        found = Engine(**{**told, "limits": tuple(told["limits"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None  # not there, or of another version: it is found out anew
    return found if found.known == known else None


def _probed(what: str, known: str) -> Engine:
    podman = has_podman()
    asked = "{{.Store.GraphDriverName}}|{{.Store.GraphRoot}}|{{.Host.OCIRuntime.Name}}"
    told = _run([podman, "info", "--format", asked])
    said = told.stderr
    if told.returncode == 0:
        driver, images, default = told.stdout.strip().split("|")
        wanted = [*dict.fromkeys((default, *RUNTIMES))]
        for runtime in (found for name in wanted if (found := _which(name))):
            for limits in dict.fromkeys((_limits(), ())):
                tried = _try(podman, runtime, limits)
                if tried.returncode == 0:
                    return Engine(podman, runtime, limits, driver, images, known)
                said = tried.stderr
    raise Refused(
        f"{what} needs a container, and podman starts none here",
        why=said.strip()[-400:] or "there is no runtime",
        next="apt-get install runc, and see `podman run`",
        code="no-podman",
    )


def _limits() -> tuple[str, ...]:
    """What this process may have itself: without the right to raise limits, podman's own defaults
    fail.
    """
    flags: list[str] = []
    for name, kind in _LIMITS:
        _, hard = resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY:
            flags += ["--ulimit", f"{name}={hard}:{hard}"]
    return tuple(flags)


def _try(podman: str, runtime: str, limits: tuple[str, ...]) -> "subprocess.CompletedProcess[str]":
    """A container of this machine's own programs, in namespaces that end with it."""
    with tempfile.TemporaryDirectory(prefix="hwp") as folder:
        places = {name: f"{folder}/{name}" for name in ("top", "root", "run", "tmp")}
        Path(places["top"]).mkdir()
        mounts = [f"--volume={each}:{each}:ro" for each in _MOUNTED if Path(each).is_dir()]
        return _run(
            [
                *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"),
                *(podman, "--root", places["root"], "--runroot", places["run"]),
                *("--tmpdir", places["tmp"], "--events-backend", "none", "--runtime", runtime),
                *("run", "--rm", "--network", "none", *limits, *mounts),
                *("--rootfs", places["top"], "/bin/sh", "-c", "exit 0"),
            ]
        )


def _run(argv: list[str]) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            argv, capture_output=True, text=True, check=False, timeout=PROBE_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        return subprocess.CompletedProcess(argv, 124, "", f"{argv[0]}: {error}")
