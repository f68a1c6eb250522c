"""Reads the inputs of a built-in action: every name known, every value understood or refused."""

from collections.abc import Mapping

from headway.model.errors import Failed, Refused

_TRUE, _FALSE = {"true", "True", "TRUE"}, {"false", "False", "FALSE"}


def flag(inputs: Mapping[str, str], name: str, *, default: bool = False) -> bool:
    """A boolean by the rules of YAML 1.2. Raises Failed (`bad-input`)."""
    text = inputs.get(name, "").strip()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if not text:
        return default
    raise Failed(f"`{name}: {text[:80]}` is neither true nor false", code="bad-input")


def one_of(inputs: Mapping[str, str], name: str, *choices: str) -> str:
    """The value, the first choice if none is given. Raises Failed (`bad-input`)."""
    text = inputs.get(name, "").strip() or choices[0]
    if text not in choices:
        raise Failed(f"`{name}: {text[:80]}` is none of {', '.join(choices)}", code="bad-input")
    return text


def only(inputs: dict[str, str], known: Mapping[str, str], uses: str) -> None:
    """Refuse inputs that the action does not have, and those that are not done here. The names
    become those of the action, as they may be written in any case.

    `known` says what is accepted: `*` any value; else the one value that changes nothing. Raises
    Refused (`unknown-input`, `unsupported-input`).
    """
    for name, value in list(inputs.items()):
        inputs[name.lower()] = inputs.pop(name)
        may = known.get(name.lower())
        if may is None:
            raise Refused(
                f"`{uses}` has no input `{name[:80]}` here",
                why=f"there are {', '.join(sorted(known)) or 'none'}",
                code="unknown-input",
            )
        if may != "*" and value.strip() not in {"", may}:
            raise Refused(
                f"`{name}: {value[:80]}` of `{uses}` is not done here",
                why=f"only `{may}` is" if may else "leave it out",
                code="unsupported-input",
            )
