"""What an expression is made of. Written by parser, read by evaluator."""

from headway.expression.terms import Value
from headway.record import dataclass


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant."""

    value: Value


@dataclass(frozen=True, slots=True)
class Context:
    """`github`."""

    name: str


@dataclass(frozen=True, slots=True)
class Index:
    """`of.name`, `of[key]`; `key` is None for `*`."""

    of: "Node"
    key: "Node | None"


@dataclass(frozen=True, slots=True)
class Call:
    """`name(…)`."""

    name: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """`!of`."""

    of: "Node"


@dataclass(frozen=True, slots=True)
class Compare:
    """`first == a != b`, from left to right. A chain, so that long ones need no depth."""

    first: "Node"
    rest: tuple[tuple[str, "Node"], ...]


@dataclass(frozen=True, slots=True)
class Logic:
    """The operands between `&&` (`every`) or `||`."""

    every: bool
    operands: tuple["Node", ...]


Node = Literal | Context | Index | Call | Not | Compare | Logic
