"""Two OpenID providers on this machine: a real one (npm's oidc-provider, where node and npm are),
and one of ours that signs whatever a test wants it to say.
"""

import hmac
import json
import os
import re
import shutil
import socket
import subprocess
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.support.serving import serving
from tests.support.site import Browser

PACKAGE, VERSION = "oidc-provider", "8.8.1"
SECRET = "a:secret/of the client"
INSTALL_SECONDS = 120


def installed() -> Path:
    """The package's module, installed once into a cache. Skips where that is not possible."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not here")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "headway-tests" / f"{PACKAGE}-{VERSION}"
    module = folder / "node_modules" / PACKAGE / "lib" / "index.js"
    if not module.exists():
        folder.mkdir(parents=True, exist_ok=True)
        words = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder)]
        try:
            made = subprocess.run(
                [*words, f"{PACKAGE}@{VERSION}"], timeout=INSTALL_SECONDS, check=False,
                capture_output=True,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            pytest.skip("npm does not answer")
        if made.returncode or not module.exists():
            pytest.skip(f"npm cannot install {PACKAGE}")
    return module


@contextmanager
def real(redirect: str, groups: dict[str, list[str]]) -> Iterator[str]:
    """The real provider; gives its issuer."""
    module, script = installed(), Path(__file__).with_name("oidc_provider.mjs")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        ["node", str(script), str(module), str(port), redirect],
        env=os.environ | {"GROUPS": json.dumps(groups), "NODE_ENV": "test"},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert process.stdout
        for line in process.stdout:
            if line.strip() == "ready":
                break
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@dataclass
class Twisted:
    """Our provider. `twist` changes the claims before they are signed; `sign` signs them."""

    issuer: str = ""
    twist: Callable[[dict[str, Any]], Any] = lambda claims: None
    sign: Callable[["Twisted", dict[str, Any]], str] | None = None
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))
    told_issuer: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    nonces: dict[str, str] = field(default_factory=dict)

    def again(self) -> None:
        """As it was."""
        self.twist, self.sign, self.metadata = lambda claims: None, None, {}

    def public(self) -> dict[str, Any]:
        return {"keys": [dict(self.key.as_dict(private=False)) | {"use": "sig"}]}

    def signed(self, claims: dict[str, Any]) -> str:
        if self.sign:
            return self.sign(self, claims)
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)


def hmac_of_public_key(one: Twisted, claims: dict[str, Any]) -> str:
    """The public key taken for a shared secret."""
    text = f"{_part({'alg': 'HS256', 'kid': 'one'})}.{_part(claims)}"
    sum = hmac.digest(one.key.as_pem(private=False), text.encode(), "sha256")
    return f"{text}.{urlsafe_b64encode(sum).decode().rstrip('=')}"


def unsigned(_one: Twisted, claims: dict[str, Any]) -> str:
    """`alg: none`."""
    return f"{_part({'alg': 'none', 'typ': 'JWT'})}.{_part(claims)}."


def _part(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@contextmanager
def twisted() -> Iterator[Twisted]:
    """Our provider, running."""
    one = Twisted()

    async def metadata(_request: Request) -> JSONResponse:
        known = {
            "issuer": one.issuer,
            "authorization_endpoint": f"{one.issuer}/auth",
            "token_endpoint": f"{one.issuer}/token",
            "jwks_uri": f"{one.issuer}/jwks",
        }
        return JSONResponse(known | one.metadata)

    async def token(request: Request) -> JSONResponse:
        sent = await request.form()
        nonce = one.nonces.pop(str(sent["code"]), None)
        if nonce is None:
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims = {
            "iss": one.issuer, "aud": "headway", "sub": "s-1", "nonce": nonce, "iat": now,
            "exp": now + 300, "preferred_username": "uma", "groups": ["ops"],
        }  # fmt: skip
        one.twist(claims)
        return JSONResponse({"id_token": one.signed(claims), "token_type": "Bearer"})

    async def jwks(_request: Request) -> JSONResponse:
        return JSONResponse(one.public())

    routes = [
        Route("/.well-known/openid-configuration", metadata),
        Route("/token", token, methods=["POST"]),
        Route("/jwks", jwks),
    ]
    with serving(Starlette(routes=routes)) as address:
        one.issuer = address
        yield one


def set_out(browser: Browser, name: str, next: str = "/") -> str:
    """Begins a login; gives the address at the provider."""
    data = {"csrf": browser.csrf("/login"), "next": next}
    shown = browser.post(f"/sso/{name}", data)
    assert shown.status_code == 200, shown.text
    found = re.search(r'href="(http[^"]+/auth\?[^"]+)"', shown.text)
    assert found, shown.text
    return found[1].replace("&amp;", "&")


def query(address: str) -> dict[str, str]:
    return {k: v[0] for k, v in parse_qs(urlsplit(address).query).items()}


def through(address: str, person: str) -> str:
    """Logs in at the real provider; gives the path and query with which the browser comes back."""
    with httpx.Client(trust_env=False, timeout=30, verify=False) as client:
        where = f"{address}&login_hint={person}"
        for _ in range(8):
            answer = client.get(where)
            assert answer.is_redirect, answer.text
            where = str(httpx.URL(where).join(answer.headers["location"]))
            if "/sso/" in where:
                return where[where.index("/sso/") :]
    raise AssertionError("the provider does not come back")


def back(one: Twisted, address: str, name: str, **more: str) -> str:
    """What our provider sends a browser back with."""
    asked = query(address)
    code = f"code-{len(one.nonces)}-{time.monotonic_ns()}"
    one.nonces[code] = asked["nonce"]
    given = {"code": code, "state": asked["state"]} | more
    return f"/sso/{name}/back?{httpx.QueryParams(given)}"
