"""Fetches actions and reusable workflows of other repositories. Serves ports/action_source.

The base is an address (`https://github.com`) or a folder of mirrors (`/srv/mirrors`, with
OWNER/NAME or OWNER/NAME.git). Kept below HOME/actions:

    git/OWNER/NAME.git      what was fetched so far, bare
    trees/OWNER/NAME/SHA    the files of one commit, read-only
    sums/OWNER/NAME/SHA     the checksum of those files, compared again at each use

Names and refs are hostile text (they come from workflow files).
"""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from headway.adapters.git.command import closed_environment, said
from headway.adapters.git.tree import write_tree
from headway.adapters.git.tree_sum import tree_sum
from headway.model.errors import Failed, HeadwayError, Invalid, Unreachable
from headway.ports.action_source import ActionSource

BASE = "https://github.com"
FETCH_SECONDS = 300.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}")
_REF = re.compile(r"[A-Za-z0-9_+=@{}./#-]{1,250}")
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SCHEMES = ("https://", "http://", "file://", "ssh://")
_PASSED = (
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "SSH_AUTH_SOCK"),
)


class GitActions(ActionSource):
    """`base`: see above; empty: HEADWAY_ACTIONS_BASE of the environment, else BASE."""

    def __init__(self, home: Path, base: str = "") -> None:
        self._home = home.resolve() / "actions"
        self._base = (base or os.environ.get("HEADWAY_ACTIONS_BASE", "") or BASE).rstrip("/")

    def resolve(self, name: str, ref: str) -> str:
        """The commit that the ref means now; a full object name means itself, once it was found.

        Raises Invalid (`no-action`, `bad-name`), Unreachable (`no-actions`).
        """
        _check(name, ref)
        if _SHA.fullmatch(ref):
            with self._repository(name) as folder:
                self._have(folder, name, ref)
            return ref
        asked = [ref] if ref == "HEAD" else [f"refs/tags/{ref}", f"refs/heads/{ref}", ref]
        patterns = [pattern for one in asked for pattern in (one, f"{one}^{{}}")]
        told = self._git(None, "ls-remote", "--quiet", "--", self._url(name), *patterns)
        if told.returncode:
            raise self._unreachable(name, said(told))
        return _meant(told.stdout.decode("utf-8", "replace"), asked, f"{name}@{ref}")

    def fetch(self, name: str, sha: str) -> str:
        """The folder with that commit's files. What it holds is checked each time.

        Raises Invalid (`no-action`, `bad-name`), Unreachable (`no-actions`), Refused
        (`hostile-tree`), Failed (`storage-full`, `storage-failed`).
        """
        _check(name, sha)
        if not _SHA.fullmatch(sha):
            raise Invalid(f"{sha[:80]!r} is not a commit", code="bad-name")
        with self._repository(name) as folder:
            tree = self._home / "trees" / name / sha
            if not self._intact(name, sha, tree):
                self._have(folder, name, sha)
                self._write(folder, name, sha, tree)
            return str(tree)

    def _intact(self, name: str, sha: str, tree: Path) -> bool:
        """Whether the files are what they were; what was changed is set aside and fetched anew."""
        kept = self._home / "sums" / name / sha
        if not tree.is_dir() or not kept.is_file():
            return False
        if tree_sum(tree) == kept.read_text("ascii"):
            return True
        aside = self._home / "damaged" / f"{name.replace('/', '-')}-{sha}-{os.urandom(4).hex()}"
        aside.parent.mkdir(parents=True, exist_ok=True)
        tree.rename(aside)
        return False

    def _write(self, folder: Path, name: str, sha: str, tree: Path) -> None:
        try:
            tree.parent.mkdir(parents=True, exist_ok=True)
            _remove(tree)
            with tempfile.TemporaryDirectory(dir=tree.parent, prefix=".part-") as part:
                fresh = Path(part) / "tree"
                fresh.mkdir()
                write_tree(folder, sha, fresh)
                _read_only(fresh)
                total = tree_sum(fresh)
                fresh.rename(tree)
            kept = self._home / "sums" / name / sha
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(total, "ascii")
        except OSError as error:
            full = error.errno in {28, 122}
            raise Failed(
                f"{name} cannot be kept",
                why=str(error),
                code="storage-full" if full else "storage-failed",
            ) from error

    def _have(self, folder: Path, name: str, sha: str) -> None:
        """Get the commit's objects unless they are there."""
        if self._has(folder, sha):
            return
        self._check_mirror(name)
        asked = ("fetch", "--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head")
        told = self._git(folder, *asked, "--", self._url(name), sha)
        if told.returncode and not self._has(folder, sha):
            # Not every server gives out a commit by its name: then all that it has.
            every = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
            told = self._git(folder, "fetch", "--quiet", "--", self._url(name), *every)
            if told.returncode:
                raise self._unreachable(name, said(told))
        if not self._has(folder, sha):
            raise _no_action(f"{name}@{sha}", "the repository has no such commit")

    def _has(self, folder: Path, sha: str) -> bool:
        asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{sha}^{{tree}}")
        return self._git(folder, *asked).returncode == 0

    @contextlib.contextmanager
    def _repository(self, name: str) -> Iterator[Path]:
        """The bare repository of one name, made if it is not there; one process at a time."""
        folder = self._home / "git" / f"{name}.git"
        folder.parent.mkdir(parents=True, exist_ok=True)
        with folder.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "HEAD").is_file():
                shutil.rmtree(folder, ignore_errors=True)
                told = self._git(folder, "init", "--quiet", "--bare", "--template=")
                if told.returncode:
                    raise Failed(f"{folder} cannot be made", why=said(told), code="git-failed")
            yield folder

    def _url(self, name: str) -> str:
        if self._base.startswith(_SCHEMES):
            return f"{self._base}/{name}"
        for found in (Path(self._base, name), Path(self._base, f"{name}.git")):
            if found.is_dir():
                return str(found.resolve())
        raise _no_action(name, f"there is no {name} in {self._base}")

    def _check_mirror(self, name: str) -> None:
        """A folder that has no such repository is told before git is asked."""
        self._url(name)

    def _git(self, folder: Path | None, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
        argv = ["git", *([f"--git-dir={folder}"] if folder else []), *arguments]
        try:
            return subprocess.run(
                argv,
                env=_environment(folder),
                cwd="/",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=FETCH_SECONDS,
                check=False,
            )
        except FileNotFoundError as error:
            raise Unreachable("git is not installed here", code="git-missing") from error
        except subprocess.TimeoutExpired as error:
            raise Unreachable(
                f"{self._base} gave no answer in {FETCH_SECONDS:.0f} s", code="no-actions"
            ) from error

    def _unreachable(self, name: str, why: str) -> HeadwayError:
        return Unreachable(
            f"{name} cannot be fetched from {self._base}",
            why=why,
            next="set HEADWAY_ACTIONS_BASE to an address or a folder of mirrors that has it",
            code="no-actions",
        )


def _environment(folder: Path | None) -> dict[str, str]:
    """As for every git here, and the network by https, http and ssh."""
    closed = closed_environment(folder or Path("/"))
    count = int(closed["GIT_CONFIG_COUNT"])
    more = [
        *((f"protocol.{scheme}.allow", "always") for scheme in ("https", "http", "ssh")),
        ("safe.directory", "*"),
    ]
    for number, (key, value) in enumerate(more, start=count):
        closed[f"GIT_CONFIG_KEY_{number}"] = key
        closed[f"GIT_CONFIG_VALUE_{number}"] = value
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    return {**closed, **passed, "GIT_CONFIG_COUNT": str(count + len(more))}


def _check(name: str, ref: str) -> None:
    """Raises Invalid (`bad-name`)."""
    owner, _, repository = name.partition("/")
    if not _NAME.fullmatch(name) or repository in {".", ".."} or repository.endswith(".git"):
        raise Invalid(
            f"{name[:80]!r} cannot name an action's repository", why="OWNER/NAME", code="bad-name"
        )
    bad = ref.startswith(("-", "/")) or ref.endswith(("/", ".", ".lock")) or owner.endswith("-")
    if bad or not _REF.fullmatch(ref) or ".." in ref or "@{" in ref or "//" in ref:
        raise Invalid(f"{ref[:80]!r} cannot name a version of {name}", code="bad-name")


def _meant(listed: str, asked: list[str], whole: str) -> str:
    """The commit in the answer of ls-remote: a tag before a branch, `^{}` is what a tag means."""
    found = {}
    for line in listed.splitlines():
        sha, _, ref = line.partition("\t")
        found[ref] = sha
    for ref in asked:
        meant = found.get(f"{ref}^{{}}") or found.get(ref)
        if meant and _SHA.fullmatch(meant):
            return meant
    raise _no_action(whole, "the repository has no such tag or branch")


def _no_action(whole: str, why: str) -> Invalid:
    return Invalid(f"there is no action {whole}", why=why, code="no-action")


def _read_only(tree: Path) -> None:
    for parent, folders, names in os.walk(tree, topdown=False):
        for path in (Path(parent) / name for name in (*names, *folders)):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & ~0o222)


def _remove(tree: Path) -> None:
    """A tree whose checksum was never written: its writer was stopped in between."""
    if tree.is_dir():
        for parent, _, _ in os.walk(tree):
            Path(parent).chmod(0o755)
        shutil.rmtree(tree)
