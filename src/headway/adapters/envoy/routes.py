"""The route document of a service: shares, tester header, stickiness, retries. Pure functions.

Called by router. Format: Envoy API v3, `config.route.v3.RouteConfiguration`.

Stickiness is a hash of something the user keeps (a header of theirs, or a cookie that the proxy
gives out) cut by the shares: raising a share only moves the border, so nobody is thrown back. The
rollout's name is hashed in, so that each rollout draws other users first.
"""

import hashlib
import math
import re

from headway.adapters.envoy.admin import Json
from headway.adapters.envoy.config import WATCH, cluster_name, release_of
from headway.model.errors import Invalid
from headway.model.routing import Backend, Mirror, Routing

TOTAL = 1_000_000  # weights are millionths, so that every percentage with 4 decimals is exact
_TYPE = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

_LONGEST = 86_400.0
_MARK = "x-headway-shadow"  # says to the application that nobody waits for this answer
_PATH = re.compile(r"/|(?!.*[?#])/[\x21-\x7e]{0,198}[\x21-\x2e\x30-\x7e]")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")  # RFC 9110 section 5.6.2


def check(routing: Routing) -> None:
    """Raises Invalid (`bad-routing`) for a routing that cannot be meant; nothing was changed."""
    releases = [b.release for b in routing.backends]
    for name in (routing.service, routing.environment):
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,62}", name):
            raise _bad(routing, f"`{name}` is no name for a service or an environment")
    for release in releases:
        if not _NAME.fullmatch(release):
            raise _bad(routing, f"`{release}` is no release name")
    for name in filter(None, (routing.sticky_header, routing.sticky_cookie, routing.tester_header)):
        if not _TOKEN.fullmatch(name):
            raise _bad(routing, f"`{name}` is no name for a header or a cookie")
    if len(set(releases)) != len(releases):
        raise _bad(routing, "a release is named twice")
    if unknown := set(routing.shares) - set(releases):
        raise _bad(routing, f"no backend for {', '.join(sorted(unknown))}")
    if not 0 < routing.timeout_seconds <= _LONGEST:
        raise _bad(routing, f"a timeout of {routing.timeout_seconds} s")
    _check_paths(routing)
    _check_shares(routing)
    _check_mirror(routing, routing.mirror)


def _check_paths(routing: Routing) -> None:
    if strange := [r for r in routing.routes if not _PATH.fullmatch(r)]:
        raise _bad(routing, f"{strange[0]!r} is no path of a URL")


def _check_mirror(routing: Routing, mirror: Mirror | None) -> None:
    if mirror is None:
        return
    if not 1 / TOTAL <= mirror.share <= 1:
        raise _bad(routing, f"{mirror.share} is no part of the requests to be copied")
    if routing.shares.get(mirror.release, 0.0) > 0:
        raise _bad(routing, f"{mirror.release} has users; copies go to a release without")
    found = {b.release: b.endpoints for b in routing.backends}.get(mirror.release, ())
    if all(e.draining for e in found):
        raise _bad(routing, f"{mirror.release} has no instance for copied requests")
    if mirror.watch and not re.fullmatch(r"/[^\0]{1,106}", mirror.watch):
        raise _bad(routing, f"`{mirror.watch}` is no path of a Unix socket")


def _check_shares(routing: Routing) -> None:
    shares = routing.shares.values()
    if not all(math.isfinite(s) and 0 <= s <= 1 for s in shares) or abs(sum(shares) - 1) > 1e-9:
        raise _bad(routing, f"the shares {dict(routing.shares)} are not parts of 1")
    for backend in routing.backends:
        live = [e for e in backend.endpoints if not e.draining]
        if routing.shares.get(backend.release, 0.0) > 0 and not live:
            raise _bad(
                routing, f"{backend.release} has a share but no instance that is not drained"
            )
    if unheld := [r for r, s in routing.shares.items() if 0 < s < 1 / TOTAL]:
        raise _bad(routing, f"the share of {unheld[0]} is less than one in {TOTAL}")


