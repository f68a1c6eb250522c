"""Paths of matching rules: `$.items[*]['the id']`, and which rule is nearest to a place.

The format and the weights are those of the Pact specification (github.com/pact-foundation/
pact-specification, "Matchers"): a name that is equal counts 2, a `*` 1, anything else 0; the
product decides, then the longer path. A rule counts for everything below its path too.
"""

import re
from collections.abc import Iterable, Sequence

from headway.contract.interaction import Rule

Path = tuple[str | int, ...]
_TOKEN = re.compile(
    r"\.(?P<name>[A-Za-z0-9_\-:@#/]+)|\.(?P<star>\*)"
    r"|\[(?P<index>[0-9]{1,6})\]|\[(?P<stars>\*)\]|\[(?P<q>['\"])(?P<quoted>.*?)(?P=q)\]"
)
MOST_TOKENS = 60
MOST_LENGTH = 1000


def parse(text: str) -> Path:
    """The tokens after the leading `$`. Raises ValueError with a sentence."""
    if not text.startswith("$") or len(text) > MOST_LENGTH:
        raise ValueError(f"a path begins with `$` and has at most {MOST_LENGTH} characters")
    found: list[str | int] = []
    at = 1
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None or len(found) == MOST_TOKENS:
            raise ValueError(f"cannot be read at character {at + 1}")
        if token["index"] is not None:
            found.append(int(token["index"]))
        elif token["star"] or token["stars"]:
            found.append("*")
        else:
            found.append(token["name"] if token["name"] is not None else token["quoted"])
        at = token.end()
    return tuple(found)


def said(path: Sequence[str | int]) -> str:
    """As people write it: `$.items[0].id`."""
    told = "$"
    for one in path:
        plain = isinstance(one, str) and re.fullmatch(r"[A-Za-z0-9_\-]+", one)
        told += f"[{one}]" if isinstance(one, int) else f".{one}" if plain else f"[{one!r}]"
    return told


def nearest(rules: Iterable[Rule], place: Sequence[str | int]) -> Rule | None:
    """The rule that decides about the place; None: none says anything."""
    best: tuple[tuple[int, int], Rule] | None = None
    for rule in rules:
        weight = _weight(rule.path, place)
        if weight and (best is None or (weight, len(rule.path)) > best[0]):
            best = (weight, len(rule.path)), rule
    return best[1] if best else None


def _weight(path: Path, place: Sequence[str | int]) -> int:
    if len(path) > len(place):
        return 0
    weight = 2
    for token, at in zip(path, place, strict=False):
        weight *= 2 if token == at else 1 if token == "*" else 0
    return weight
