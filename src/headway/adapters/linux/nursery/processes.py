"""Which processes there are below this one, and how they are ended. Used by agent and main.

In a PID namespace this is process 1 and everything is below it; else it is a child subreaper.
"""

import contextlib
import os
import signal
import time

KILL_SECONDS = 20.0


def tree(among: list[str] | None = None) -> dict[int, int]:
    """Every living process below this one, with its parent. `among`: look at no others, because
    there are many on the machine.
    """
    parents = dict(_parents(os.listdir("/proc") if among is None else among))  # noqa: PTH208
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return {pid: parents[pid] for pid in found - {os.getpid()}}


def _parents(names: list[str]) -> list[tuple[int, int]]:
    pairs = []
    for name in names:
        if name.isdigit():
            with contextlib.suppress(OSError):
                state, parent = _read(f"/proc/{name}/stat").rpartition(b")")[2].split()[:2]
                if state != b"Z":
                    pairs.append((int(name), int(parent)))
    return pairs


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # a Path each would be slow
    try:
        return os.read(descriptor, 4096)
    finally:
        os.close(descriptor)


def without(found: dict[int, int], older: set[int]) -> set[int]:
    """Those of a tree that are not, and do not descend from, any of the older processes."""
    kept: set[int] = set()
    for pid in found:
        chain, at = [pid], pid
        while at in found and at not in older:
            at = found[at]
            chain.append(at)
        if at not in older:
            kept.add(pid)
    return kept


def anybody() -> bool:
    """Whether anything else lives in this PID namespace. Only for its process 1."""
    try:
        os.kill(-1, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def tell(pids: set[int], how: int) -> None:
    """Send a signal to each that is still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, how)


def end_all() -> None:
    """Kill everything below this process and what it starts meanwhile, and reap it."""
    until = time.monotonic() + KILL_SECONDS
    while time.monotonic() < until:
        if os.getpid() == 1:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(-1, signal.SIGKILL)
        else:
            found = set(tree())
            tell(found, signal.SIGSTOP)
            tell(found, signal.SIGKILL)
        if not _reap():
            return
        time.sleep(0.001)


def _reap() -> bool:
    """Reap what has ended; False when no child is left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True
