"""Which archive members may be written, and how: the rules against hostile archives.

Pure: the artifact store asks for each member before it touches the disk, and asks the same rules
when it packs, so that whatever was packed can be unpacked.

Why no link can leave the root: no member lies below a symlink, so a symlink's own folder is a real
folder of the tree; `..` may stand only at the front of its target, and not more often than the
folder is deep; what follows are plain names, which meet only links of the same kind.
"""

from dataclasses import dataclass, field
from typing import Literal

from headway.artifact.strict import shown

Kind = Literal["file", "folder", "symlink", "hardlink", "device", "fifo", "sparse", "unknown"]
EntryKind = Literal["file", "folder", "symlink", "hardlink"]

SETUID = 0o4000
SETGID = 0o2000

_FOREIGN: dict[str, str] = {
    "device": "it is a device",
    "fifo": "it is a named pipe",
    "sparse": "it is a sparse file",
    "unknown": "its type is unknown",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an archive may hold: counts, bytes, folders deep, bytes in a name.

    `ratio`: unpacked to packed bytes, asked once more than `ratio_from_bytes` are unpacked.
    """

    members: int = 200_000
    depth: int = 64
    name_bytes: int = 1024
    file_bytes: int = 4 << 30
    total_bytes: int = 16 << 30
    ratio: int = 100
    ratio_from_bytes: int = 16 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """What an archive says of one member. `size` in bytes; `mode` as in chmod."""

    name: str
    kind: Kind
    size: int = 0
    mode: int = 0o644
    linkname: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """How to write a member. `path` is relative, `/`-separated and plain; "" is the root itself.

    `target` of a symlink is written as it stands; of a hardlink it is an earlier entry's path.
    """

    path: str
    kind: EntryKind
    mode: int
    size: int = 0
    target: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a member is refused: `reason` completes "the member ... is refused: "."""

    member: str
    reason: str


class _No(Exception):
    """Carries the reason up to `admit`."""


@dataclass(slots=True)
class Intake:
    """The members admitted so far; one for each archive."""

    limits: Limits = Limits()
    total_bytes: int = 0
    members: int = 0
    _kinds: dict[str, EntryKind] = field(default_factory=dict)
    _listed: set[str] = field(default_factory=set)

    def admit(self, member: Member) -> Entry | Refusal:
        """How to write the next member of the archive, or why not to."""
        try:
            return self._admit(member)
        except _No as no:
            return Refusal(member.name, str(no))

    def _admit(self, member: Member) -> Entry:
        self._count(member)
        path = self._path(member.name)
        kind = _entry_kind(member)
        target = self._target(path, kind, member)
        self._place(path, kind)
        mode = 0o755 if kind == "folder" or member.mode & 0o100 else 0o644
        return Entry(path, kind, mode, member.size, target)

    def _count(self, member: Member) -> None:
        self.members += 1
        if self.members > self.limits.members:
            raise _No(f"the archive has more than {self.limits.members} members")
        if not 0 <= member.size <= self.limits.file_bytes:
            raise _No(f"its size is {member.size} bytes, the limit is {self.limits.file_bytes}")
        self.total_bytes += member.size
        if self.total_bytes > self.limits.total_bytes:
            raise _No(f"the archive unpacks to more than {self.limits.total_bytes} bytes")

    def _path(self, name: str) -> str:
        _refuse_text(name, "name", self.limits.name_bytes)
        if name.startswith("/"):
            raise _No("its path is absolute")
        parts = [part for part in name.split("/") if part not in {"", "."}]
        if ".." in parts:
            raise _No("its path holds `..`")
        if len(parts) > self.limits.depth:
            raise _No(f"it lies {len(parts)} folders deep, the limit is {self.limits.depth}")
        if any(len(part.encode()) > 255 for part in parts):
            raise _No("a part of its name is longer than 255 bytes")
        return "/".join(parts)

    def _place(self, path: str, kind: EntryKind) -> None:
        if path in self._listed:
            raise _No("the archive holds it twice")
        if path == "" and kind != "folder":
            raise _No("it would replace the root folder")
        for parent in _parents(path):
            if self._kinds.setdefault(parent, "folder") != "folder":
                raise _No(f"it lies below {shown(parent)}, which is no folder")
        if self._kinds.get(path, kind) != kind:
            raise _No("it would replace a folder that has members")
        self._kinds[path] = kind
        self._listed.add(path)

    def _target(self, path: str, kind: EntryKind, member: Member) -> str:
        if kind == "symlink":
            return self._symlink(path, member.linkname)
        if kind == "hardlink":
            return self._hardlink(member.linkname)
        return ""

    def _symlink(self, path: str, target: str) -> str:
        _refuse_text(target, "link target", self.limits.name_bytes)
        if target.startswith("/"):
            raise _No(f"it links to the absolute path {shown(target)}")
        parts = [part for part in target.split("/") if part not in {"", "."}]
        ups = _leading_ups(parts)
        if ".." in parts[ups:]:
            raise _No(f"its link target {shown(target)} holds `..` after a name")
        if ups > path.count("/"):
            raise _No(f"it links out of the archive, to {shown(target)}")
        return target

    def _hardlink(self, target: str) -> str:
        path = self._path(target)
        if self._kinds.get(path) not in {"file", "hardlink"} or path not in self._listed:
            raise _No(f"it is a hard link to {shown(target)}, no earlier file of the archive")
        return path


def _entry_kind(member: Member) -> EntryKind:
    if member.kind in _FOREIGN:
        raise _No(_FOREIGN[member.kind])
    if member.mode & SETUID:
        raise _No("its setuid bit is set")
    if member.mode & SETGID:
        raise _No("its setgid bit is set")
    if member.kind != "file" and member.size:
        raise _No(f"it is a {member.kind} with content")
    return member.kind  # type: ignore[return-value]  # the foreign kinds were refused above


def _refuse_text(text: str, what: str, limit: int) -> None:
    if not text:
        raise _No(f"its {what} is empty")
    if "\0" in text:
        raise _No(f"its {what} holds a NUL")
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise _No(f"its {what} is not UTF-8") from None
    if size > limit:
        raise _No(f"its {what} is {size} bytes long, the limit is {limit}")


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]


def _leading_ups(parts: list[str]) -> int:
    return next((i for i, part in enumerate(parts) if part != ".."), len(parts))
