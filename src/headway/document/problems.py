"""Faults of a file, gathered into the one error a user sees.

The order and the wording are the same for headway.yaml and for workflows: unknown keys first (they
cause others), then as written, at most 20 if not said otherwise. Called by `reader`, settings and
pipeline.
"""

from collections.abc import Iterable

from headway.model.errors import Invalid, Problem

SHOWN = 20
_LONGEST = 80


def invalid(problems: Iterable[Problem], *, most: int = SHOWN) -> Invalid:
    """The error to raise for these problems, of which there must be one; `most` are kept."""
    each = dict.fromkeys(problems)
    found = sorted(each, key=lambda p: (p.code != "unknown-key", p.line, p.column))
    if not found:
        raise ValueError("an error needs a problem")
    many = "1 problem" if len(found) == 1 else f"{len(found)} problems"
    some = f", the first {most} shown" if len(found) > most else ""
    return Invalid(
        f"{many}{some}. Nothing was changed.", code=found[0].code, problems=tuple(found[:most])
    )


def quoted(text: object) -> str:
    """A user's words between backticks: one line, printable, at most 80 characters."""
    words = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(text))
    return f"`{words if len(words) <= _LONGEST else words[:_LONGEST] + '…'}`"
