"""Fields of a form, as text without blanks around it. Used by the pages that change something."""

from typing import Any

from headway.model.errors import Invalid

MOST = 1000


def text(form: Any, name: str, most: int = MOST) -> str:
    """A field that must be there. Raises Invalid (`missing-field`)."""
    given = optional(form, name, most)
    if not given:
        raise Invalid(f"`{name}` is missing", why="the form was sent without it",
                      code="missing-field")  # fmt: skip
    return given


def optional(form: Any, name: str, most: int = MOST) -> str:
    """A field that may be empty. Raises Invalid (`long-field`)."""
    found = form.get(name)
    given = found.strip() if isinstance(found, str) else ""
    if len(given) > most:
        raise Invalid(f"`{name}` is too long", why=f"at most {most} characters", code="long-field")
    return given


def number(form: Any, name: str) -> int:
    """A whole number from 0. Raises Invalid (`missing-field`, `no-number`)."""
    given = text(form, name, 20)
    if not (given.isascii() and given.isdecimal()):
        raise Invalid(f"`{name}` is no whole number", code="no-number")
    return int(given)


def words(form: Any, name: str) -> tuple[str, ...]:
    """What stands in a field, parted by commas or blanks."""
    return tuple(optional(form, name).replace(",", " ").split())
