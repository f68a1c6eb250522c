"""Which versions of a language are on this machine. Called by tools.

Looked for: the tool cache (NAME/VERSION/ARCH, as runners lay it out: HOME/tools, or what
RUNNER_TOOL_CACHE or AGENT_TOOLSDIRECTORY name), the places of the usual version tools, PATH.
"""

import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from headway.adapters.linux.actions.versions import Version, parse

_WHOLE = re.compile(r"v?[0-9]+\.[0-9]+\.[0-9]+")


@dataclass(frozen=True, slots=True)
class Language:
    """How to find it. `cache`: its names in a tool cache; `places`: globs of folders with `bin`,
    `~` is the home of who runs Headway; `program` in `bin`; `ask`: arguments that make it tell.
    """

    name: str
    cache: tuple[str, ...]
    places: tuple[str, ...]
    program: str
    ask: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tool:
    """One installed version; `program` is the file to run, `bin` goes to PATH."""

    version: Version
    program: Path

    @property
    def bin(self) -> Path:
        """The folder with its programs."""
        return self.program.parent

    @property
    def top(self) -> Path:
        """Where it is installed."""
        return self.bin.parent


PYTHON = Language(
    "Python",
    ("Python",),
    ("~/.pyenv/versions/*", "~/.local/share/uv/python/cpython-*", "/opt/python/*"),
    "python3",
    ("-I", "-c", "import platform; print(platform.python_version())"),
)
NODE = Language(
    "Node.js",
    ("node",),
    ("~/.nvm/versions/node/*", "~/.local/share/fnm/node-versions/*/installation", "/opt/node*"),
    "node",
    ("--version",),
)
GO = Language(
    "Go",
    ("go",),
    ("/usr/local/go", "/usr/lib/go-*", "~/sdk/go*", "~/go/sdk/go*"),
    "go",
    ("env", "GOVERSION"),
)
JAVA = Language(
    "Java",
    ("Java_*_jdk", "Java_Temurin-Hotspot_jdk"),
    ("/usr/lib/jvm/*", "/opt/java/*", "~/.sdkman/candidates/java/*", "~/.jdks/*"),
    "javac",
    ("-version",),
)


def tools(language: Language, cache: Path) -> tuple[Tool, ...]:
    """Every version, newest first; of two alike the one found first. `cache`: the tool cache."""
    found: dict[Version, Tool] = {}
    for program in _programs(language, cache):
        version = _told_by_place(program) or _asked(program.resolve(), language.ask)
        if version:
            found.setdefault(version, Tool(version, program))
    return tuple(found[version] for version in sorted(found, reverse=True))


def _programs(language: Language, cache: Path) -> Iterator[Path]:
    named = [os.environ.get(n, "") for n in ("RUNNER_TOOL_CACHE", "AGENT_TOOLSDIRECTORY")]
    for top in (cache, *(Path(name) for name in named if name)):
        for name in language.cache:
            yield from _existing(top, f"{name}/*/*/bin/{language.program}")
    for place in language.places:
        pattern = os.path.expanduser(place)[1:]  # noqa: PTH111 - a glob, not a path
        yield from _existing(Path("/"), f"{pattern}/bin/{language.program}")
    own = str(Path(sys.prefix) / "bin") if sys.prefix != sys.base_prefix else ""
    folders = [f for f in (os.environ.get("PATH") or os.defpath).split(":") if f and f != own]
    # A version tool's shims ask its settings first; the versions themselves are above.
    for folder in (folder for folder in folders if Path(folder).name != "shims"):
        if there := shutil.which(language.program, path=folder):
            yield Path(there)
        if language is PYTHON:
            yield from _existing(Path(folder), "python3.*")


def _existing(top: Path, pattern: str) -> Iterator[Path]:
    if top.is_dir():
        exact = re.compile(r"python3\.[0-9]+") if pattern == "python3.*" else None
        for path in sorted(top.glob(pattern)):
            if (exact is None or exact.fullmatch(path.name)) and os.access(path, os.X_OK):
                yield path


def _told_by_place(program: Path) -> Version | None:
    """The version in the folder's name, or in a JDK's `release` file; None: it must be asked."""
    for folder in program.parents[1:3]:
        if _WHOLE.fullmatch(folder.name):
            return parse(folder.name)
    release = program.resolve().parent.parent / "release"
    text = release.read_text("utf-8", "replace") if release.is_file() else ""
    found = re.search(r'^JAVA_VERSION="([0-9.]+)', text, re.MULTILINE)
    return parse(found[1]) if found else None


def _asked(program: Path, ask: tuple[str, ...]) -> Version | None:
    """What it says of itself; None if it does not work. Asked again once it was replaced."""
    return _version(str(program), program.stat().st_mtime_ns, ask)


@functools.lru_cache(maxsize=256)
def _version(program: str, _changed_at: int, ask: tuple[str, ...]) -> Version | None:
    try:
        told = subprocess.run(
            [program, *ask], capture_output=True, text=True, timeout=60, check=False
        )
        return parse(told.stdout or told.stderr) if told.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
