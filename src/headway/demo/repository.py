"""Writes the shop's git repository: version 1, and then the next versions as commits on it.

The versions are one source with three constants set; the same arguments give the same commits.
Called by `headway demo`, which then does with the repository what any user would.
"""

import os
import re
import subprocess
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from headway.model.errors import Failed, Invalid

FAULTS = ("none", "errors", "latency", "leak", "both")
SUBJECTS = {1: "The shop", 2: "Products that go together", 3: "Faster product list"}
DATES = {version: f"2026-01-0{4 + version}T09:00:00+00:00" for version in SUBJECTS}
_MARK = re.compile(r"# mypy: [^\n]*\n")


def write(folder: Path, version: int, fault: str, seed: int) -> str:
    """Make `folder` hold the shop of this version (1 to 3) on branch main; gives the commit's sha.

    Creates the repository, or commits on what is there; the version that is there already is left
    alone. `fault` (one of FAULTS) is built into version 3 only. Raises Invalid for arguments out
    of range, Failed (`git`) with git's own words.
    """
    if version not in SUBJECTS or fault not in FAULTS:
        known = f"versions 1 to 3, faults {', '.join(FAULTS)}"
        raise Invalid(f"no shop of version {version} with fault {fault}", why=known, code="demo")
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / ".git").exists():
        _create(folder)
    built_in = fault if version == 3 else "none"
    for path, text in rendered({"VERSION": version, "FAULT": built_in, "SEED": seed}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return _commit(folder, version)


def rendered(constants: Mapping[str, int | str]) -> dict[str, str]:
    """Every file of the repository by its path, with the constants set in shop.py."""
    found = {path: _MARK.sub("", text, count=1) for path, text in _sources(_shop(), "")}
    for name, value in constants.items():
        line = f'{name} = "{value}"' if isinstance(value, str) else f"{name} = {value}"
        found["shop.py"], times = re.subn(rf"(?m)^{name} = .*$", line, found["shop.py"])
        assert times == 1, f"shop.py sets {name} {times} times"
    return found


def _shop() -> Traversable:
    return files("headway.demo") / "shop"


def _sources(folder: Traversable, prefix: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        path = f"{prefix}{entry.name}"
        if entry.is_dir():
            found += [] if entry.name == "__pycache__" else _sources(entry, f"{path}/")
        else:
            found.append((path, entry.read_text(encoding="utf-8")))
    return found


def _create(folder: Path) -> None:
    _git(folder, "init", "--quiet", "--initial-branch=main", "--template=")
    _git(folder, "config", "user.name", "Shop Team")
    _git(folder, "config", "user.email", "team-shop@example.com")
    _git(folder, "config", "commit.gpgsign", "false")


def _commit(folder: Path, version: int) -> str:
    _git(folder, "add", "--all")
    if _git(folder, "status", "--porcelain"):
        _git(folder, "commit", "--quiet", "--message", SUBJECTS[version], date=DATES[version])
    return _git(folder, "rev-parse", "HEAD")


def _git(folder: Path, *arguments: str, date: str = "") -> str:
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(
            command, env=_environment(date), capture_output=True, text=True, check=True, timeout=60
        )
    except FileNotFoundError as error:
        raise Failed("git is not installed", next="apt install git", code="git") from error
    except subprocess.CalledProcessError as error:
        words = error.stderr.strip() or error.stdout.strip()
        raise Failed(f"git {arguments[0]} in {folder}", why=words, code="git") from error
    return done.stdout.strip()


def _environment(date: str) -> dict[str, str]:
    """Without the GIT_ variables of a hook and without anybody's own configuration."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    kept |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
    return kept | ({"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date} if date else {})
