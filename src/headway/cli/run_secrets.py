"""Variables and secrets for a run, from the command line, the environment and a file.

A secret's value is never an argument: other users of a machine read those. `--secret NAME` takes it
from the environment variable of that name, `--secret NAME=OTHER` from another one. A file has lines
`NAME=value`; a value over several lines is written `NAME<<END`, the lines, `END`, as in the
environment files of a step.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from headway.model.errors import Invalid

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MOST_BYTES = 1024**2


def pairs(given: tuple[str, ...], option: str) -> dict[str, str]:
    """`K=V` several times. Raises Invalid (`usage`)."""
    found: dict[str, str] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise Invalid(f"{option} takes NAME=VALUE", next="headway run --help", code="usage")
        found[name] = value
    return found


def secrets(names: tuple[str, ...], file: str, environ: Mapping[str, str]) -> dict[str, str]:
    """By name; what is named on the command line wins. Raises Invalid (`no-secret`, `bad-name`,
    `secret-file`).
    """
    found = from_file(Path(file)) if file else {}
    for one in names:
        name, _, other = one.partition("=")
        _check(name, "--secret")
        if (other or name) not in environ:
            raise Invalid(
                f"there is no environment variable `{(other or name)[:80]}` for --secret {name}",
                why="the value of a secret comes from the environment or a file, never an argument",
                next=f"{name}=… headway run --secret {name}, or --secret-file FILE",
                code="no-secret",
            )
        found[name] = environ[other or name]
    return found


def from_file(file: Path) -> dict[str, str]:
    """Lines `NAME=value`, `NAME<<END` blocks, `#` comments, `export ` allowed in front."""
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise Invalid(f"{file} is larger than 1 MiB", code="secret-file")
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{file} cannot be read", why=_reason(error), code="secret-file") from error
    return _parsed(file, lines)


def _reason(error: OSError | UnicodeDecodeError) -> str:
    """Without the bytes: they are secret."""
    return (error.strerror or "") if isinstance(error, OSError) else "it is not UTF-8"


def _parsed(file: Path, lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    while at < len(lines):
        line = lines[at].strip().removeprefix("export ").lstrip()
        at += 1
        if not line or line.startswith("#"):
            continue
        block = re.fullmatch(r"([^=<]+)<<(\S+)", line)
        if block:
            name, end = block.groups()
            if end not in lines[at:]:
                raise _broken(file, at, f"the block of `{name}` never ends")
            until = lines.index(end, at)
            found[_named(file, at, name)] = "\n".join(lines[at:until])
            at = until + 1
        else:
            name, equals, value = line.partition("=")
            if not equals:
                raise _broken(file, at, "it is no `NAME=value`")
            found[_named(file, at, name)] = _unquoted(value.strip())
    return found


def _named(file: Path, line: int, name: str) -> str:
    if not _NAME.fullmatch(name.strip()):
        raise _broken(file, line, "the name is no name")
    return name.strip()


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        try:
            return str(json.loads(value))
        except ValueError:
            return value[1:-1]
    return value[1:-1] if len(value) >= 2 and value[0] == value[-1] == "'" else value


def _broken(file: Path, line: int, why: str) -> Invalid:
    """Names the line, never shows it."""
    return Invalid(f"line {line} of {file} cannot be read", why=why, code="secret-file")


def _check(name: str, option: str) -> None:
    if not _NAME.fullmatch(name):
        raise Invalid(f"{option}: `{name[:80]}` is no name of a secret", code="bad-name")
