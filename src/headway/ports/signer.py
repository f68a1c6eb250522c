"""Who vouches for statements."""

from typing import Protocol

from headway.model.artifact import Envelope


class Signer(Protocol):
    """Signs and verifies DSSE envelopes. The private key never leaves the adapter."""

    def sign(self, payload: bytes, payload_type: str) -> Envelope:
        """One signature with the server's key."""
        ...

    def speaks_for(self, key: str) -> tuple[str, ...]:
        """Builders (URIs) for which the trusted key of that keyid may sign; none: for any."""
        ...

    def verify(self, envelope: Envelope) -> str:
        """The keyid that signed, trusted here. Raises Refused (`bad-signature`, `unknown-key`)."""
        ...