def _bad(routing: Routing, why: str) -> Invalid:
    what = f"This routing of {routing.service} in {routing.environment} makes no sense"
    return Invalid(what, why=why, code="bad-routing")


def weights(shares: dict[str, float]) -> dict[str, int]:
    """Shares as whole millionths that sum to TOTAL; the remainder of rounding goes to the largest.

    A share > 0 stays > 0.
    """
    found = {release: round(share * TOTAL) for release, share in shares.items()}
    largest = max(found, key=lambda release: (found[release], release))
    found[largest] += TOTAL - sum(found.values())
    return found


def shares_of(document: Json) -> dict[str, float]:
    """The shares that a route document (of `route_configuration`'s shape) puts in force."""
    last = document["virtual_hosts"][0]["routes"][-1]["route"]["weighted_clusters"]["clusters"]
    return {release_of(c["name"]): int(c.get("weight", 0)) / TOTAL for c in last}


def mirror_of(document: Json) -> tuple[str, float, bool] | None:
    """The release that copies go to, their share, and whether somebody watches; None: no copies."""
    route = document["virtual_hosts"][0]["routes"][-1]["route"]
    found = {
        release_of(p["cluster"]): int(p["runtime_fraction"]["default_value"]["numerator"]) / TOTAL
        for p in route.get("request_mirror_policies", [])
    }
    copied = [(release, share) for release, share in found.items() if release != WATCH]
    return (*copied[0], WATCH in found) if copied else None


def counted_of(document: Json) -> dict[str, str]:
    """The paths that a route document counts by themselves, by their virtual cluster's name."""
    known = document.get("metadata", {}).get("filter_metadata", {}).get("headway", {})
    named: dict[str, str] = known.get("routes", {})
    written = document["virtual_hosts"][0].get("virtual_clusters", [])
    return {c["name"]: named[c["name"]] for c in written if c["name"] in named}


def route_configuration(routing: Routing, version: str) -> Json:
    """The whole document. The version is also inside it, because Envoy takes a document with the
    same content for the same document and keeps reporting the old version.
    """
    own: Json = {"version": version}
    host: Json = {
        "name": routing.service,
        "domains": _domains(routing.host),
        "request_headers_to_remove": [_MARK],
        "routes": [*_testers(routing), *_users(routing)],
    }
    if routing.routes:
        own["routes"] = {_counter(route): route for route in routing.routes}
        host["virtual_clusters"] = _virtual_clusters(routing.routes)
    return {
        "@type": _TYPE,
        "name": routing.service,
        "validate_clusters": True,
        "ignore_port_in_host_matching": True,
        "metadata": {"filter_metadata": {"headway": own}},
        "virtual_hosts": [host],
    }


def _virtual_clusters(paths: tuple[str, ...]) -> list[Json]:
    """Envoy counts a request for the first one that matches: the longest path comes first. Those of
    one name share its counters. No regular expression: Envoy refuses one of 100 characters, and no
    character of a path can mean anything here.
    """
    return [
        {"name": _counter(path), "headers": [{"name": ":path", "string_match": match}]}
        for path in sorted(set(paths), key=lambda p: (-len(p), p))
        for match in _below(path)
    ]


def _counter(path: str) -> str:
    """The same path has the same name, hence the same counters, whatever others come and go."""
    return f"r{hashlib.sha256(path.encode()).hexdigest()[:16]}"


def _below(path: str) -> list[Json]:
    """The path itself, the path with a query, all below it. `:path` is path and query."""
    if path == "/":
        return [{"prefix": "/"}]
    return [{"exact": path}, {"prefix": f"{path}?"}, {"prefix": f"{path}/"}]


def _domains(host: str | None) -> list[str]:
    """The loopback names stay, because Headway's own tests use the service's address."""
    return ["*"] if host is None else sorted({host.lower(), "127.0.0.1", "localhost"})


def _testers(routing: Routing) -> list[Json]:
    return [
        {
            "match": {
                "prefix": "/",
                "headers": [{"name": routing.tester_header, "string_match": {"exact": b.release}}],
            },
            "route": {"cluster": cluster_name(routing.service, b.release), **_manners(routing)},
        }
        for b in _sorted_backends(routing)
    ]


