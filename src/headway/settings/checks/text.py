"""Text that no value may be: templates, control characters, paths that leave the repository."""

import re
from collections.abc import Iterator

from headway.document import Mapping, Path, Scalar, quoted, walk
from headway.model.errors import Problem
from headway.settings import sentences
from headway.settings.checks.places import Places
from headway.settings.grammar import is_secret

_FILES = (("pipeline", "workflow"), ("run", "path"), ("artifact", "from"))
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def check(root: Mapping, file: str) -> Iterator[Problem]:
    """Templates and control characters, in keys and values; secrets are looked at by the schema."""
    for path, key, node in walk(root):
        for scalar in (key, node):
            if not isinstance(scalar, Scalar) or (scalar is node and is_secret(path)):
                continue
            if said := _bad(path, scalar.text):
                yield Problem(file, scalar.at.line, scalar.at.column, *said)


def _bad(path: Path, text: str) -> tuple[str, str] | None:
    name = quoted(next((p for p in reversed(path) if isinstance(p, str)), "the file"))
    if "${{" in text:
        return (
            f"{name} holds a `${{{{ }}}}` template; this file has none. "
            "Use `env`, `secrets`, or a value in the environment's own block"
        ), "template"
    if bad := _CONTROL.search(text):
        return f"{name} holds the control character U+{ord(bad.group()):04X}", "character"
    return None


def paths(places: Places) -> Iterator[Problem]:
    """Paths that leave the repository, for what the schema cannot see."""
    for path, node in places.all():
        if _is_file(path) and isinstance(node, Scalar) and leaves(node.text):
            said = sentences.outside(quoted(path[-1]), node.text)
            yield places.problem(path, *said)


def _is_file(path: Path) -> bool:
    test = path[:1] == ("tests",) and path[2:] in (("workflow",), ("journey",))
    if path[:1] == ("waivers",) and path[2:] == ("at",):
        return True
    return test or path in _FILES or (path[:1] == ("slos",) and path[2:] == ("openslo",))


def leaves(path: str) -> bool:
    """Whether a path may lead out of the folder it is read in."""
    parts = re.split(r"[/\\]", path)
    return ".." in parts or path.startswith(("/", "\\", "~")) or "\n" in path or path.strip() == ""
