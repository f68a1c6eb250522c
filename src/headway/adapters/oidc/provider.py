"""An OpenID provider: where to send a browser, and what its code is worth. Used by web/pages/sso.

Code flow with PKCE (RFC 7636), `state`, `nonce` and `iss` (RFC 9207). Keys are fetched when one is
asked for that is not known, at most once in a while, so that a provider may change them any time.
"""

import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx
import joserfc.errors
from joserfc import jwt
from joserfc.jwk import KeySet

from headway.access.id_token import Expected, Person, check, person
from headway.model.connection import Connection
from headway.model.errors import Invalid, Refused, Unreachable
from headway.record import dataclass

KIND = "oidc"
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
              "EdDSA", "Ed25519")  # fmt: skip
"""Signatures of public keys only: with `none` or a shared secret anybody could sign."""
SECONDS = 10.0
MOST_BYTES = 1 << 20
METADATA_SECONDS = 3600.0
KEYS_SECONDS = 30.0
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Way:
    """One login on its way. `back`: where the provider sends the browser; the rest are secrets."""

    back: str
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the browser brought back."""

    code: str
    issuer: str


class Provider:
    """One connection of kind `oidc`; kept while the server runs, for what it remembers. Its
    functions raise Unreachable, and Refused (`sso`) for anything that is not as it must be.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.issuer = (
            connection.url.rstrip("/") if connection.url.count("/") < 4 else connection.url
        )
        self._options = connection.options
        self._lock = threading.Lock()
        self._http = httpx.Client(timeout=SECONDS)
        self._metadata: tuple[float, dict[str, Any]] = (-METADATA_SECONDS, {})
        self._keys: tuple[float, KeySet | None] = (-KEYS_SECONDS, None)

    def address(self, way: Way) -> str:
        """Where the browser goes."""
        challenge = urlsafe_b64encode(sha256(way.verifier.encode()).digest()).decode().rstrip("=")
        asked = {
            "response_type": "code",
            "client_id": self._client,
            "redirect_uri": way.back,
            "scope": self._options.get("scopes", "openid profile email"),
            "state": way.state,
            "nonce": way.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        where = self._endpoint("authorization_endpoint")
        return f"{where}{'&' if '?' in where else '?'}{urlencode(asked)}"

    def person(self, way: Way, answer: Answer) -> Person:
        """Whoever the code stands for."""
        known = self._discovered()
        named = known.get("authorization_response_iss_parameter_supported") is True
        if answer.issuer != self.issuer and (answer.issuer or named):
            raise _refused("the answer is another provider's")
        told = self._redeemed(way, answer.code)
        claims = self._verified(told.get("id_token"))
        check(claims, Expected(self.issuer, self._client, way.nonce, time.time()))
        claims |= self._more(claims, told.get("access_token"))
        return person(
            claims,
            name_claim=self._options.get("name_claim", "preferred_username"),
            groups_claim=self._groups,
        )

    def goodbye(self, back: str) -> str:
        """Where a browser logs out at the provider too; empty if there is no such place."""
        if not self._discovered().get("end_session_endpoint"):
            return ""
        where = self._endpoint("end_session_endpoint")
        asked = {"client_id": self._client, "post_logout_redirect_uri": back}
        return f"{where}{'&' if '?' in where else '?'}{urlencode(asked)}"

    @property
    def _client(self) -> str:
        return self._options.get("client_id", "")

    @property
    def _groups(self) -> str:
        return self._options.get("groups_claim", "groups")

    def _redeemed(self, way: Way, code: str) -> dict[str, Any]:
        body = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": way.back,
            "code_verifier": way.verifier,
        }
        secret = self._options.get("client_secret", "")
        ways = self._discovered().get("token_endpoint_auth_methods_supported")
        basic = not isinstance(ways, list) or "client_secret_basic" in ways
        headers = {}
        if secret and basic:
            pair = f"{quote(self._client, safe='')}:{quote(secret, safe='')}"
            headers["authorization"] = httpx.BasicAuth(*pair.split(":"))._auth_header
        else:
            body |= {"client_id": self._client} | ({"client_secret": secret} if secret else {})
        return _json(
            self._http, "POST", self._endpoint("token_endpoint"), data=body, headers=headers
        )

    def _verified(self, text: object) -> dict[str, Any]:
        """The claims of a token whose signature is good."""
        if not isinstance(text, str):
            raise _refused("the provider gave no ID token")
        try:
            try:
                return dict(jwt.decode(text, self._keyset(), list(ALGORITHMS)).claims)
            except (joserfc.errors.InvalidKeyIdError, joserfc.errors.BadSignatureError):
                return dict(jwt.decode(text, self._keyset(anew=True), list(ALGORITHMS)).claims)
        except (joserfc.errors.JoseError, ValueError, TypeError) as error:
            raise _refused("the ID token is not signed as it must be") from error

    def _more(self, claims: Mapping[str, Any], token: object) -> dict[str, Any]:
        """From the userinfo endpoint, if the ID token names no groups (Core section 5.3.2)."""
        asked = self._discovered().get("userinfo_endpoint")
        if self._groups in claims or not asked or not isinstance(token, str):
            return {}
        headers = {"authorization": f"Bearer {token}"}
        told = _json(self._http, "GET", self._endpoint("userinfo_endpoint"), headers=headers)
        if told.get("sub") != claims["sub"]:
            raise _refused("the provider tells of somebody else")
        return {k: v for k, v in told.items() if k not in claims}

    def _keyset(self, *, anew: bool = False) -> KeySet:
        with self._lock:
            at, found = self._keys
            young = time.monotonic() - at < KEYS_SECONDS
        if found is not None and (young or not anew):
            return found
        made = KeySet.import_key_set(_json(self._http, "GET", self._endpoint("jwks_uri")))  # type: ignore[arg-type]
        with self._lock:
            self._keys = (time.monotonic(), made)
        return made

    def _endpoint(self, name: str) -> str:
        return safe(str(self._discovered().get(name) or ""))

    def _discovered(self) -> dict[str, Any]:
        """OpenID Connect Discovery 1.0 section 4."""
        with self._lock:
            at, found = self._metadata
        if found and time.monotonic() - at < METADATA_SECONDS:
            return found
        where = f"{safe(self.issuer).rstrip('/')}/.well-known/openid-configuration"
        known = _json(self._http, "GET", where)
        if known.get("issuer") != self.issuer:
            raise _refused("the provider has another name", why="`issuer` is not the connection's")
        with self._lock:
            self._metadata = (time.monotonic(), known)
        return known


def safe(url: str) -> str:
    """The address, if it is by https, or on this machine. Raises Invalid (`sso-address`)."""
    parts = urlsplit(url)
    if parts.hostname and (parts.scheme == "https" or _is_local(parts.scheme, parts.hostname)):
        return url
    raise Invalid("this is no address of a provider", why="https only", code="sso-address")


def _is_local(scheme: str, host: str) -> bool:
    return scheme == "http" and host in _LOCAL


def _json(http: httpx.Client, method: str, url: str, **more: Any) -> dict[str, Any]:
    """An object. Redirects are not followed. Neither addresses nor answers are repeated in errors:
    they may hold secrets.
    """
    try:
        with http.stream(method, url, **more) as answer:
            body = b""
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise _refused("the provider's answer is too large")
            if answer.status_code != 200:
                raise _refused(f"the provider answers {answer.status_code}")
            found = httpx.Response(200, content=body).json()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unreachable("the provider does not answer", why=type(error).__name__) from error
    except ValueError as error:
        raise _refused("the provider's answer cannot be read") from error
    if not isinstance(found, dict):
        raise _refused("the provider's answer cannot be read")
    return found


def _refused(what: str, why: str = "") -> Refused:
    return Refused(what, why=why, next="log in again", code="sso")