def _sorted_backends(routing: Routing) -> list[Backend]:
    return sorted(routing.backends, key=lambda b: b.release)


def _users(routing: Routing) -> list[Json]:
    split = sum(share > 0 for share in routing.shares.values()) > 1
    if split and routing.sticky_cookie:
        return _by_cookie(routing, routing.sticky_cookie)
    if split and routing.sticky_header:
        return [_weighted(routing, [_header_hash(routing.sticky_header, routing.rollout)])]
    return [_weighted(routing, [])]


def _weighted(routing: Routing, hash_policy: list[Json]) -> Json:
    share = weights({b.release: routing.shares.get(b.release, 0.0) for b in routing.backends})
    clusters = [
        {"name": cluster_name(routing.service, release), "weight": share[release]}
        for release in sorted(share)
    ]
    weighted: Json = {"clusters": clusters}
    route: Json = {"weighted_clusters": weighted, **_manners(routing)}
    if routing.mirror is not None:
        route["request_mirror_policies"] = _copies(routing.service, routing.mirror)
    if hash_policy:
        weighted["use_hash_policy"] = True
        route["hash_policy"] = hash_policy
    return {"match": {"prefix": "/"}, "route": route}


def _copies(service: str, mirror: Mirror) -> list[Json]:
    """Marked, so that the application can leave out what must happen once. The fraction has no
    runtime key: a leftover override of the admin's must never decide.
    """
    mark = {"header": {"key": _MARK, "value": "1"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    part = {"numerator": round(mirror.share * TOTAL), "denominator": "MILLION"}
    return [
        {
            "cluster": cluster_name(service, release),
            "runtime_fraction": {"default_value": part},
            "disable_shadow_host_suffix_append": True,
            "request_headers_mutations": [{"append": mark}],
        }
        for release in ((mirror.release, WATCH) if mirror.watch else (mirror.release,))
    ]


def _header_hash(name: str, rollout: str) -> Json:
    salted = {"pattern": {"regex": "^(.*)$"}, "substitution": f"{_salt(rollout)}/\\1"}
    return {"header": {"header_name": name, "regex_rewrite": salted}}


def _by_cookie(routing: Routing, name: str) -> list[Json]:
    """Who has the cookie is placed by it. Who has none is placed by the request's own id, and gets
    exactly that id as cookie: Envoy hashes both alike, so the first answer already is the place.
    """
    cookie = f"{name}-{_salt(routing.rollout)}"
    known = _weighted(routing, [{"cookie": {"name": cookie}}])
    pattern = rf"(.*;\s*)?{re.escape(cookie)}=[^;\s]+(;.*)?"
    known["match"]["headers"] = [
        {"name": "cookie", "string_match": {"safe_regex": {"regex": pattern}}}
    ]
    new = _weighted(routing, [{"header": {"header_name": "x-request-id"}}])
    literal = cookie.replace("%", "%%")
    value = f"{literal}=%REQ(x-request-id)%; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax"
    new["response_headers_to_add"] = [
        {
            "header": {"key": "set-cookie", "value": value},
            "append_action": "APPEND_IF_EXISTS_OR_ADD",
        }
    ]
    return [known, new]


def _salt(rollout: str) -> str:
    return hashlib.sha256(rollout.encode()).hexdigest()[:10]


def _manners(routing: Routing) -> Json:
    """Only what never reached the application is tried again: anything else may have had effect."""
    return {
        "timeout": f"{routing.timeout_seconds:.3f}s",
        "retry_policy": {
            "retry_on": "connect-failure,refused-stream,reset-before-request",
            "num_retries": 2,
            "host_selection_retry_max_attempts": 5,
            "retry_host_predicate": [
                {
                    "name": "envoy.retry_host_predicates.previous_hosts",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts"
                        ".v3.PreviousHostsPredicate"
                    },
                }
            ],
            "retry_back_off": {"base_interval": "0.005s", "max_interval": "0.05s"},
        },
    }
