"""Limits of one instance: a cgroup with memory and cpu bounds, else rlimits. Called by target.py.

What this machine allows is found by trying, with a throw-away process: cgroup v2 with controllers,
cgroup v1, RLIMIT_DATA (memory only, per process). The cgroups are made here; the shim only moves
each application into them. Without limits a plain v2 cgroup is still made if it can be: by it, what
an application left behind is found even if it became a daemon and forgot its environment. File
names and formats: cgroups(7) and the kernel's cgroup-v1 and cgroup-v2 pages.
"""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_PERIOD_US = 100_000


@dataclass(frozen=True, slots=True)
class Limits:
    """`how`: limit asked for -> cgroup2, cgroup1, rlimit or none. `rlimit_data`: bytes, if used."""

    how: dict[str, str]
    cgroups: tuple[str, ...] = ()
    rlimit_data: int | None = None


def prepare(name: str, memory_bytes: int | None, cpu: float | None) -> Limits:
    """Make the cgroups called `name` for what is asked, by the best means that works here."""
    asked = _values(memory_bytes, cpu)
    both = {file: value for v2, _ in asked.values() for file, value in v2.items()}
    for parent in _parents_v2(controllers=bool(asked)):
        if _make(parent / name, both):
            return Limits(dict.fromkeys(asked, "cgroup2"), (str(parent / name),))
    how: dict[str, str] = {}
    made: list[str] = []
    for controller, (_, values) in asked.items():
        folder = next((p / name for p in _parents_v1(controller) if _make(p / name, values)), None)
        if folder:
            how[controller] = "cgroup1"
            made.append(str(folder))
        else:
            how[controller] = "rlimit" if controller == "memory" else "none"
    rlimit = memory_bytes if how.get("memory") == "rlimit" else None
    return Limits(how, tuple(made), rlimit)


def forget(cgroups: list[str]) -> None:
    """Remove the cgroups; their processes are dead, but the kernel may need a moment to agree."""
    for folder in map(Path, cgroups):
        for _ in range(100):
            try:
                folder.rmdir()
            except FileNotFoundError:
                break
            except OSError:
                time.sleep(0.01)
            else:
                break


def members(cgroups: list[str]) -> set[int]:
    """The processes in the cgroups now."""
    found: set[int] = set()
    for folder in cgroups:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            found |= {int(pid) for pid in Path(folder, "cgroup.procs").read_text().split()}
    return found


def _values(
    memory: int | None, cpu: float | None
) -> dict[str, tuple[dict[str, str], dict[str, str]]]:
    """Controller -> files to write under v2, and under v1. A name with `?` may be missing."""
    asked: dict[str, tuple[dict[str, str], dict[str, str]]] = {}
    if memory is not None:
        asked["memory"] = (
            {"memory.max": str(memory), "memory.swap.max?": "0"},
            {"memory.limit_in_bytes": str(memory), "memory.memsw.limit_in_bytes?": str(memory)},
        )
    if cpu is not None:
        quota = str(max(1000, int(cpu * _PERIOD_US)))
        asked["cpu"] = (
            {"cpu.max": f"{quota} {_PERIOD_US}"},
            {"cpu.cfs_period_us": str(_PERIOD_US), "cpu.cfs_quota_us": quota},
        )
    return asked


def _own(controller: str) -> str:
    """This process's cgroup for a v1 controller, or for v2 if `controller` is empty."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        if controller in names.split(","):
            return path.strip("/")
    return ""


def _parents_v2(*, controllers: bool) -> Iterator[Path]:
    """Where a v2 cgroup may be made. Beside ours first: ours has processes, so it cannot split."""
    for root in (_ROOT, _ROOT / "unified"):  # `unified`: v1 has the controllers
        own = root / _own("")
        for parent in (own.parent, own):
            if (parent / "cgroup.controllers").exists():
                if controllers:
                    with contextlib.suppress(OSError):
                        (parent / "cgroup.subtree_control").write_text("+memory +cpu")
                yield parent


def _parents_v1(controller: str) -> Iterator[Path]:
    """Under our own cgroup, so that its bounds hold too; in a container only the mount is seen."""
    mount = _ROOT / controller
    if mount.is_dir():
        yield mount / _own(controller)
        yield mount


def _make(folder: Path, values: dict[str, str]) -> bool:
    """Make the cgroup, set its bounds, and try it with a process. False: there is none then."""
    fresh = not folder.exists()
    try:
        folder.mkdir(exist_ok=True)
        for name, value in values.items():
            file = folder / name.rstrip("?")
            if not name.endswith("?") or file.exists():
                file.write_text(value)
        _try(folder)
    except OSError:
        if fresh:
            forget([str(folder)])
        return False
    return True


def _try(folder: Path) -> None:
    """A process can be moved in. Raises OSError."""
    with subprocess.Popen(["/bin/sh", "-c", "read x"], stdin=subprocess.PIPE) as process:
        (folder / "cgroup.procs").write_text(str(process.pid))
