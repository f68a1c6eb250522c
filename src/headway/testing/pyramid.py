"""How many tests there are of each size, and how long they take. Called by cli/test.

A test's size is the first of the known words in its suite, class or file: `tests/unit/…`,
`com.shop.integration.…`, `e2e/cart.spec.ts`.
"""

import re
from collections.abc import Iterable

from headway.model.job import Layer
from headway.testing.result import TestId

SIZES = {
    "unit": "unit",
    "component": "integration",
    "integration": "integration",
    "it": "integration",
    "contract": "contract",
    "contracts": "contract",
    "acceptance": "acceptance",
    "e2e": "e2e",
    "endtoend": "e2e",
    "browser": "e2e",
    "ui": "e2e",
}
ORDER = ("unit", "contract", "integration", "acceptance", "e2e", "other")
_WORDS = re.compile(r"[^A-Za-z0-9]+")


def size(test: TestId, file: str = "") -> str:
    """The size of a test; `other` if no word tells."""
    for word in _WORDS.split(f"{test.suite} {test.classname} {file}".lower()):
        if word in SIZES:
            return SIZES[word]
    return "other"


def layers(tests: Iterable[tuple[TestId, str, float]]) -> tuple[Layer, ...]:
    """The layers that have tests, smallest tests first, from (test, file, seconds)."""
    return sized((size(test, file), seconds) for test, file, seconds in tests)


def sized(tests: Iterable[tuple[str, float]]) -> tuple[Layer, ...]:
    """The same from (size, seconds)."""
    found: dict[str, tuple[int, float]] = {}
    for kind, seconds in tests:
        count, total = found.get(kind, (0, 0.0))
        found[kind] = (count + 1, total + seconds)
    return tuple(Layer(kind, *found[kind]) for kind in ORDER if kind in found)
