"""This process in a copy of the machine: it sees every file, writes beside them, has no network.

Each file system gets an overlay whose upper layer is in memory, so that writes succeed and are
gone afterwards; `changes` tells them. One that cannot have one is read-only. The folders given to
`enter` stay as they are and are written for real. Called by `headway run --sandbox`, in a process
of its own, before it has threads.

Numbers and structures: mount(2), unshare(2), netdevice(7); kernel.org, "Overlay Filesystem".
"""

import contextlib
import ctypes
import fcntl
import os
import socket
import stat
import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from headway.model.errors import Refused
from headway.record import dataclass

_NEWNS, _NEWUSER, _NEWNET = 0x00020000, 0x10000000, 0x40000000
_RDONLY, _REMOUNT, _BIND, _MOVE = 1, 32, 4096, 8192
_REC, _PRIVATE = 0x4000, 0x40000
_GETFLAGS, _SETFLAGS, _UP = 0x8913, 0x8914, 1
_KERNEL = ("/proc", "/sys", "/dev")
_MOST_BYTES = "2g"
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Change:
    """One path that was written beside the real one. `how`: `written` or `deleted`."""

    path: str
    how: str


@dataclass(frozen=True, slots=True)
class Shield:
    """What `enter` has set up: upper layers by the folder above which they lie, and the folders
    that could only be made read-only.
    """

    layers: dict[str, str]
    fixed: tuple[str, ...]

    def changes(self) -> list[Change]:
        """Every file that was written or deleted and would have been without the shield."""
        found = [c for top, upper in self.layers.items() for c in _layer(Path(top), Path(upper))]
        return sorted(found, key=lambda c: c.path)


def enter(scratch: Path, real: tuple[Path, ...]) -> Shield:
    """From here on this process and its children change nothing but `real`, and reach no network.

    `scratch`: an empty folder. Raises Refused (`no-sandbox`) where the machine does not allow it;
    the process must end then.
    """
    try:
        _unshare()
        _loopback_up()
        return _covered(scratch, real)
    except OSError as error:
        raise Refused(
            "this machine does not allow a sandbox",
            why=f"namespaces and overlays are needed: {error}",
            next="headway run --dry-run",
            code="no-sandbox",
        ) from error


def lost_packets() -> int:
    """How often something here has tried to reach the network. The counters are those of /proc/net
    (RFC 4293, ipSystemStatsOutNoRoutes).
    """
    return _counter("/proc/net/snmp", "OutNoRoutes") + _counter("/proc/net/snmp6", "Ip6OutNoRoutes")


def _counter(file: str, name: str) -> int:
    with contextlib.suppress(OSError):
        lines = [line.split() for line in Path(file).read_text().splitlines()]
        for words, values in pairwise(lines):
            if words[:1] == [name]:
                return int(words[1])
            if name in words and words[0] == values[0]:
                return int(values[words.index(name)])
    return 0


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments):
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def _mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    words = (w.encode() if w else None for w in (source, target, kind))
    _call("mount", *words, flags, data.encode() if data else None)


def _unshare() -> None:
    try:
        _call("unshare", _NEWNS | _NEWNET)
    except OSError:
        user, group = os.geteuid(), os.getegid()
        _call("unshare", _NEWUSER | _NEWNS | _NEWNET)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def _loopback_up() -> None:
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as handle:
        request = struct.pack("16sH22x", b"lo", 0)
        (flags,) = struct.unpack("16xH22x", fcntl.ioctl(handle, _GETFLAGS, request))
        fcntl.ioctl(handle, _SETFLAGS, struct.pack("16sH22x", b"lo", flags | _UP))


