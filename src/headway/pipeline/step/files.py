"""The files through which a step speaks: GITHUB_ENV, GITHUB_OUTPUT, GITHUB_STATE, GITHUB_PATH.

Pure; called by job runners. Format: GitHub's documentation, "Environment files". A step writes
them, so every byte is hostile.
"""

from collections.abc import Iterator

from headway.model.errors import Failed

MAX_BYTES = 1024**2
_BLOCKED = ("NODE_OPTIONS",)


def text(data: bytes, file: str) -> str:
    """The text of such a file. Raises Failed (`environment-file`): over 1 MiB, or a NUL in it."""
    if len(data) > MAX_BYTES:
        raise bad(file, "it holds more than 1 MiB")
    if b"\0" in data:
        raise bad(file, "it holds a NUL")
    return data.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n")


def assignments(data: bytes, file: str) -> dict[str, str]:
    """`NAME=value` lines, or `NAME<<END`, lines, `END`; the last one of a name wins.

    Raises Failed (`environment-file`) for anything else.
    """
    found: dict[str, str] = {}
    lines = iter(text(data, file).split("\n"))
    for line in lines:
        if line.strip():
            name, value = _assignment(line, lines, file)
            if not name.strip():
                raise bad(file, f"{line[:80]!r} has no name")
            if file == "GITHUB_ENV" and name.upper() in _BLOCKED:
                raise bad(file, f"a step cannot set {name}")
            found[name] = value
    return found


def _assignment(line: str, lines: Iterator[str], file: str) -> tuple[str, str]:
    equals, heredoc = line.find("="), line.find("<<")
    if equals >= 0 and (heredoc < 0 or equals < heredoc):
        return line[:equals], line[equals + 1 :]
    if heredoc < 0:
        raise bad(file, f"{line[:80]!r} is neither NAME=value nor NAME<<END")
    end = line[heredoc + 2 :]
    if not end:
        raise bad(file, f"{line[:80]!r} names no end of the value")
    value: list[str] = []
    for each in lines:
        if each == end:
            return line[:heredoc], "\n".join(value)
        value.append(each)
    raise bad(file, f"{end[:80]!r}, which ends the value, never comes")


def folders(data: bytes) -> tuple[str, ...]:
    """The folders in GITHUB_PATH, the last one first, as they stand in PATH."""
    lines = (line.strip() for line in text(data, "GITHUB_PATH").split("\n"))
    return tuple(reversed([line for line in lines if line]))


def bad(file: str, why: str) -> Failed:
    """The error of a file that cannot be taken."""
    return Failed(
        f"what the step wrote to {file} is not readable", why=why, code="environment-file"
    )
