"""Bare repositories below HOME/git that people push to. Called by wiring, and by the HTTP door.

A push leaves a note in HOME/pushes and nothing else: the hook is a small POSIX shell script that
needs neither the server nor its interpreter. What a lost hook forgot, `heads` tells at the start.
"""

import os
import re
import shutil
from pathlib import Path

from headway.adapters.git.command import expect, git
from headway.model.errors import Invalid

NAME = re.compile(r"[a-z][a-z0-9-]{0,38}[a-z0-9]")
MAX_PUSH_BYTES = 512 * 1024**2
COPY_SECONDS = 3600.0

_CONFIG = f"""\
# Written by Headway and written again at every start: changes made here are lost.
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
\thooksPath = hooks
\tlogAllRefUpdates = true
[receive]
\tdenyDeletes = true
\tdenyNonFastForwards = false
\tmaxInputSize = {MAX_PUSH_BYTES}
\tfsckObjects = true
[transfer]
\tfsckObjects = true
\thideRefs = refs
\thideRefs = !refs/heads
\thideRefs = !refs/tags
[gc]
\tautoDetach = false
[http]
\treceivepack = true
\tuploadpack = true
"""

_HOOK = r"""#!/bin/sh
# Written by Headway. Leaves one note for every pushed ref in HOME/pushes; the server reads them.
set -u
umask 077
repo=$(pwd -P)
spool=$repo/../../pushes
quoted() { printf '%s' "$1" | sed 's/[\\"]/\\&/g'; }
status=0
count=0
while read -r old new ref; do
    count=$((count + 1))
    draft=$spool/.draft-$$-$count
    if mkdir -p "$spool" &&
        printf '{"repo": "%s", "old": "%s", "new": "%s", "ref": "%s", "at": "%s"}\n' \
            "$(quoted "$repo")" "$old" "$new" "$(quoted "$ref")" \
            "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >"$draft" &&
        mv "$draft" "$spool/$(date +%s%N)-$$-$count.json"; then
        echo "headway: noted $ref at $new"
    else
        echo "headway: $ref was pushed but not noted; the server finds it at its next start" >&2
        status=1
    fi
done
# opened for both, because opening for writing only would wait until the server runs
wake=$spool/../wake
[ -p "$wake" ] && printf n 1<>"$wake"
exit $status
"""


class GitHosting:
    """The repositories of one home. A name is `shop`, its folder HOME/git/shop.git."""

    def __init__(self, home: Path) -> None:
        self._folder = home.resolve() / "git"

    def path(self, name: str) -> Path:
        """Where that repository is or would be. Raises Invalid (`bad-name`)."""
        if not NAME.fullmatch(name):
            raise Invalid(
                f"{name[:80]!r} cannot name a repository",
                why="a name is 2 to 40 of a-z, 0-9 and `-`, begins with a letter, ends without `-`",
                code="bad-name",
            )
        return self._folder / f"{name}.git"

    def create(self, name: str) -> Path:
        """Make the repository unless it is there; its settings and hook are made as they must be.

        Appears whole or not at all. Raises Invalid (`bad-name`).
        """
        path = self.path(name)
        if not path.is_dir():
            self._make(path)
        _write(path / "config", _CONFIG, 0o644)
        (path / "hooks").mkdir(exist_ok=True)
        _write(path / "hooks" / "post-receive", _HOOK, 0o755)
        return path

    def names(self) -> tuple[str, ...]:
        """Every repository, sorted."""
        if not self._folder.is_dir():
            return ()
        found = (p.name.removesuffix(".git") for p in self._folder.glob("*.git"))
        return tuple(sorted(name for name in found if NAME.fullmatch(name)))

    def heads(self, name: str) -> dict[str, str]:
        """The newest commit of every branch: `refs/heads/main` to object name."""
        path = self.path(name)
        form = "--format=%(refname)%00%(objectname)"
        listed = git(path, "for-each-ref", form, "refs/heads")
        text = expect(listed, f"the branches of {name} cannot be read")
        lines = text.decode("utf-8", "surrogateescape").splitlines()
        return dict(line.split("\0", 1) for line in lines)

    def bundle(self, name: str, into: Path) -> bool:
        """Write every ref, and all that they need, to one file (git-bundle); False: nothing was
        pushed yet. May go on while people push. Raises Failed (`git-failed`).
        """
        path = self.path(name)
        refs = git(path, "for-each-ref", "--count=1")
        if not expect(refs, f"the refs of {name} cannot be read"):
            return False
        made = git(path, "bundle", "create", "--quiet", str(into), "--all", within=COPY_SECONDS)
        expect(made, f"the repository {name} cannot be copied")
        return True

    def unbundle(self, name: str, bundle: Path | None) -> Path:
        """Make the repository of what `bundle` wrote; None: an empty one. Raises Failed
        (`git-failed`): the bundle is not as git wrote it.
        """
        path = self.create(name)
        if bundle is not None:
            fetch = ("fetch", "--quiet", str(bundle), "+refs/*:refs/*")
            expect(git(path, *fetch, within=COPY_SECONDS), f"the repository {name} cannot be made")
        return path

    def _make(self, path: Path) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.stem}.{os.getpid()}")
        shutil.rmtree(draft, ignore_errors=True)
        made = git(draft, "init", "--quiet", "--bare", "--initial-branch=main", "--template=")
        expect(made, f"the repository {path.stem} cannot be made")
        _write(draft / "config", _CONFIG, 0o644)
        (draft / "hooks").mkdir(exist_ok=True)
        _write(draft / "hooks" / "post-receive", _HOOK, 0o755)
        try:
            draft.rename(path)
        except OSError:
            shutil.rmtree(draft)
            if not path.is_dir():
                raise


def _write(path: Path, text: str, mode: int) -> None:
    """Replace the file at once, if it says anything else."""
    if path.is_file() and path.read_text("utf-8") == text and path.stat().st_mode & 0o777 == mode:
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, "utf-8")
    draft.chmod(mode)
    draft.rename(path)
