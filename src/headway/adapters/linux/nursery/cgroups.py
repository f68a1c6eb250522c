"""Bounds of a job's processes and memory by control groups, where this process may make some.

Made and removed by nursery/main, joined and asked by the job's agent. One folder in the tree of
version 2 where that has the controllers, else one for each controller of version 1. Containers of
the job have groups of their own below it (actions/pod_groups). Interfaces:
Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/{pids,memory}.rst of the Linux kernel.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PREFIX = "headway-job-"
ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
STEPS = "steps"
"""In version 2 the job's own processes are one folder further down: a group that hands controllers
down to others, those of containers, may have no processes itself (cgroup-v2.rst, "No Internal
Process Constraint").
"""
REMOVE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of one job. `memory`: bytes, with what the kernel keeps of its files; 0: none."""

    pids: int
    memory: int = 0

    @property
    def wanted(self) -> dict[str, int]:
        """Controller to bound."""
        return {"pids": self.pids} | ({"memory": self.memory} if self.memory else {})


@dataclass(frozen=True, slots=True)
class Cgroup:
    """Of one job. `folders`: by controller; the same one for both in version 2."""

    folders: dict[str, Path]
    version: int

    def join(self) -> None:
        """This process, which has one thread, is bounded from now on. Raises OSError."""
        # To `tasks` a single thread is moved without stopping all forks of the machine meanwhile.
        for folder in set(self.folders.values()):
            if self.version == 2:
                (folder / STEPS / "cgroup.procs").write_text("0")
            else:
                (folder / "tasks").write_text("0")

    def hit(self) -> tuple[int, int]:
        """How many processes were killed for want of memory (in version 1 those of containers are
        told by `alarm` only), how many forks were refused.
        """
        memory = "memory.events" if self.version == 2 else "memory.oom_control"
        forks = self._count("pids", "**/pids.events", "max")
        return self._count("memory", memory, "oom_kill"), forks

    def alarm(self) -> int:
        """A descriptor that counts (eventfd(2)) how often the memory of this group was out, whoever
        wanted more; -1 where there is none.
        """
        if self.version == 2 or "memory" not in self.folders:
            return -1
        counter = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        try:
            folder = self.folders["memory"]
            with (folder / "memory.oom_control").open("rb") as about:
                (folder / "cgroup.event_control").write_text(f"{counter} {about.fileno()}")
        except OSError:
            os.close(counter)
            return -1
        return counter

    def members(self) -> list[str]:
        """The ids of the processes in it; not those of containers."""
        folder = next(iter(self.folders.values()))
        own = folder / STEPS if self.version == 2 else folder
        return (own / "cgroup.procs").read_text().split()

    def _count(self, controller: str, files: str, word: str) -> int:
        top = self.folders.get(controller)
        return sum(_number(file, word) for file in top.glob(files)) if top else 0

    def remove(self) -> None:
        """Its folders are gone, unless a process stays in there for longer than a moment."""
        until = time.monotonic() + REMOVE_SECONDS
        for folder in set(self.folders.values()):
            while not _removed(folder) and time.monotonic() < until:
                time.sleep(0.002)


class Cgroups:
    """Makes those of one nursery. What this machine allows is found out once, here."""

    def __init__(self, bounds: Bounds, name: str, root: Path = ROOT, own: Path = OWN) -> None:
        """`name`: unique on the machine; begins with PREFIX and a process id."""
        self._bounds, self._name = bounds, name
        self._count = 0
        self._version, self._parents = _parents(bounds, root, own)
        self._free: list[Cgroup] = []
        self._probe()

    @property
    def how(self) -> dict[str, str]:
        """What bounds `pids` and `memory`: `cgroup v2`, `cgroup v1`, or nothing (not in there)."""
        return dict.fromkeys(self._parents, f"cgroup v{self._version}")

    def take(self) -> Cgroup | None:
        """One that is free, or a new one; None where there can be none. Raises OSError."""
        if self._free:
            return self._free.pop()
        if not self._parents:
            return None
        self._count += 1
        made = self._named(f"{self._name}-{self._count}")
        for controller, folder in made.folders.items():
            folder.mkdir(exist_ok=True)
            _bound(folder, controller, self._bounds.wanted[controller], self._version)
        _place_steps(made)
        return made

    def give_back(self, cgroup: Cgroup) -> None:
        """Nothing is left in it: the next job can have it, unless memory is counted. A job's files
        in memory (/dev/shm) go on counting, and are not the next one's.
        """
        if "memory" in cgroup.folders:
            cgroup.remove()
        else:
            self._free.append(cgroup)

    def remove(self) -> None:
        """Remove all that are free."""
        while self._free:
            self._free.pop().remove()

    def _named(self, name: str) -> Cgroup:
        return Cgroup({c: parent / name for c, parent in self._parents.items()}, self._version)

    def _probe(self) -> None:
        """Make the first one; a controller that does not take its bound is not used."""
        for controller in list(self._parents):
            folder = self._parents[controller] / f"{self._name}-0"
            try:
                folder.mkdir(exist_ok=True)
                _bound(folder, controller, self._bounds.wanted[controller], self._version)
            except OSError:
                del self._parents[controller]
        if self._parents:
            made = self._named(f"{self._name}-0")
            _place_steps(made)
            self._free.append(made)


def _place_steps(made: Cgroup) -> None:
    if made.version == 2:
        for folder in set(made.folders.values()):
            (folder / STEPS).mkdir(exist_ok=True)


def _number(file: Path, word: str) -> int:
    try:
        text = file.read_text()
    except OSError:  # a kernel that does not count, or a container that is gone
        return 0
    for line in text.splitlines():
        name, _, number = line.partition(" ")
        if name == word:
            return int(number)
    return 0


def _removed(folder: Path) -> bool:
    """With all below it: groups of containers, if their pod did not get to it."""
    try:
        for below in folder.iterdir():
            if below.is_dir():
                _removed(below)
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:  # what was killed is still on its way out
        return False
    return True


def _parents(bounds: Bounds, root: Path, own: Path) -> tuple[int, dict[str, Path]]:
    """Version, and controller to the folder below which jobs' own can be made."""
    lines, wanted = _lines(own), list(bounds.wanted)
    old = {c: places[0] for c in wanted if (places := _places_of_1(root, lines, c))}
    for names in (wanted, ["pids"]):
        for place in _places_of_2(root, lines):
            if _hands_down(place, set(names)):
                return 2, dict.fromkeys(names, place)
        if old:
            return 1, old
    return 1, {}


def _lines(own: Path) -> list[str]:
    try:
        return own.read_text().splitlines()
    except OSError:
        return []


def _places_of_2(root: Path, lines: list[str]) -> Iterator[Path]:
    """Where this process is in the tree, and the one above it: where there are processes, no
    controller can be handed down (the tree's own rule), but often from there.
    """
    base = root if (root / "cgroup.controllers").exists() else root / "unified"
    for line in lines:
        if line.startswith("0::/"):
            at = base / line[4:]
            yield at
            if at != base:
                yield at.parent


def _hands_down(place: Path, wanted: set[str]) -> bool:
    """Whether folders made in there have them; handed down now if they are not yet."""
    control = place / "cgroup.subtree_control"
    try:
        if not wanted <= set((place / "cgroup.controllers").read_text().split()):
            return False
        if not os.access(place, os.W_OK):
            return False
        missing = wanted - set(control.read_text().split())
        if missing:
            control.write_text(" ".join(f"+{name}" for name in sorted(missing)))
    except OSError:
        return False
    return True


def _places_of_1(root: Path, lines: list[str], controller: str) -> list[Path]:
    """Where this process is in that controller's tree, or else its top, if they can be used."""
    base = root / controller
    for line in lines:
        _, names, path = line.split(":", 2)
        if controller in names.split(","):
            places = (base / path.lstrip("/"), base)
            return [place for place in places if os.access(place, os.W_OK)]
    return []


def _bound(folder: Path, controller: str, most: int, version: int) -> None:
    if controller == "pids":
        (folder / "pids.max").write_text(str(most))
    elif version == 2:
        (folder / "memory.max").write_text(str(most))
        with contextlib.suppress(OSError):  # a kernel without swap has no such file
            (folder / "memory.swap.max").write_text("0")
    else:
        with contextlib.suppress(OSError):  # kernels where it cannot be otherwise
            (folder / "memory.use_hierarchy").write_text("1")
        (folder / "memory.limit_in_bytes").write_text(str(most))
        with contextlib.suppress(OSError):
            (folder / "memory.memsw.limit_in_bytes").write_text(str(most))


def sweep(root: Path = ROOT, own: Path = OWN) -> None:
    """Remove what nurseries that were killed have left."""
    lines = _lines(own)
    places = [p for c in ("pids", "memory") for p in _places_of_1(root, lines, c)]
    for place in {*places, *_places_of_2(root, lines)}:
        for name in _names(place):
            if name.startswith(PREFIX) and not _alive(name):
                _removed(place / name)


def _names(place: Path) -> list[str]:
    try:
        return os.listdir(place)  # noqa: PTH208 - a Path each would be slow
    except OSError:
        return []


def _alive(name: str) -> bool:
    return Path("/proc", name.removeprefix(PREFIX).partition("-")[0]).exists()
