"""A write: once for each `Idempotency-Key`, in one transaction with its effect.

The same key with the same request gives the same answer for a day, also when both come at once and
when the server was killed between: writers stand in line, and key and effect are committed
together. The same key with another request is 422. A refusal is no effect and keeps no key.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, cast

import msgspec
from fastapi import Header
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from headway.access.principal import Principal
from headway.api.problems import Wrong
from headway.api.v1.route import encoded
from headway.store import idempotency
from headway.store.database import Tx
from headway.store.idempotency import Done
from headway.wiring import Headway

T = TypeVar("T")
Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Names this very write; the same again within 24 hours is done once.",
    ),
]
IfMatch = Annotated[
    str, Header(alias="If-Match", description="Only if the ETag of what is written to is this.")
]
Reason = Annotated[str, Field(min_length=1, max_length=2000, description="For the audit trail.")]


class Body(BaseModel):
    """What a write sends; fields that it does not know are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


@dataclass(frozen=True, slots=True)
class Write:
    """One write that somebody asks for under a key. What its methods give is the whole answer, with
    the value that `do` gave in it; routes are typed by the value, for the document.
    """

    request: Request
    who: Principal
    key: str
    body: BaseModel | None = None
    status: int = 202

    @property
    def headway(self) -> Headway:
        """Of the server that is asked."""
        found: Headway = self.request.app.state.headway
        return found

    def once(self, do: Callable[[Tx], T], secret: str = "") -> T:
        """Do it in one transaction, or give the answer that it got before. `secret`: a field of the
        answer that is given once and not kept: empty when it is asked for again. Raises Wrong
        (`key-reused`).
        """
        with self.headway.tx() as tx:
            known = self._known(tx)
            if known is not None and known.status:
                return cast("T", _response(known))
            answer: Any = msgspec.to_builtins(do(tx))
            self._keep(tx, "", answer | {secret: ""} if secret else answer)
        return cast("T", _response(Done("", "", self.status, encoded(answer))))

    def reserved(self, make: Callable[[float], str], do: Callable[[str], T]) -> T:
        """The same for what no single transaction does: `make` gives an id at a time, under which
        `do` changes nothing when it is called again.
        """
        with self.headway.tx() as tx:
            known = self._known(tx)
            if known is None:
                known = Done(self._fingerprint(), make(tx.now), 0, b"")
                idempotency.keep(tx, self.who.id, self.key, known)
        if known.status:
            return cast("T", _response(known))
        answer = do(known.reserved)
        with self.headway.tx() as tx:
            again = self._known(tx)
            if again is None or not again.status:
                again = self._keep(tx, known.reserved, answer)
        return cast("T", _response(again))

    def _keep(self, tx: Tx, reserved: str, answer: object) -> Done:
        done = Done(self._fingerprint(), reserved, self.status, encoded(answer))
        idempotency.keep(tx, self.who.id, self.key, done)
        return done

    def _known(self, tx: Tx) -> Done | None:
        found = idempotency.find(tx, self.who.id, self.key)
        if found is not None and found.fingerprint != self._fingerprint():
            raise Wrong(
                "this Idempotency-Key was used for another request",
                422,
                code="key-reused",
                next="take a new key for every write",
            )
        return found

    def _fingerprint(self) -> str:
        sent = self.body.model_dump_json() if self.body else ""
        parts = (self.request.method, self.request.scope["path"], sent)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _response(done: Done) -> Response:
    return Response(done.answer, done.status, media_type="application/json")
