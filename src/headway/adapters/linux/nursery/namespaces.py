"""PID, mount and network namespaces by direct system calls. Used by nursery/main and agent.

Numbers and structures: unshare(2), setns(2), mount(2), prctl(2), netdevice(7), user_namespaces(7).
"""

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import struct
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 0x20
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments):
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def die_with_parent(how: int) -> None:
    """Get that signal when the parent process ends."""
    _call("prctl", PR_SET_PDEATHSIG, how, 0, 0, 0)


def adopt_orphans() -> None:
    """Daemons below this process become its children, not those of the machine's process 1."""
    _call("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def enter_user_namespace() -> None:
    """Become able to make other namespaces without being root; user and group stay the same."""
    user, group = os.geteuid(), os.getegid()
    _call("unshare", CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def nest() -> None:
    """Go on as process 1 of a PID namespace that belongs to the user namespace just entered; the
    process so far only waits for that, and ends with it. Raises OSError.
    """
    _call("unshare", CLONE_NEWPID)
    pid = os.fork()
    if pid:
        os._exit(abs(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
    die_with_parent(signal.SIGKILL)
    if not own_proc():
        raise PermissionError("/proc cannot be mounted here")


class PidNamespaces:
    """Forks children as process 1 of a new PID namespace each. Raises OSError where impossible."""

    def __init__(self) -> None:
        self._own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._enter()
            self._leave()
        except OSError:
            os.close(self._own)
            raise

    def fork(self) -> int:
        """As os.fork."""
        self._enter()
        pid = -1
        try:
            pid = os.fork()
        finally:
            if pid != 0:
                self._leave()
        return pid

    def _enter(self) -> None:
        _call("unshare", CLONE_NEWPID)

    def _leave(self) -> None:
        _call("setns", self._own, CLONE_NEWPID)


def own_proc() -> bool:
    """A /proc of this PID namespace, seen by nobody else. False where that is not allowed."""
    try:
        _call("unshare", CLONE_NEWNS)
        _call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
        _call("mount", b"proc", b"/proc", b"proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, None)
    except OSError:
        return False
    return True


def veil(folder: Path, shown: tuple[str, ...]) -> None:
    """Nothing of the folder is seen here any more but those of its folders, which are made if they
    are not there. Only after `own_proc`. Raises OSError.
    """
    held: dict[Path, int] = {}
    for place in (folder / name for name in shown):
        place.mkdir(exist_ok=True)
        held[place] = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    empty = MS_NOSUID | MS_NODEV
    _call("mount", b"none", bytes(folder), b"tmpfs", empty, b"mode=0755,size=64k")
    for place, descriptor in held.items():
        place.mkdir()
        source = f"/proc/self/fd/{descriptor}".encode()
        _call("mount", source, bytes(place), None, MS_BIND | MS_REC, None)
        os.close(descriptor)
    _call("mount", b"none", bytes(folder), None, MS_REMOUNT | MS_RDONLY | empty, None)


def cut_network() -> None:
    """Only the loopback interface is left, and it is up. Raises OSError."""
    _call("unshare", CLONE_NEWNET)
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as handle:
        request = struct.pack("16sH22x", b"lo", 0)
        (flags,) = struct.unpack("16xH22x", fcntl.ioctl(handle, SIOCGIFFLAGS, request))
        fcntl.ioctl(handle, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | IFF_UP))
