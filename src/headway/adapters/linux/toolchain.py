"""Which tools jobs find on this machine, without asking each for its version. Called by workbench.

A tool is known by the file that its name leads to: its path, size and time of change. Another
toolchain has other files, so results of jobs that ran with it are not taken (pipeline/run/keys.py).
Looking at all takes a few milliseconds; `java -version` alone takes fifty.
"""

import platform
import shutil
from pathlib import Path

from headway.adapters.linux.environment import search_path

NAMES = (
    *("bash", "sh", "git", "make", "cc", "gcc", "g++", "clang", "ld", "rustc", "cargo", "go"),
    *("python", "python3", "pip", "pytest", "uv", "node", "npm", "npx", "yarn", "pnpm", "bun"),
    *("java", "javac", "mvn", "gradle", "dotnet", "ruby", "bundle", "php", "composer", "perl"),
    *("podman", "docker", "kubectl", "helm", "terraform"),
)


def fingerprints(home: Path) -> dict[str, str]:
    """Name to fingerprint, of what is there; `home`/tools by what is in it, and the machine's kind.

    What is read at run time from elsewhere (libraries, packages) is not seen.
    """
    found = {"machine": f"{platform.system()} {platform.machine()}"}
    path = search_path()
    for name in NAMES:
        if file := shutil.which(name, path=path):
            found[name] = _fingerprint(Path(file))
    cached = sorted(str(p.relative_to(home)) for p in (home / "tools").glob("*/*/*"))
    return found | ({"tools": " ".join(cached)} if cached else {})


def _fingerprint(file: Path) -> str:
    """Of the file that the name leads to; a name that leads nowhere any more is known as that."""
    try:
        real = file.resolve(strict=True)
        stat = real.stat()
    except OSError as error:
        return f"{file} {error.strerror}"
    return f"{real} {stat.st_size} {stat.st_mtime_ns}"
