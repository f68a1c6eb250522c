"""Whether an ID token says who logs in here, now. Called by adapters/oidc with a token whose
signature is good already.

OpenID Connect Core 1.0 section 3.1.3.7; RFC 9207 for `iss` beside the code.
"""

from collections.abc import Mapping

from headway.model.errors import Refused
from headway.record import dataclass

LEEWAY_SECONDS = 60.0
OLDEST_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Expected:
    """What must be in it. `now`: Unix seconds."""

    issuer: str
    client: str
    nonce: str
    now: float


@dataclass(frozen=True, slots=True)
class Person:
    """Who that is at the provider. `email` is empty unless the provider has checked it."""

    issuer: str
    subject: str
    name: str
    email: str
    groups: tuple[str, ...]


def check(claims: Mapping[str, object], expected: Expected) -> None:
    """Raises Refused (`sso`), which names the claim and never its value."""
    audience = claims.get("aud")
    several = audience if isinstance(audience, list) else [audience]
    party = claims.get("azp")
    tests = {
        "iss": claims.get("iss") == expected.issuer,
        "aud": expected.client in several,
        "azp": party == expected.client or (party is None and len(several) == 1),
        "exp": _time(claims, "exp") > expected.now - LEEWAY_SECONDS,
        "iat": abs(expected.now - _time(claims, "iat")) < OLDEST_SECONDS,
        "nonce": bool(expected.nonce) and claims.get("nonce") == expected.nonce,
        "sub": _text(claims, "sub") != "" and len(_text(claims, "sub")) < 256,
    }
    wrong = [name for name, good in tests.items() if not good]
    if wrong:
        raise Refused("the provider's word is not for this login", why=f"wrong: {', '.join(wrong)}",
                      code="sso")  # fmt: skip


def person(claims: Mapping[str, object], *, name_claim: str, groups_claim: str) -> Person:
    """Who the (checked) claims tell of."""
    email = _text(claims, "email") if claims.get("email_verified") is True else ""
    groups = claims.get(groups_claim)
    known = groups if isinstance(groups, list) else [groups]
    return Person(
        issuer=_text(claims, "iss"),
        subject=_text(claims, "sub"),
        name=_text(claims, name_claim) or email.partition("@")[0],
        email=email,
        groups=tuple(g for g in known if isinstance(g, str)),
    )


def _time(claims: Mapping[str, object], name: str) -> float:
    found = claims.get(name)
    good = isinstance(found, int | float) and not isinstance(found, bool)
    return float(found) if good else float("-inf")  # type: ignore[arg-type]


def _text(claims: Mapping[str, object], name: str) -> str:
    found = claims.get(name)
    return found if isinstance(found, str) else ""
