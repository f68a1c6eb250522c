"""What a folder holds, and so how it is built and started: one function per kind of project.

Only names and a few lines of text are looked at; nothing is run. Called by cli/init.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

_MOST_BYTES = 256 * 1024
_MOST_FILES = 200
_HEALTH_PATHS = ("/health/ready", "/healthz", "/health", "/ready")
_SOURCES = frozenset({".py", ".js", ".ts", ".mjs", ".go", ".java", ".kt", ".rb"})
_LOCAL = "--host 127.0.0.1 --port $PORT"


@dataclass(frozen=True, slots=True)
class Kit:
    """How this project is delivered. `found` is the file that said so.

    `build` are the steps before packing: (name, script). `pack` fills the folder `release`, which
    becomes the artifact; `run` is started in it. `doubt` is what a person should look at.
    """

    found: str
    build: tuple[tuple[str, str], ...]
    run: str
    health: str = "/"
    pack: str = ""
    doubt: str = ""


def recognise(folder: Path) -> Kit | None:
    """The kit of the folder, or None if nothing in it is known. Reads only."""
    kit = next((kit for find in _KITS if (kit := find(folder))), None)
    if kit is None:
        return None
    command = _procfile(folder)
    if command and kit.found != "Procfile":
        kit = replace(kit, found=f"{kit.found}, Procfile", run=command, doubt="")
    return replace(kit, health=_health(folder))


def _python(folder: Path) -> Kit | None:
    found = _first(folder, "requirements.txt", "pyproject.toml")
    if not found:
        return None
    what = "-r requirements.txt" if found == "requirements.txt" else "."
    install = f"python3 -m pip install --quiet --target lib {what}"
    run, doubt = _python_run(folder)
    return Kit(found, (("Install", install),), run, doubt=doubt)


def _python_run(folder: Path) -> tuple[str, str]:
    """Started as the framework wants it, if one is seen in a file at the top."""
    if (folder / "manage.py").is_file():
        return "PYTHONPATH=lib exec python3 manage.py runserver --noreload 127.0.0.1:$PORT", ""
    for file in sorted(folder.glob("*.py")):
        app = re.search(r"^([a-zA-Z_]\w*)\s*=\s*(FastAPI|Starlette|Flask)\(", _text(file), re.M)
        if app and app[2] == "Flask":
            options = f"--app {file.stem}:{app[1]} run {_LOCAL}"
            return f"PYTHONPATH=lib exec python3 -m flask {options}", ""
        if app:
            return f"PYTHONPATH=lib exec python3 -m uvicorn {file.stem}:{app[1]} {_LOCAL}", ""
    main = _first(folder, "main.py", "app.py", "server.py") or "main.py"
    return f"PYTHONPATH=lib exec python3 {main}", f"does {main} listen on $PORT?"


def _node(folder: Path) -> Kit | None:
    if not (folder / "package.json").is_file():
        return None
    install = "npm ci" if (folder / "package-lock.json").is_file() else "npm install"
    build = (("Install", install), ("Build", "npm run build --if-present"))
    has_start = '"start"' in json.dumps(_package(folder).get("scripts", {}))
    run = "exec npm start" if has_start else "exec node index.js"
    return Kit("package.json", build, run, doubt="does it listen on $PORT?")


def _package(folder: Path) -> dict[str, object]:
    """package.json; empty if it is no JSON object: npm will say what is wrong with it."""
    try:
        found = json.loads(_text(folder / "package.json"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _go(folder: Path) -> Kit | None:
    if not (folder / "go.mod").is_file():
        return None
    mains = [] if (folder / "main.go").is_file() else sorted(folder.glob("cmd/*/main.go"))
    package = f"./cmd/{mains[0].parent.name}" if mains else "."
    build = (("Build", f"mkdir -p release\ngo build -o release/service '{package}'"),)
    tests = (("Test", "go test ./..."),)
    doubt = "does it listen on $PORT?"
    return Kit(
        "go.mod", tests + build, "exec ./service", pack="test -x release/service", doubt=doubt
    )


def _maven(folder: Path) -> Kit | None:
    if not (folder / "pom.xml").is_file():
        return None
    jars = r"find target -maxdepth 1 -name '*.jar' ! -name '*-sources.jar' ! -name '*-javadoc.jar'"
    pack = f'mkdir -p release\ncp "$({jars} | sort | head -n 1)" release/service.jar'
    run = "exec java -jar service.jar --server.address=127.0.0.1 --server.port=$PORT"
    build = (("Build and test", "mvn --batch-mode package"),)
    return Kit("pom.xml", build, run, pack=pack, doubt="does it take --server.port?")


def _ruby(folder: Path) -> Kit | None:
    if not (folder / "Gemfile").is_file():
        return None
    install = "bundle config set --local path vendor/bundle\nbundle install"
    rails = (folder / "bin" / "rails").is_file()
    run = "rails server -b 127.0.0.1 -p $PORT" if rails else "rackup -o 127.0.0.1 -p $PORT"
    doubt = "" if rails or (folder / "config.ru").is_file() else "is there a config.ru?"
    return Kit("Gemfile", (("Install", install),), f"exec bundle exec {run}", doubt=doubt)


def _container(folder: Path) -> Kit | None:
    """Images are not built here: the command is taken, the base image is not."""
    if not (folder / "Dockerfile").is_file():
        return None
    command = _container_command(_text(folder / "Dockerfile"))
    doubt = "images are planned: does the command run on this machine, and listen on $PORT?"
    return Kit("Dockerfile", (), command or "exec ./service", doubt=doubt)


def _container_command(text: str) -> str:
    """The last CMD as one shell command, or nothing."""
    found = re.findall(r"^\s*CMD\s+(.+?)\s*$", text, re.M | re.I)
    if not found:
        return ""
    try:
        words = json.loads(found[-1])
    except ValueError:
        return str(found[-1])
    if not (isinstance(words, list) and all(isinstance(word, str) for word in words)):
        return ""
    return " ".join(
        word if re.fullmatch(r"[\w./:=@%+,-]+", word) else _quote(word) for word in words
    )


def _quote(word: str) -> str:
    return "'" + word.replace("'", "'\"'\"'") + "'"


def _static(folder: Path) -> Kit | None:
    if not (folder / "index.html").is_file():
        return None
    return Kit("index.html", (), "exec python3 -m http.server $PORT --bind 127.0.0.1")


def _only_procfile(folder: Path) -> Kit | None:
    return Kit("Procfile", (), _procfile(folder)) if _procfile(folder) else None


_KITS: tuple[Callable[[Path], Kit | None], ...] = (
    _python,
    _node,
    _go,
    _maven,
    _ruby,
    _only_procfile,
    _container,
    _static,
)
KNOWN = (
    "requirements.txt",
    "pyproject.toml",
    "package.json",
    "go.mod",
    "pom.xml",
    "Gemfile",
    "Procfile",
    "Dockerfile",
    "index.html",
)


def _procfile(folder: Path) -> str:
    web = re.search(r"^web:[ \t]*(\S.*?)[ \t]*$", _text(folder / "Procfile"), re.M)
    return web[1] if web else ""


def _first(folder: Path, *names: str) -> str:
    return next((name for name in names if (folder / name).is_file()), "")


def _text(path: Path) -> str:
    """The beginning of a file, or nothing if there is no such file."""
    if not path.is_file():
        return ""
    with path.open("rb") as stream:
        return stream.read(_MOST_BYTES).decode("utf-8", "replace")


def _health(folder: Path) -> str:
    """The first well-known health path that a source mentions, else the first page."""
    texts = [_text(path) for path in _sources(folder)]
    for path in _HEALTH_PATHS:
        if any(f'"{path}"' in text or f"'{path}'" in text for text in texts):
            return path
    return "/"


def _sources(folder: Path) -> Iterator[Path]:
    found = (
        path
        for pattern in ("*", "src/*", "app/*", "cmd/*/*", "src/*/*")
        for path in sorted(folder.glob(pattern))
        if path.suffix in _SOURCES
    )
    for path, _ in zip(found, range(_MOST_FILES), strict=False):
        yield path
