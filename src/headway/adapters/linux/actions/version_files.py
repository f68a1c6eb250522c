"""Files that say which version of a language a project wants. Pure. Called by tools.

`.python-version`, `.nvmrc` and their like, `.tool-versions` (asdf), `go.mod` (Go Modules Reference,
"go directive"), `pyproject.toml` (requires-python), `package.json` (volta, devEngines, engines),
`.sdkmanrc`.
"""

import json
import re
import tomllib
from typing import Any

from headway.model.errors import Invalid

_ASDF = {"node": "nodejs", "go": "golang"}


def read_version(name: str, text: str, word: str) -> str:
    """The range that the file asks for. Raises Invalid (`bad-version`) if it asks for none."""
    file = name.rpartition("/")[2]
    try:
        found = _find(file, text, word)
    except (ValueError, AttributeError) as error:
        raise Invalid(f"{name!r} cannot be read", why=str(error), code="bad-version") from error
    if not found:
        raise Invalid(f"{name!r} says no version of {word}", code="bad-version")
    return found


def _find(file: str, text: str, word: str) -> str:
    match file:
        case ".tool-versions":
            return _line(text, rf"{_ASDF.get(word, word)}\s+(\S+)")
        case "go.mod" | "go.work":
            return _line(text, r"toolchain\s+go(\S+)") or _line(text, r"go\s+(\S+)")
        case "pyproject.toml":
            return _pyproject(tomllib.loads(text))
        case "package.json":
            return _package(json.loads(text))
        case ".sdkmanrc":
            return _line(text, r"java\s*=\s*([0-9.]+)\S*")
    lines = [line.strip() for line in text.splitlines()]
    first = next((line for line in lines if line and not line.startswith("#")), "")
    return first.removeprefix("go") if word == "go" else first


def _line(text: str, pattern: str) -> str:
    found = re.search(rf"^\s*{pattern}\s*(?:#.*|//.*)?$", text, re.MULTILINE)
    return found[1] if found else ""


def _pyproject(found: dict[str, Any]) -> str:
    poetry = found.get("tool", {}).get("poetry", {}).get("dependencies", {}).get("python", "")
    return str(found.get("project", {}).get("requires-python", "") or poetry)


def _package(found: dict[str, Any]) -> str:
    volta = found.get("volta", {}).get("node", "")
    runtime = found.get("devEngines", {}).get("runtime", {})
    engine = runtime.get("version", "") if isinstance(runtime, dict) else ""
    return str(volta or engine or found.get("engines", {}).get("node", ""))
