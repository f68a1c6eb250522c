"""Mirrors of far repositories, their refs, and what differs between commits.

Serves ports/repositories. A token travels as configuration in git's environment, never as an
argument or in a URL; nothing that git says about an address is passed on.
"""

import base64
import fcntl
import hashlib
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headway.adapters.git.command import closed_environment, git, git_folder
from headway.adapters.git.objects import entries, shared
from headway.model.errors import Invalid, Unreachable
from headway.ports.repositories import Repositories

FETCH_SECONDS = 600.0
HEADS_SECONDS = 60.0
MOST_REFS = 50_000
MOST_PATHS = 20_000
MOST_FILES = 1000
MOST_TREE_BYTES = 16 * 1024**2
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_URL = re.compile(r"https?://[^\s\x00-\x1f\x7f]{1,2000}")
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# what old, honest repositories have in their history
_FORGIVEN = (
    *("zeroPaddedFilemode", "missingSpaceBeforeDate", "badTimezone", "zeroPaddedDate"),
    *("missingSpaceBeforeEmail", "missingNameBeforeEmail", "badEmail", "badDate"),
)
_MOVED = re.compile(r"returned error: 30[1278]|redirect", re.IGNORECASE)
_REFUSED = re.compile(
    r"authentication failed|could not read (username|password)|returned error: 40[134]"
    r"|repository .* not found|does not appear to be a git repository",
    re.IGNORECASE,
)


