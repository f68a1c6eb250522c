"""Commits as packs of git objects. Serves ports/source_packs; used by the server that hands jobs to
other machines and by the workers there.

A pack is made with `git pack-objects --thin`: what the base has is left out, and deltas may refer
to it. `git index-pack --fix-thin` makes it whole again, and gives it its name only when it is.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from headway.adapters.git.command import closed_environment, conversation, expect, git, git_folder
from headway.model.errors import Failed, HeadwayError, Invalid
from headway.ports.source_packs import SourceNotes, SourcePacks

_CHUNK = 1 << 20
_REFS = ("refs/heads", "refs/tags")
_CONFIG = "[core]\n\trepositoryformatversion = {version}\n\tbare = true\n"
_SHA256 = "[extensions]\n\tobjectformat = sha256\n"


class GitPacks(SourcePacks):
    """Repositories are folders of this machine."""

    def pack(self, repo: str, sha: str, base: str) -> tuple[BinaryIO, SourceNotes]:
        """As the port says."""
        folder = git_folder(repo)
        if not self.has(repo, sha):
            raise Invalid(f"there is no commit {sha[:80]!r} in {repo}", code="unknown-revision")
        notes = _notes(folder, sha)
        file = tempfile.TemporaryFile()  # noqa: SIM115  the caller closes it
        try:
            _pack(folder, [sha, *notes.refs.values(), *([f"^{base}"] if base else [])], file)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file, notes

    def has(self, repo: str, sha: str) -> bool:
        """As the port says."""
        try:
            folder = git_folder(repo)
        except HeadwayError:
            return False
        return git(folder, "cat-file", "-e", f"{sha}^{{commit}}").returncode == 0

    def take(self, store: str, sha: str, pack: BinaryIO) -> None:
        """As the port says."""
        folder = Path(store)
        _make(folder, sha)
        # A process that has not ended in time is killed; what it wrote so far has no name.
        with conversation(folder, "index-pack", "--stdin", "--fix-thin") as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                shutil.copyfileobj(pack, process.stdin, _CHUNK)
                process.stdin.close()
            except BrokenPipeError:
                pass  # it has ended, and its exit code tells
            process.stdout.read()
            if process.wait():
                raise Failed(f"commit {sha[:12]} cannot be taken in", code="git-failed")

    def show(self, store: str, sha: str, notes: SourceNotes) -> str:
        """As the port says; made once, and whole when it is there."""
        folder = Path(f"{store}.views") / sha
        lines = [f"{each} {name}\n" for name, each in sorted(notes.refs.items())]
        refs = "# pack-refs with: sorted \n" + "".join(lines)
        if (folder / "packed-refs").is_file() and (folder / "packed-refs").read_text() == refs:
            return str(folder)
        with tempfile.TemporaryDirectory(dir=_parent(folder)) as part:
            fresh = Path(part, "view")
            _make(fresh, sha)
            (fresh / "objects/info").mkdir(exist_ok=True)
            objects = os.fsencode(Path(store).resolve() / "objects")
            (fresh / "objects/info/alternates").write_bytes(objects + b"\n")
            (fresh / "packed-refs").write_text(refs, "utf-8")
            if notes.shallow:
                (fresh / "shallow").write_text("".join(f"{one}\n" for one in notes.shallow))
            if folder.exists():
                folder.rename(Path(part, "old"))
            fresh.rename(folder)
        return str(folder)


def _notes(folder: Path, sha: str) -> SourceNotes:
    """Branches and tags that lie in the commit's history."""
    form = "--format=%(objectname) %(refname)"
    told = expect(git(folder, "for-each-ref", form, f"--merged={sha}", *_REFS), "no refs")
    pairs = [line.partition(" ") for line in told.decode("utf-8", "replace").splitlines()]
    cut = folder / "shallow"
    shallow = tuple(cut.read_text("ascii").split()) if cut.is_file() else ()
    return SourceNotes({name: each for each, _, name in pairs}, shallow)


def _pack(folder: Path, wanted: Sequence[str], file: BinaryIO) -> None:
    asked = ("pack-objects", "--revs", "--thin", "--stdout", "-q", "--delta-base-offset")
    told = subprocess.run(
        ["git", f"--git-dir={folder}", *asked],
        env=closed_environment(folder),
        cwd="/",
        input="".join(f"{one}\n" for one in wanted).encode("ascii"),
        stdout=file.fileno(),
        stderr=subprocess.PIPE,
        check=False,
    )
    if told.returncode:
        why = told.stderr.decode("utf-8", "replace").strip()[-300:]
        raise Failed("the commit cannot be packed", why=why, code="git-failed")


def _make(folder: Path, sha: str) -> None:
    """A bare repository without anything, unless it is there."""
    if (folder / "HEAD").is_file():
        return
    for name in ("objects/pack", "objects/info", "refs/heads", "refs/tags"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    version = 1 if len(sha) == 64 else 0
    (folder / "config").write_text(_CONFIG.format(version=version) + (_SHA256 if version else ""))
    (folder / "HEAD").write_text("ref: refs/heads/main\n")


def _parent(folder: Path) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder.parent
