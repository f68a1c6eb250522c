"""Whether Envoy may watch more files. Called by router and proxy before it would have to.

Envoy opens one inotify instance for each file it watches (each cluster's endpoints, each service's
routes, and two), and aborts, with every request in it, when the kernel gives it no more (seen with
1.40: `assert failure: inotify_fd_ >= 0`). The limit is per user: fs.inotify.max_user_instances,
128 on most machines. So the kernel is asked first, by opening as many and closing them.
"""

import ctypes
import os
from pathlib import Path

from headway.model.errors import Refused

_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
_SPARE = 3  # for what others of this user open in the same moment


def check_watches(more: int) -> None:
    """Raises Refused (`no-watches`) if this user cannot open `more` inotify instances now."""
    if more <= 0:
        return
    if why := _tried(more + _SPARE):
        raise _refused(more, why)


def _tried(count: int) -> str:
    """Why so many cannot be opened, in the system's words; empty if they can. All are closed."""
    libc = ctypes.CDLL(None, use_errno=True)
    opened: list[int] = []
    try:
        for _ in range(count):
            fd = libc.inotify_init1(os.O_CLOEXEC)
            if fd < 0:
                return os.strerror(ctypes.get_errno())
            opened.append(fd)
        return ""
    finally:
        for fd in opened:
            os.close(fd)


def _refused(more: int, why: str) -> Refused:
    limit = _LIMIT.read_text(encoding="utf-8").strip() if _LIMIT.exists() else "unknown"
    return Refused(
        f"The proxy cannot watch {more} more files",
        why=f"{why}; all programs of this user share {limit} inotify instances "
        "(fs.inotify.max_user_instances)",
        next="raise it as root: sysctl -w fs.inotify.max_user_instances=1024",
        code="no-watches",
    )
