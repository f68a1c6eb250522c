"""`${{ }}` in a value: found, checked when the file is read, filled in when the step runs.

This version knows four forms: `inputs.NAME`, `github.sha`, `github.ref_name`, `env.NAME`. What is
filled in is never read again for further `${{ }}`. Called by reader (check) and the runner (fill).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from headway.model.errors import Failed

OPEN = "${{"
_HOLE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_REFERENCE = re.compile(r"(inputs|env|github)\.([A-Za-z_][A-Za-z0-9_-]*)")
GITHUB = ("sha", "ref_name")
_INERT = re.compile(r"[A-Za-z0-9_./:@%+,=][A-Za-z0-9_./:@%+,=-]*|")


@dataclass(frozen=True, slots=True)
class Reference:
    """`inputs.url` is context `inputs`, name `url`."""

    context: str
    name: str


@dataclass(frozen=True, slots=True)
class Hole:
    """One `${{ }}`. `reference` is None if this version cannot fill it; `number` counts from 0."""

    text: str
    number: int
    reference: Reference | None
    closed: bool = True


@dataclass(frozen=True, slots=True)
class Context:
    """What can be filled in, by context name."""

    inputs: Mapping[str, str]
    github: Mapping[str, str]
    env: Mapping[str, str]


def holes(text: str) -> Iterator[Hole]:
    """Every `${{ }}` of the text, in order; one that is never closed comes last."""
    found = list(_HOLE.finditer(text))
    for number, match in enumerate(found):
        yield Hole(match.group(), number, _reference(match.group(1)))
    start = text.find(OPEN, found[-1].end() if found else 0)
    if start >= 0:
        yield Hole(text[start:], len(found), None, closed=False)


def fill(text: str, context: Context) -> str:
    """The text of a value with every hole filled in.

    Raises Failed (`expression`) for a name that has no value: nothing is filled with nothing.
    """
    return _HOLE.sub(lambda match: _value(match, context), text)


def fill_script(text: str, context: Context) -> str:
    """The text of a script. Raises Failed (`injection`) for a value that a shell would interpret.

    Only letters, digits and `_./:@%+,=-` are put into a script; all else is passed as environment.
    """

    def inert(match: re.Match[str]) -> str:
        value = _value(match, context)
        if _INERT.fullmatch(value):
            return value
        name = match.group(1).strip().rpartition(".")[2]
        raise Failed(
            f"`{match.group()}` holds characters that a shell would interpret",
            next=f'write "${name}" in the script: the variable is in its environment',
            code="injection",
        )

    return _HOLE.sub(inert, text)


def _reference(inner: str) -> Reference | None:
    match = _REFERENCE.fullmatch(inner.strip())
    if not match or (match.group(1) == "github" and match.group(2) not in GITHUB):
        return None
    return Reference(match.group(1), match.group(2))


def _value(match: re.Match[str], context: Context) -> str:
    reference = _reference(match.group(1))
    names: Mapping[str, str] = getattr(context, reference.context) if reference else {}
    if reference is None or reference.name not in names:
        raise Failed(f"`{match.group()}` has no value here", code="expression")
    return names[reference.name]
