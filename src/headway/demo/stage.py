"""Where the demo happens: its folders, and the environment that its programs are started with.

Everything lies below one home folder, which is Headway's own; the demo's files are in `demo/` in
it. Called by `show`; nothing here starts anything.
"""

import json
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from headway.model.errors import Failed, Invalid

OWN = ("HEADWAY_HOME", "HEADWAY_SERVER", "HEADWAY_DATABASE")
"""What the demo must not take over from its caller: it never touches another Headway."""


@dataclass(frozen=True, slots=True)
class Stage:
    """`home` is Headway's home folder of this demo."""

    home: Path

    @property
    def own(self) -> Path:
        """The demo's files: repository, logs, counts."""
        return self.home / "demo"

    @property
    def repository(self) -> Path:
        """The shop's git repository, as its team works in it."""
        return self.own / "shop"

    @property
    def users(self) -> Path:
        """What the users counted, JSON."""
        return self.own / "users.json"

    @property
    def logs(self) -> tuple[Path, ...]:
        """Where to look when something went wrong; only those that exist."""
        known = (self.own / "server.log", self.own / "users.log", self.home / "log")
        return tuple(path for path in known if path.exists())

    @property
    def database(self) -> str:
        """The URL of Headway's database."""
        return f"sqlite:///{self.home / 'headway.db'}"


def prepare(home: Path | None) -> Stage:
    """A stage in `home`, or in a fresh folder with a short path. Raises Invalid (`home-in-use`)."""
    if home is None:
        stage = Stage(Path(tempfile.mkdtemp(prefix="headway-demo-", dir=_room())).resolve())
    else:
        stage = Stage(home.resolve())
        if stage.home.exists() and any(stage.home.iterdir()):
            raise Invalid(
                f"{stage.home} is in use",
                why="the demo delivers a first release, so it needs an empty folder",
                next="headway demo --home NEW_FOLDER, or without --home",
                code="home-in-use",
            )
    for folder in (stage.home, stage.own, stage.own / "bin", stage.own / "tmp"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _put_python(stage.own / "bin")
    return stage


def _room() -> Path:
    """The folder for temporary files, unless programs may not be started from there."""
    given = Path(tempfile.gettempdir())
    if not os.statvfs(given).f_flag & os.ST_NOEXEC:
        return given
    cache = Path.home() / ".cache"
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def known(home: Path | None) -> Stage:
    """The stage that a demo with --keep left. Raises Invalid (`no-demo`)."""
    if home is None or not (home / "demo" / "bin").is_dir():
        where = home or "no folder given"
        raise Invalid(
            "there is no demo to stop",
            why=str(where),
            next="headway demo --stop --home DIR",
            code="no-demo",
        )
    return Stage(home.resolve())


def _put_python(folder: Path) -> None:
    """`python3` for the shop's build and its instances is the interpreter that runs Headway.

    Build and run must agree on one, and the workflow needs pip or uv, which that interpreter has on
    a fresh machine. A script, so that its own packages (pip) are found.
    """
    python = folder / "python3"
    python.write_text(f'#!/bin/sh\nexec {_quoted(sys.executable)} "$@"\n')
    python.chmod(0o755)
    if find_spec("pip") is not None:
        return
    beside = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}{Path(sys.executable).parent}"
    uv = shutil.which("uv", path=beside)
    if uv is None:
        raise Failed(
            "the shop cannot be built here",
            why=f"its workflow installs packages with pip or uv, and {sys.executable} has neither",
            next="apt install python3-pip, or install uv",
            code="no-pip",
        )
    (folder / "uv").symlink_to(Path(uv).resolve())


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def environment(stage: Stage) -> dict[str, str]:
    """For every program that the demo starts. Requests to this machine take no proxy."""
    kept = {name: value for name, value in os.environ.items() if name not in OWN}
    kept |= {
        "PATH": f"{stage.own / 'bin'}{os.pathsep}{kept.get('PATH', os.defpath)}",
        "TMPDIR": str(stage.own / "tmp"),
    }
    here = "127.0.0.1,localhost"
    for name in ("no_proxy", "NO_PROXY"):
        kept[name] = f"{kept[name]},{here}" if kept.get(name) else here
    return kept


def git_environment(stage: Stage) -> dict[str, str]:
    """For git: without anybody's own configuration, and without questions."""
    kept = {n: v for n, v in environment(stage).items() if not n.startswith("GIT_")}
    quiet = {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
    }
    return kept | quiet | {"LC_ALL": "C"}


def write_json(path: Path, value: object) -> None:
    """Replace the file at once."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(json.dumps(value, indent=2) + "\n")
    new.replace(path)
