"""What an instance uses: processor time and memory of all its processes. Called by target.py.

Its processes are those of its cgroup where it has one, and else of its process group: workers are
counted too. Memory is resident memory (proc(5), statm), so what workers share counts for each of
them, on both sides of a comparison alike. Processor time is that of the living and of the children
they waited for.
"""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from headway.adapters.local.limits import members

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Used:
    """Since the instance's processes began."""

    cpu_seconds: float
    memory_bytes: int


def of(pid: int | None, cgroups: list[str]) -> Used | None:
    """None if nothing runs. `pid`: the application's first process, leader of its group."""
    if pid is None:
        return None
    found = [u for u in map(_process, members(cgroups) or _group(pid)) if u]
    if not found:
        return None
    return Used(sum(u.cpu_seconds for u in found), sum(u.memory_bytes for u in found))


def _process(pid: int) -> Used | None:
    """One process and the children it has waited for; None if it just ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return None
    return Used(sum(int(ticks) for ticks in stat[11:15]) / _TICKS, pages * _PAGE)


def _group(pid: int) -> set[int]:
    """Every process of the group that `pid` leads."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if os.getpgid(int(entry.name)) == pid:
                    found.add(int(entry.name))
    return found
