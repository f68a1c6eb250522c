"""actions/checkout: the files of a commit, or of a working tree as it is, with a `.git`.

The files come byte for byte from the source host; other repositories come from the action source.
Inputs as in actions/checkout v4 (its README); what would need another machine's rights is refused.
"""

import shutil
import tempfile
from pathlib import Path

from headway.adapters.linux.actions import inside, repository
from headway.adapters.linux.actions.acting import Acting, Part
from headway.adapters.linux.actions.inputs import flag, only
from headway.model.errors import Failed
from headway.ports.action_source import ActionSource
from headway.ports.source_host import SourceHost

INPUTS = {
    **dict.fromkeys(("repository", "ref", "path", "fetch-depth", "fetch-tags", "clean"), "*"),
    **dict.fromkeys(("token", "persist-credentials", "show-progress", "set-safe-directory"), "*"),
    **dict.fromkeys(("submodules", "lfs"), "false"),
    **dict.fromkeys(("ssh-key", "ssh-known-hosts", "ssh-user", "sparse-checkout", "filter"), ""),
    "ssh-strict": "true",
    "sparse-checkout-cone-mode": "true",
    "github-server-url": "",
    "allow-unsafe-pr-checkout": "false",
}
_NO_COMMIT = "0" * 40


class Checkout:
    """`scratch`: a private folder on the file system of the workspaces."""

    def __init__(self, source: SourceHost, actions: ActionSource, scratch: Path) -> None:
        self._source = source
        self._actions = actions
        self._scratch = scratch

    def part(self) -> Part:
        """The action's only part."""
        return self.run

    def run(self, acting: Acting) -> int:
        """Check out. Raises HeadwayError."""
        only(acting.inputs, INPUTS, "actions/checkout")
        into = self._into(acting)
        other = acting.inputs.get("repository", "").strip()
        if other and other != _own(acting):
            sha = self._other(acting, other, into)
        elif acting.order.folder and not acting.inputs.get("ref", "").strip():
            sha = self._working_tree(acting, into)
        else:
            sha = self._commit(acting, into)
        acting.outputs["commit"] = sha
        acting.outputs["ref"] = _ref(acting) or sha
        return 0

    def _into(self, acting: Acting) -> Path:
        path = acting.inputs.get("path", "").strip() or "."
        into = inside.place(path, acting.checkout, (acting.checkout,))
        into.mkdir(parents=True, exist_ok=True)
        if any(into.iterdir()):
            if not flag(acting.inputs, "clean", default=True):
                raise Failed(
                    f"{path!r} is not empty, and `clean: false` keeps what is there",
                    next="check out into an empty folder, or leave `clean` out",
                    code="not-empty",
                )
            for old in into.iterdir():
                inside.remove(old)
        return into

    def _commit(self, acting: Acting, into: Path) -> str:
        order = acting.order
        wanted = acting.inputs.get("ref", "").strip()
        sha = self._source.commit(order.repo, wanted).sha if wanted else order.sha
        self._source.checkout(order.repo, sha, str(into))
        self._add_git(acting, into, order.repo, sha)
        acting.hands.say(f"commit {sha} is checked out")
        return sha

    def _working_tree(self, acting: Acting, into: Path) -> str:
        order = acting.order
        folder = Path(order.folder).resolve()
        count = copy_tree(folder, into)
        if order.sha and order.sha != _NO_COMMIT:
            self._add_git(acting, into, order.folder, order.sha)
        acting.hands.say(f"{count} files of {folder} as they are, on commit {order.sha}")
        return order.sha

    def _other(self, acting: Acting, name: str, into: Path) -> str:
        ref = acting.inputs.get("ref", "").strip() or "HEAD"
        sha = acting.order.actions.get(f"{name}@{ref}") or self._actions.resolve(name, ref)
        copied = shutil.copytree(
            self._actions.fetch(name, sha), into, symlinks=True, dirs_exist_ok=True
        )
        for path in (Path(copied), *Path(copied).rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | 0o200)
        acting.hands.say(f"{name}@{ref} ({sha}) is checked out, without its history")
        return sha

    def _add_git(self, acting: Acting, into: Path, repo: str, sha: str) -> None:
        source = repository.git_folder(repo)
        if source is None:
            acting.hands.say("the commit's files only: its repository is not on this machine")
            return
        wanted = repository.Wanted(
            sha, _ref(acting), _depth(acting), flag(acting.inputs, "fetch-tags")
        )
        self._scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._scratch) as private:
            repository.add(into, source, wanted, Path(private))


def copy_tree(folder: Path, into: Path) -> int:
    """Copy a working tree: what git tracks, and new files that it does not ignore. Without git
    everything. Gives how many; what vanishes meanwhile is left out, as a deleted file is.
    """
    names = repository.listed(folder)
    if names is None:
        names = [str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir()]
    count = 0
    for name in names:
        path, relative = folder / name, Path(name)
        if path.is_symlink():
            inside.write_link(into, relative, str(path.readlink()))
        elif path.is_file():
            with path.open("rb") as source:
                executable = inside.is_executable(source)
                inside.write_file(into, relative, source, executable=executable)
        else:
            continue  # deleted, or another repository inside this one
        count += 1
    return count


def _own(acting: Acting) -> str:
    github = acting.order.contexts.get("github") or {}
    return str(github.get("repository", ""))


def _ref(acting: Acting) -> str:
    """The full name of what is checked out: a branch or tag, or empty."""
    given = acting.inputs.get("ref", "").strip()
    ref = given or acting.order.ref
    if ref.startswith(("refs/heads/", "refs/tags/", "refs/pull/")):
        return ref
    is_sha = len(ref) in {40, 64} and not ref.strip("0123456789abcdef")
    return f"refs/heads/{ref}" if ref and ref != "HEAD" and not is_sha else ""


def _depth(acting: Acting) -> int:
    text = acting.inputs.get("fetch-depth", "").strip() or "1"
    try:
        depth = int(text)
    except ValueError:
        depth = -1
    if depth < 0:
        raise Failed(f"`fetch-depth: {text[:80]}` is no number from 0", code="bad-input")
    return depth
