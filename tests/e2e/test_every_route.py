"""Every route of the server, found in the application itself, asked by every role and by nobody:
the permission that it names is the one that is enforced, and there is none that names nothing.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Mount, Route
from tests.support.site import House, house

from headway.access.principal import Grant
from headway.access.roles import PERMISSIONS, ROLES, allowed
from headway.api.guard import Needs
from headway.web.page import OPEN, PAGES

ANYBODY = {
    "GET /health", "GET /health/ready",  # say nothing but that they are there
    "GET /static/{hash}/{name:path}",
    "GET /login", "POST /login", "POST /logout",
    "GET /welcome/{secret}", "POST /welcome/{secret}",  # the secret in the address
    "POST /hooks/{kind}/{name}",  # the signature of the body
    "GET /api/v1/openapi.json",  # what there is to ask, as the documentation says too
    "POST /sso/{name}", "GET /sso/{name}/back",  # the way to log in
}  # fmt: skip
"""Routes without a permission, each with its reason."""
LOST = "/{path:path}"
"""Where nothing is; only browsers are answered by it."""
DOORS = {
    "GET /metrics": "metric.read",
    "POST /v1/metrics": "metric.write",
    "POST /repos/{name}/dispatches": "event.write",
    "POST /repos/{name}/actions/workflows/{file}/dispatches": "event.write",
    "GET /api/v1/runs/{run}/jobs/{job}/logs": "service.read",
    "GET /live": "service.read",
    "GET /{git}": "service.read",
    f"GET {LOST}": "service.read",
}
"""Routes that ask without `needs`; git's addresses are one application."""
PEOPLE = (*ROLES, "nothing")
STRANGERS = itertools.cycle(range(1, 255))


@dataclass(frozen=True)
class Way:
    """One method of one route."""

    method: str
    path: str
    permission: str | None

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def address(self) -> str:
        if self.path == "/{git}":
            return "/shop.git/info/refs?service=git-upload-pack"
        return re.sub(r"\{[^}]+\}", "x", self.path)


def ways(routes: list[BaseRoute], prefix: str = "") -> Iterator[Way]:
    pages = {(p.method, p.path): p.permission for p in PAGES}
    for route in routes:
        if isinstance(route, Mount):
            inner = getattr(route.app, "inner", route.app)
            if isinstance(inner, FastAPI):
                yield from ways(list(inner.routes), route.path)
            else:
                yield Way("GET", "/{git}", DOORS["GET /{git}"])
        elif isinstance(route, APIRoute):
            for method in sorted(route.methods - {"HEAD"}):
                yield Way(method, prefix + route.path, named(route.dependant))
        elif isinstance(route, Route):
            for method in sorted((route.methods or set()) - {"HEAD"}):
                path = prefix + route.path
                known = pages.get((method, path)) or DOORS.get(f"{method} {path}")
                yield Way(method, path, known if known != OPEN else None)


def named(dependant: Dependant) -> str | None:
    """The permission of its `needs`, however deep."""
    for one in dependant.dependencies:
        if isinstance(one.call, Needs):
            return one.call.permission
        if found := named(one):
            return found
    return None


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("routes")) as made:
        for role in ROLES:
            made.person(role, Grant(role))
        made.person("nothing")
        yield made


@pytest.fixture(scope="module")
def every(site: House) -> list[Way]:
    return list(ways(list(site.application.routes)))


def test_no_route_is_without_a_permission_but_those_with_a_reason(every: list[Way]) -> None:
    assert {w.name for w in every if w.permission is None} <= ANYBODY
    assert {w.permission for w in every} - {None} <= PERMISSIONS.keys()
    assert len(every) > 15


def test_each_route_lets_in_the_roles_with_its_permission_and_nobody_else(
    site: House, every: list[Way]
) -> None:
    tokens = {r: site.token(r, r) for r in ROLES} | {"nothing": site.token("nothing", "viewer")}
    wrong = []
    with httpx.Client(trust_env=False, timeout=30) as client:
        for way in every:
            if way.permission is None:
                continue
            for person in PEOPLE:
                code = status(client, site, way, tokens[person])
                expected = person != "nothing" and allowed(person, way.permission)  # type: ignore[arg-type]
                if (code not in {401, 403}) != expected:
                    wrong.append(f"{way.name} ({way.permission}) as {person}: {code}")
            code = status(client, site, way, "")
            if code not in {401, 303}:
                wrong.append(f"{way.name} as nobody: {code}")
    assert not wrong, "\n".join(wrong)


def status(client: httpx.Client, site: House, way: Way, token: str) -> int:
    """Of the answer's head; streams are left at once. Through a proxy, as strangers come: each is
    another one, because one alone would be told to wait.
    """
    headers = {"x-forwarded-for": f"192.0.2.{next(STRANGERS)}"}
    headers |= {"authorization": f"Bearer {token}"} if token else {}
    headers |= {"accept": "text/html"} if way.path == LOST else {}
    body = {} if way.method == "GET" else {"json": {}}
    address = site.address + way.address
    with client.stream(way.method, address, headers=headers, **body) as answer:  # type: ignore[arg-type]
        return answer.status_code
