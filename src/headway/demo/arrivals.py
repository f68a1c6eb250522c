"""When users come and what they ask for: both from the seed alone. Called by `users`."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

USERS = 1000
PRODUCTS = 200


@dataclass(frozen=True, slots=True)
class Shot:
    """One request to be sent `due` seconds after the start; `data` are its bytes on the wire."""

    number: int
    due: float
    user: int
    data: bytes


def due_times(rate: float, seed: int, *, poisson: bool) -> Iterator[float]:
    """Seconds after the start of each arrival, for ever; `rate` is arrivals per second.

    Poisson: independent users. Else even spacing.
    """
    dice = random.Random(f"arrivals/{seed}")  # noqa: S311  (load, no secrets)
    at = 0.0
    while True:
        at += dice.expovariate(rate) if poisson else 1.0 / rate
        yield at


def shots(due: Iterator[float], seed: int, host: str) -> Iterator[Shot]:
    """One request for each due time, with a user and a route drawn by their shares."""
    dice = random.Random(f"mix/{seed}")  # noqa: S311  (load, no secrets)
    for number, at in enumerate(due):
        user = dice.randrange(USERS)
        line, body = _route(dice)
        yield Shot(number, at, user, _wire(line, body, host, f"{seed}-{number}", user))


def _route(dice: random.Random) -> tuple[str, str]:
    sku = dice.randrange(1, PRODUCTS + 1)
    drawn = dice.random()
    if drawn < 0.70:
        return "GET /products", ""
    if drawn < 0.85:
        return f"GET /products/{sku}", ""
    return ("POST /cart" if drawn < 0.95 else "POST /checkout"), f'{{"sku":{sku}}}'


def _wire(line: str, body: str, host: str, request_id: str, user: int) -> bytes:
    head = f"{line} HTTP/1.1\r\nhost: {host}\r\nx-user-id: u{user:04}\r\nx-request-id: {request_id}"
    if body:
        head += f"\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return f"{head}\r\n\r\n{body}".encode()
