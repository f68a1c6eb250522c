"""Whose series is this: the release's that its version label names, and which part of the service.

Called by `reading`.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from headway.model.series import Series

MOST_PARTS = 20
OTHER = "other"
_SHA = re.compile(r"[0-9a-f]{7,40}")


@dataclass(frozen=True, slots=True)
class Version:
    """What a release may be called on a label. Empty words name nothing."""

    name: str
    digest: str = ""
    sha: str = ""

    def named(self, word: str) -> bool:
        """Whether `word` is its name, its digest, its commit or the beginning of its commit."""
        if not word:
            return False
        if word in (self.name, self.digest, self.digest.removeprefix("sha256:"), self.sha):
            return True
        return bool(_SHA.fullmatch(word)) and self.sha.startswith(word)


def of_version(
    found: Iterable[Series], version: Version, label: str, environment: str
) -> tuple[Series, ...]:
    """The series of one release. One that names another environment is another place's."""
    return tuple(
        s
        for s in found
        if version.named(s.labels.get(label, ""))
        and s.labels.get("environment", environment) in (environment, "")
    )


def ranked(volumes: Sequence[tuple[str, float]]) -> tuple[str, ...]:
    """The parts that are looked at alone: the largest, equals by name. `volumes`: (value of the
    label, how much of it), a value may come several times.
    """
    total: dict[str, float] = defaultdict(float)
    for value, much in volumes:
        total[value] += much
    return tuple(sorted(total, key=lambda v: (-total[v], v))[:MOST_PARTS])


def by_part(
    found: Iterable[Series], label: str, alone: Sequence[str]
) -> dict[str, tuple[Series, ...]]:
    """Series by the value of `label`, those not `alone` together as `other`; series without the
    label are in no part.
    """
    parts: dict[str, list[Series]] = defaultdict(list)
    for series in found:
        value = series.labels.get(label, "")
        if value:
            parts[value if value in alone else OTHER].append(series)
    return {name: tuple(some) for name, some in parts.items()}