def _covered(scratch: Path, real: tuple[Path, ...]) -> Shield:
    here = Path.cwd()
    _mount("none", "/", "", _REC | _PRIVATE)
    memory, merged = scratch / "memory", scratch / "merged"
    for folder in (memory, merged):
        folder.mkdir()
    _mount("tmpfs", str(memory), "tmpfs", 0, f"size={_MOST_BYTES},mode=700")
    cover = _Cover(memory, [m for m in _mounts() if not m.is_relative_to(scratch)])
    _mount("tmpfs", str(merged), "tmpfs", 0, "size=16m,mode=755")
    cover.over(Path("/"), merged)
    for kept in (*map(Path, _KERNEL), *real):
        _mount(str(kept), str(merged / kept.relative_to("/")), "", _BIND | _REC)
    _keep_memory(memory, merged)
    os.chdir(merged)
    _mount(".", "/", "", _MOVE)
    os.chroot(".")
    os.chdir(here)
    return Shield(cover.layers, tuple(cover.fixed))


def _keep_memory(memory: Path, merged: Path) -> None:
    """The upper layers stay in sight, under the same name, to be looked through at the end."""
    into = merged / memory.relative_to("/")
    into.mkdir(parents=True, exist_ok=True)
    _mount(str(memory), str(into), "", _BIND)


def _mounts() -> list[Path]:
    """Where file systems are mounted. Format: proc_pid_mountinfo(5)."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    names = (line.split()[4].encode().decode("unicode_escape") for line in lines)
    return sorted({Path(name) for name in names}, key=lambda p: len(p.parts))


class _Cover:
    """Lays every file system of the machine under one folder, so that nothing in it can change."""

    def __init__(self, memory: Path, mounts: list[Path]) -> None:
        self.layers: dict[str, str] = {}
        self.fixed: list[str] = []
        self._memory = memory
        self._mounts = mounts

    def over(self, top: Path, into: Path) -> None:
        """What is at `top` can be seen at `into`, which is a folder, or a file for a file."""
        if str(top) in _KERNEL:
            return
        below = [m for m in self._mounts if m != top and m.is_relative_to(top)]
        if self._overlay(top, into):
            for inner in below:
                if inner.exists() and not any(
                    o != inner and inner.is_relative_to(o) for o in below
                ):
                    self.over(inner, into / inner.relative_to(top))
        elif below:
            self._one_by_one(top, into)
        else:
            _read_only(top, into)
            self.fixed.append(str(top))

    def _one_by_one(self, top: Path, into: Path) -> None:
        """A folder that cannot be covered because of file systems inside of it: what is in it."""
        for one in top.iterdir():
            place = into / one.name
            if one.is_symlink():
                place.symlink_to(one.readlink())
            elif one.is_dir():
                place.mkdir()
                self.over(one, place)
            elif one.is_file():
                place.touch()
                self.over(one, place)

    def _overlay(self, top: Path, into: Path) -> bool:
        if not top.is_dir() or any(c in str(top) for c in ",:\\"):
            return False
        layer = self._memory / str(len(self.layers))
        upper, work = layer / "upper", layer / "work"
        for folder in (upper, work):
            folder.mkdir(parents=True, exist_ok=True)
        data = f"lowerdir={top},upperdir={upper},workdir={work}"
        for more in ("", ",userxattr"):
            with contextlib.suppress(OSError):
                _mount("overlay", str(into), "overlay", 0, data + more)
                self.layers[str(top)] = str(upper)
                return True
        return False


def _read_only(top: Path, into: Path) -> None:
    _mount(str(top), str(into), "", _BIND)
    with contextlib.suppress(OSError):  # one that is locked as it is: read-only already, or refused
        _mount("", str(into), "", _REMOUNT | _BIND | _RDONLY)
        return
    if os.access(into, os.W_OK):
        raise OSError(f"{top} cannot be made read-only")


def _layer(top: Path, upper: Path) -> Iterator[Change]:
    for folder, _, names in os.walk(upper):
        for name in names:
            path = Path(folder) / name
            how = "deleted" if _whiteout(path) else "written"
            yield Change(str(top / path.relative_to(upper)), how)


def _whiteout(path: Path) -> bool:
    """What an overlay writes for a deleted file: a character device 0/0."""
    found = path.lstat()
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0
