"""Objects of repositories, read through one git process each that stays for a moment.

A trigger reads a dozen objects one after the other; a git process for each would take longer than
everything else between a push and the first step. Used by the other files of this folder.
"""

import contextlib
import re
import select
import subprocess
import threading
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from headway.adapters.git.command import READ_SECONDS, closed_environment, missing
from headway.model.errors import Failed, Unreachable

IDLE_SECONDS = 2.0
KEPT, KEPT_BYTES = 256, 32 * 1024
_FIXED = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?(?:$|[:^])")
_HEAD = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64}) (commit|tree|blob|tag) (\d+)\n")


@dataclass(frozen=True, slots=True)
class Object:
    """`kind`: commit, tree, blob or tag. `content` is empty if it was larger than asked for."""

    sha: str
    kind: str
    size: int
    content: bytes


class Objects:
    """Reads from any repository on this machine, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[Path, _Conversation] = {}
        self._kept: dict[tuple[Path, str], Object] = {}

    def get(self, folder: Path, name: str, most: int) -> Object | None:
        """The object that a revision means (gitrevisions(7)); None if there is none, or more than
        one. `folder` is a git directory, `most` a number of bytes. Raises Unreachable, Failed.
        """
        if "\n" in name or not name:
            return None
        with self._lock:
            known = self._kept.get((folder, name))
            if known is not None and known.size <= most:
                return known
            found = self._asked(folder, name, most)
            if found is not None and found.size <= min(most, KEPT_BYTES) and _FIXED.match(name):
                self._keep((folder, name), found)
            return found

    def _keep(self, name: tuple[Path, str], found: Object) -> None:
        """What a full object name means never changes."""
        self._kept[name] = found
        if len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]

    def _asked(self, folder: Path, name: str, most: int) -> Object | None:
        for again in (True, False):
            found = self._conversation(folder)
            try:
                return found.ask(name, most)
            except BrokenPipeError:
                self._end(folder)
                if not again:
                    raise Failed("git ended while it was asked", code="git-failed") from None
            except BaseException:
                self._end(folder)
                raise
            finally:
                if found.spent:
                    self._end(folder)
        raise AssertionError("unreachable")

    def _conversation(self, folder: Path) -> "_Conversation":
        known = self._open.get(folder)
        if known is None:
            known = self._open[folder] = _Conversation(folder)
            self._look_after(folder, known)
        known.asked_at = time.monotonic()
        return known

    def _look_after(self, folder: Path, known: "_Conversation") -> None:
        """End it when nobody has asked for a while."""
        timer = threading.Timer(IDLE_SECONDS, lambda: self._idle(folder, known))
        timer.daemon = True
        timer.start()

    def _idle(self, folder: Path, asked: "_Conversation") -> None:
        with self._lock:
            if self._open.get(folder) is not asked:
                return
            if time.monotonic() - asked.asked_at >= IDLE_SECONDS:
                self._end(folder)
            else:
                self._look_after(folder, asked)

    def _end(self, folder: Path) -> None:
        if (found := self._open.pop(folder, None)) is not None:
            found.close()


class _Conversation:
    """`git cat-file --batch`: a line with a name, a head line, the bytes, a newline."""

    def __init__(self, folder: Path) -> None:
        try:
            self._git = subprocess.Popen(
                ["git", f"--git-dir={folder}", "cat-file", "--batch"],
                env=closed_environment(folder),
                cwd="/",
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except FileNotFoundError as error:
            raise missing() from error
        assert self._git.stdout is not None
        self._answers = select.poll()  # select() knows descriptors below 1024 only
        self._answers.register(self._git.stdout, select.POLLIN)
        self.spent = False
        self.asked_at = 0.0

    def ask(self, name: str, most: int) -> Object | None:
        assert self._git.stdin is not None
        assert self._git.stdout is not None
        self._git.stdin.write(name.encode("utf-8", "surrogateescape") + b"\n")
        self._git.stdin.flush()
        if not self._answers.poll(1000 * READ_SECONDS):
            raise Unreachable(f"git gave no answer in {READ_SECONDS:.0f} s", code="git-timeout")
        line = self._git.stdout.readline()
        if not line:
            raise BrokenPipeError
        head = _HEAD.fullmatch(line)
        if head is None:
            return None
        size = int(head[3])
        self.spent = size > most
        content = b"" if self.spent else self._git.stdout.read(size + 1)[:-1]
        return Object(head[1].decode(), head[2].decode(), size, content)

    def close(self) -> None:
        self._git.kill()
        with contextlib.suppress(BrokenPipeError):
            self._git.communicate()


@cache
def shared() -> Objects:
    """The one of this process: who reads the same repository shares its git."""
    return Objects()


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a tree: `mode` as git writes it (`100644`, `40000`)."""

    mode: str
    name: bytes
    sha: str


def entries(tree: Object) -> list[Entry]:
    """What is right in the tree (gitformat: mode, space, name, NUL, the raw object name)."""
    width, found, at = len(tree.sha) // 2, [], 0
    while at < len(tree.content):
        nul = tree.content.index(b"\0", at)
        mode, _, name = tree.content[at:nul].partition(b" ")
        at = nul + 1 + width
        found.append(Entry(mode.decode("ascii"), name, tree.content[nul + 1 : at].hex()))
    return found
