"""A named outside system: headway.yaml says the name, the server knows where it is."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Connection:
    """`kind` is the technology (`prometheus`, `slack`, `webhook`, `email`, `alertmanager`, …).

    `url` and `options` may hold secrets: they are never shown, logged or put into an error.
    """

    name: str
    kind: str
    url: str
    options: dict[str, str] = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        return f"Connection(name={self.name!r}, kind={self.kind!r})"
