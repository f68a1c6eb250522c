"""Version ranges as setup actions take them. Pure. Called by tools.

The grammar is that of node-semver ("Ranges"): `20`, `3.x`, `~1.22`, `^18.2`, `>=3.9 <3.13`,
`3.9 - 3.12`, `16 || 18`. Python's own (`>=3.9,<4`, `~=3.11`, `==3.12.*`) is read as well.
"""

import re
from collections.abc import Sequence

Version = tuple[int, ...]
_PART = re.compile(r"(>=|<=|>|<|==|=|~=|~|\^|!=)?\s*v?([0-9xX*]+(?:\.[0-9xX*]+)*)(?:[-+][\w.+-]+)?")
_FAR = 10**9


def parse(text: str) -> Version:
    """The numbers of an installed version: `v20.11.1` is (20, 11, 1). Raises ValueError."""
    found = re.search(r"[0-9]+(\.[0-9]+)*", text)
    if not found:
        raise ValueError(f"{text[:40]!r} is no version")
    return tuple(int(part) for part in found.group().split("."))


def fits(version: Version, wanted: str) -> bool:
    """Whether the version is in the range. Raises ValueError for what is no range."""
    return any(_fits_all(version, part) for part in wanted.split("||"))


def best(versions: Sequence[Version], wanted: str) -> Version | None:
    """The newest that fits. Raises ValueError."""
    return max((v for v in versions if fits(v, wanted)), default=None)


def shown(version: Version) -> str:
    """As people write it."""
    return ".".join(map(str, version))


def _fits_all(version: Version, text: str) -> bool:
    text = text.strip()
    hyphen = re.fullmatch(r"(\S+)\s+-\s+(\S+)", text)
    if hyphen:
        text = f">={hyphen[1]} <={hyphen[2]}"
    rest = text.replace(",", " ").strip()
    if not rest:
        return True
    parts = []
    while rest:
        found = _PART.match(rest)
        if not found or (rest[found.end() :][:1].strip() not in {"", "<", ">", "!", "~", "^", "="}):
            raise ValueError(f"{text[:60]!r} is no version and no range")
        parts.append((found[1] or "", found[2]))
        rest = rest[found.end() :].strip()
    return all(_fits_one(version, how, numbers) for how, numbers in parts)


def _fits_one(version: Version, how: str, numbers: str) -> bool:
    known = _known(numbers)
    low, high = _padded(known, 0), _padded(known, _FAR)
    none, far = _padded((), -1), _padded((), _FAR)
    mine = _padded(version, 0)
    if how == "!=":
        return not low <= mine <= high
    least, most = {
        ">=": (low, far),
        "<=": (none, high),
        ">": ((*high[:3], high[3] + 1), far),
        "<": (none, (*low[:3], low[3] - 1)),
        "~": (low, _padded(known[:2], _FAR)),
        "~=": (low, _padded(known[: max(len(known) - 1, 1)], _FAR)),
        "^": (low, _padded(known[: _caret(known)], _FAR)),
    }.get(how, (low, high))
    return least <= mine <= most


def _known(numbers: str) -> Version:
    known = []
    for part in numbers.split("."):
        if not part.isdigit():
            break
        known.append(int(part))
    return tuple(known)


def _caret(known: Version) -> int:
    """How many numbers stay: up to the first that is not 0."""
    return next((n for n, part in enumerate(known, start=1) if part), len(known))


def _padded(version: Version, filler: int) -> Version:
    return (*version, *[filler] * (4 - len(version)))[:4]
