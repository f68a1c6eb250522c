"""One fact in the append-only log."""

from dataclasses import dataclass, field

VERSION = 1


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact about to be written. `subject` is an id (`del_…`, `rol_…`, a release, a digest).

    The event's id is `subject/generation/kind`: the same fact told twice is one event.
    """

    kind: str
    subject: str
    generation: int
    data: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """A fact as written: `seq` has no gaps and rises in commit order; `at` is Unix seconds."""

    seq: int
    id: str
    at: float
    kind: str
    subject: str
    delivery: str
    service: str
    environment: str
    release: str
    data: dict[str, object]
    version: int = VERSION
