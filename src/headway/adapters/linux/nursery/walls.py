"""What an agent puts around itself before a job comes: namespaces, bounds, signals. Called by main.

`Order` is what the runner says of all its jobs when it starts the nursery.
"""

import os
import resource
import signal
from dataclasses import dataclass
from pathlib import Path

from headway.adapters.linux.nursery import namespaces
from headway.adapters.linux.nursery.cgroups import Bounds, Cgroup


@dataclass(frozen=True, slots=True)
class Order:
    """Bounds of every job, and which namespaces may be used (`any`, `user`, `none`). Of `home`
    (empty: of everything) jobs see the folders `shown` only, where namespaces allow it.
    """

    pids: int
    memory: int
    file_bytes: int
    files: int
    namespaces: str
    home: str = ""
    shown: tuple[str, ...] = ()

    @property
    def bounds(self) -> Bounds:
        """Those that control groups keep."""
        return Bounds(self.pids, self.memory)


def set_up(order: Order, cgroup: Cgroup | None, *, alone: bool, network: bool) -> bool:
    """Set up the sandbox around this process; whether /proc shows just what is in it. `alone`: it
    is process 1 of a PID namespace. Raises OSError.
    """
    namespaces.die_with_parent(signal.SIGKILL if alone else signal.SIGTERM)
    for heard in (signal.SIGINT, signal.SIGHUP):
        # Not SIG_IGN: steps would inherit that, and a shell cannot trap what it starts ignoring.
        signal.signal(heard, lambda *_: None)
    if not alone:
        # Process 1 of a namespace is better off deaf: nothing in there can tell it to go.
        signal.signal(signal.SIGTERM, _leave)
    os.setsid()
    if cgroup is not None:
        cgroup.join()
    if not network:
        namespaces.cut_network()
    sees_all = namespaces.own_proc() if alone else True
    if alone and sees_all and order.home:
        namespaces.veil(Path(order.home), order.shown)
    if not alone:
        namespaces.adopt_orphans()
    _limit(order, set(cgroup.folders) if cgroup else set())
    os.umask(0o022)
    return sees_all


def _leave(*_: object) -> None:
    raise SystemExit


def _limit(order: Order, bounded: set[str]) -> None:
    """Limits of single processes; those of pids and memory only where no control group has them."""
    wanted = {
        resource.RLIMIT_FSIZE: order.file_bytes,
        resource.RLIMIT_NOFILE: order.files,
        resource.RLIMIT_CORE: 0,
    }
    if "pids" not in bounded and os.geteuid():
        wanted[resource.RLIMIT_NPROC] = order.pids
    if "memory" not in bounded and order.memory:
        wanted[resource.RLIMIT_DATA] = order.memory
    for kind, most in wanted.items():
        _, hard = resource.getrlimit(kind)
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (value, hard))


def how_bounded(order: Order, groups: dict[str, str]) -> dict[str, str]:
    """What bounds `pids` and `memory` of a job: a cgroup, `rlimit` (of a user, of each process), or
    nothing ("").
    """
    pids = groups.get("pids") or ("rlimit" if os.geteuid() else "")
    memory = groups.get("memory") or ("rlimit" if order.memory else "")
    return {"pids": pids, "memory": memory}
