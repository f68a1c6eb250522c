"""Runs git, always as an argument list and always with the same closed environment.

Nothing outside the one repository has a say: no system or user configuration, no hooks, no
prompts, no transport but local files, no LFS download. Called by the files of this folder only.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headway.model.errors import Failed, Invalid, Unreachable

PATH = os.environ.get("PATH") or os.defpath
READ_SECONDS = 60.0

_ENVIRONMENT = {
    "PATH": PATH,
    "LANG": "C.UTF-8",
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
}
_CLOSED = (
    "core.fsmonitor=false",
    "core.quotePath=false",
    "protocol.allow=never",
    "protocol.file.allow=always",
    "submodule.recurse=false",
    "log.showSignature=false",
    "i18n.logOutputEncoding=UTF-8",
)


def closed_environment(repo: Path, hooks: str = "/dev/null") -> dict[str, str]:
    """The whole environment of a git process at `repo`, which alone may be owned by others.

    `hooks` is the folder of the hooks that may run. The settings travel as GIT_CONFIG_COUNT
    (git-config, "ENVIRONMENT"), which git treats like `-c`.
    """
    pairs = (*_CLOSED, f"core.hooksPath={hooks}", f"safe.directory={repo}")
    settings = [pair.split("=", 1) for pair in pairs]
    numbered = {
        f"GIT_CONFIG_{word}_{n}": text
        for n, pair in enumerate(settings)
        for word, text in zip(("KEY", "VALUE"), pair, strict=True)
    }
    return {**_ENVIRONMENT, **numbered, "GIT_CONFIG_COUNT": str(len(settings))}


def git_folder(repo: str) -> Path:
    """The git directory of a bare or non-bare repository on this machine.

    Raises Invalid (`unknown-repository`) for anything else, addresses included.
    """
    if repo and "\0" not in repo:
        path = Path(repo).resolve()
        candidates = (path / ".git", path) if (path / ".git").exists() else (path,)
        for candidate in candidates:
            if (candidate / "objects").is_dir() and (candidate / "HEAD").is_file():
                return candidate
        if (path / ".git").is_file():
            return _linked(path)
    raise Invalid(
        f"{repo!r} is not a Git repository here",
        why="Headway reads repositories on this machine, by folder",
        next="git init, or give the folder that holds .git",
        code="unknown-repository",
    )


def _linked(path: Path) -> Path:
    """The git directory of a linked worktree, whose `.git` is a file that names it."""
    word, _, target = (path / ".git").read_text("utf-8", "replace").strip().partition(": ")
    folder = (path / target).resolve()
    if word == "gitdir" and (folder / "HEAD").is_file():
        return folder
    raise Invalid(f"{path} is not a Git repository here", code="unknown-repository")


def git(
    folder: Path, *arguments: str, within: float = READ_SECONDS
) -> subprocess.CompletedProcess[bytes]:
    """Run git to its end, `within` so many seconds; the exit code is the caller's to judge.

    Raises Unreachable (`git-missing`, `git-timeout`).
    """
    try:
        return subprocess.run(
            ["git", f"--git-dir={folder}", *arguments],
            env=closed_environment(folder),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=within,
            check=False,
        )
    except FileNotFoundError as error:
        raise missing() from error
    except subprocess.TimeoutExpired as error:
        raise Unreachable(
            f"git {arguments[0]} gave no answer in {within:.0f} s", code="git-timeout"
        ) from error


@contextmanager
def conversation(folder: Path, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A git process with open pipes, gone when the block is left."""
    try:
        process = subprocess.Popen(
            ["git", f"--git-dir={folder}", *arguments],
            env=closed_environment(folder),
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except FileNotFoundError as error:
        raise missing() from error
    with process:
        try:
            yield process
        finally:
            process.kill()


def said(result: "subprocess.CompletedProcess[bytes]") -> str:
    """The last line git wrote to stderr, short and printable."""
    lines = result.stderr.decode("utf-8", "replace").strip().splitlines()
    last = lines[-1] if lines else f"exit code {result.returncode}"
    return "".join(c if c.isprintable() else "?" for c in last)[:300]


def expect(result: "subprocess.CompletedProcess[bytes]", what: str) -> bytes:
    """The output of a command that must work. Raises Failed (`git-failed`)."""
    if result.returncode:
        raise Failed(what, why=said(result), code="git-failed")
    return result.stdout


def missing() -> Unreachable:
    """What to say where there is no git."""
    return Unreachable(
        "git is not installed here", next="install git (apt install git)", code="git-missing"
    )
