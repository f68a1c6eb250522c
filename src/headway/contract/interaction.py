"""The nouns: a contract, its interactions, and what was wrong with an answer."""

from dataclasses import dataclass, field
from typing import Any

Rules = tuple["Rule", ...]


@dataclass(frozen=True, slots=True)
class Matcher:
    """One way to compare. `kind`: the word of the format (`type`, `regex`, `integer`, …).

    `least`, `most`: for the length of lists; None: no bound. `text`: a pattern, or what must be
    part of the value; `statuses`: the only ones, empty for any of the class named by `text`.
    """

    kind: str
    text: str = ""
    least: int | None = None
    most: int | None = None
    statuses: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """Matchers for what a path names. `path`: keys (str), positions (int) and `*`; () the whole.

    All matchers must agree, or one of them with `any`.
    """

    path: tuple[str | int, ...]
    matchers: tuple[Matcher, ...]
    any: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """What must be true at the provider before it is asked."""

    name: str
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Body:
    """A body: JSON (`value`), or text where `json` is False."""

    value: Any
    json: bool = True
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """The request. `query`: names and values in the order written."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: Body | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """The answer that the consumer needs, and how strictly: rules for each part."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: Body | None = None
    body_rules: Rules = ()
    header_rules: Rules = ()
    status_rules: Rules = ()


@dataclass(frozen=True, slots=True)
class Interaction:
    """One question and the answer needed. `pending`: the consumer does not count on it yet."""

    description: str
    asked: Asked
    wanted: Wanted
    states: tuple[State, ...] = ()
    pending: bool = False


@dataclass(frozen=True, slots=True)
class Contract:
    """One consumer's file about one provider."""

    consumer: str
    provider: str
    specification: str
    interactions: tuple[Interaction, ...]


@dataclass(frozen=True, slots=True)
class Got:
    """What the provider answered. `headers`: names in lower case; several values joined by `, `."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Mismatch:
    """`place`: `status`, `header NAME`, or `body` and a path as `$.items[0].id`."""

    place: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.place}: expected {self.expected}, got {self.got}"