class GitRepositories(Repositories):
    """Mirrors lie in HOME/mirrors, one folder for each address."""

    def __init__(self, home: Path) -> None:
        self._mirrors = home / "mirrors"
        self._objects = shared()

    def heads(self, address: str, token: str = "") -> dict[str, str]:
        """See Repositories."""
        where, near = _place(address)
        said = _git(near or Path("/nonexistent"), token, HEADS_SECONDS, "ls-remote", "--symref",
                    "--end-of-options", where)  # fmt: skip
        lines = said.decode("utf-8", "replace").splitlines()
        if len(lines) > MOST_REFS:
            raise Invalid("the repository has too many refs", code="too-many-refs")
        return _refs(lines)

    def bring(self, address: str, refs: tuple[str, ...], token: str = "") -> str:
        """See Repositories. A folder on this machine is given as it is."""
        where, near = _place(address)
        if near is not None:
            return address
        folder = Path(self.place(address))
        with _alone(folder):
            if not (folder / "HEAD").exists():
                _init(folder)
            there = self.heads(address, token)
            wanted = [f"+{r}:{r}" for r in refs if r.startswith("refs/") and r not in there]
            _fetch(folder, where, token, ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"])
            for spec in wanted:
                _fetch(folder, where, token, [spec], may_lack=True)
            if "HEAD" in there:
                git(folder, "symbolic-ref", "HEAD", there["HEAD"])
        return str(folder)

    def place(self, address: str) -> str:
        """See Repositories."""
        if not _URL.fullmatch(address):
            return address
        return str(self._mirrors / f"{hashlib.sha256(address.encode()).hexdigest()[:20]}.git")

    def files(self, repo: str, sha: str, folder: str) -> tuple[str, ...]:
        """See Repositories."""
        wanted = f"{_checked(sha)}:{folder.strip('/')}"
        if self._objects.get(git_folder(repo), f"{sha}^{{tree}}", MOST_TREE_BYTES) is None:
            raise Invalid(f"there is no commit {sha[:12]!r} in {repo}", code="unknown-revision")
        tree = self._objects.get(git_folder(repo), wanted, MOST_TREE_BYTES)
        if tree is None or tree.kind != "tree":
            return ()
        names = sorted(e.name for e in entries(tree) if e.mode.startswith("100"))
        top = f"{folder.strip('/')}/".lstrip("/")
        return tuple(f"{top}{name.decode('utf-8', 'replace')}" for name in names)[:MOST_FILES]

    def changed(self, repo: str, base: str, head: str, *, forked: bool) -> tuple[str, ...] | None:
        """See Repositories."""
        folder = git_folder(repo)
        from_, to = _checked(base) if base else EMPTY_TREE, _checked(head)
        if forked and base:
            found = git(folder, "merge-base", "--end-of-options", from_, to)
            from_ = found.stdout.decode("ascii", "replace").strip()
            if found.returncode or not _SHA.fullmatch(from_):
                return None
        try:
            listed = git(folder, "diff-tree", "-r", "-z", "--name-only", "--no-renames",
                         "--end-of-options", from_, to)  # fmt: skip
        except Unreachable:
            return None
        if listed.returncode:
            return None
        paths = tuple(listed.stdout.decode("utf-8", "replace").split("\0")[:-1])
        return paths if len(paths) <= MOST_PATHS else None


def _place(address: str) -> tuple[str, Path | None]:
    """What git is told, and the folder if it is on this machine. Raises Invalid."""
    if _URL.fullmatch(address):
        return address, None
    folder = git_folder(address)
    return str(folder), folder


def _checked(sha: str) -> str:
    if not _SHA.fullmatch(sha):
        raise Invalid(f"{sha[:60]!r} is not the name of a commit", code="unknown-revision")
    return sha


def _refs(lines: list[str]) -> dict[str, str]:
    """Of `ls-remote --symref`; a tag's own object gives way to the commit it means (`^{}`)."""
    found: dict[str, str] = {}
    for line in lines:
        left, _, name = line.partition("\t")
        if left.startswith("ref: ") and name == "HEAD":
            found["HEAD"] = left.removeprefix("ref: ")
        elif name.startswith(("refs/heads/", "refs/tags/")) and _SHA.fullmatch(left):
            found[name.removesuffix("^{}")] = left
    return found


def _init(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    made = git(folder, "init", "-q", "--bare", str(folder))
    if made.returncode:
        raise Unreachable(f"no mirror can be made in {folder.parent}", code="git-failed")


def _fetch(
    folder: Path, where: str, token: str, specs: list[str], *, may_lack: bool = False
) -> None:
    """Bring these refs up to date. `may_lack`: one that is not there is left out."""
    prune = [] if may_lack else ["--prune"]
    try:
        _git(folder, token, FETCH_SECONDS, "fetch", "-q", "--no-tags", "--no-write-fetch-head",
             "--no-recurse-submodules", *prune, "--end-of-options", where, *specs)  # fmt: skip
    except Unreachable as error:
        if not (may_lack and error.code == "missing-ref"):
            raise


def _git(folder: Path, token: str, seconds: float, *arguments: str) -> bytes:
    """What git says of a far repository. Raises Unreachable, Invalid (`unknown-repository`)."""
    try:
        done = subprocess.run(
            ["git", f"--git-dir={folder}", *arguments],
            env=_environment(folder, token),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except FileNotFoundError as error:
        raise Unreachable("git is not installed here", code="git-missing") from error
    except subprocess.TimeoutExpired:
        raise Unreachable("the repository does not answer in time", code="git-timeout") from None
    if done.returncode == 0:
        return done.stdout
    text = done.stderr.decode("utf-8", "replace")
    if "couldn't find remote ref" in text:
        raise Unreachable("the ref is not there", code="missing-ref")
    if _MOVED.search(text):
        raise Invalid(
            "the repository has moved; give its present address",
            next="headway connection add --help",
            code="unknown-repository",
        )
    if _REFUSED.search(text):
        raise Invalid(
            "the repository is not there, or the token may not read it",
            next="headway connection add --help",
            code="unknown-repository",
        )
    raise Unreachable("the repository does not answer", code="git-failed")


def _environment(folder: Path, token: str) -> dict[str, str]:
    """The closed one, with http and https let through, and the token as a header."""
    known = closed_environment(folder)
    count = int(known["GIT_CONFIG_COUNT"])
    pairs = [("protocol.http.allow", "always"), ("protocol.https.allow", "always")]
    pairs += [("http.followRedirects", "false"), ("transfer.fsckObjects", "true")]
    pairs += [(f"fetch.fsck.{word}", "ignore") for word in _FORGIVEN]
    pairs += [("http.lowSpeedLimit", "1000"), ("http.lowSpeedTime", "30")]
    if token:
        basic = base64.b64encode(f"headway:{token}".encode()).decode()
        pairs.append(("http.extraHeader", f"Authorization: Basic {basic}"))
    for n, (key, value) in enumerate(pairs, count):
        known |= {f"GIT_CONFIG_KEY_{n}": key, f"GIT_CONFIG_VALUE_{n}": value}
    return known | {"GIT_CONFIG_COUNT": str(count + len(pairs))}


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One at a time per mirror, also between processes."""
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(folder.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
