"""Who is told."""

from typing import Protocol

from headway.model.alert import Message


class Notifier(Protocol):
    """One kind of channel. Sending the same message twice must not hurt: it carries its key."""

    def send(self, message: Message) -> None:
        """Deliver it. Raises Unreachable (try again later) or Refused (never will be taken)."""
        ...
