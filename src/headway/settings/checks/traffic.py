"""Can users come in as written?"""

import re
from collections.abc import Iterator

from headway.document import quoted
from headway.model.errors import Problem
from headway.model.service import Environment
from headway.settings.checks.places import Places

_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9-]{1,63})*", re.I)
# token of RFC 9110, section 5.6.2
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_HEADERS = (("sticky", "header"), ("sticky", "cookie"), ("tester_header",))
_RESERVED = frozenset({"host", "content-length", "transfer-encoding", "connection"})


def check(environment: Environment, at: Places) -> Iterator[Problem]:
    """Problems of traffic."""
    traffic = environment.traffic
    if traffic.host is not None and not _HOST.fullmatch(traffic.host):
        sentence = f"`host` is a host name such as `shop.example.com`, not {quoted(traffic.host)}"
        yield at.problem(("traffic", "host"), sentence, "host")
    if traffic.port is not None and traffic.port > 65535:
        yield at.problem(("traffic", "port"), "`port` must be at most 65535", "range")
    if traffic.sticky_header is not None and traffic.sticky_cookie is not None:
        sentence = "`sticky` has both `header` and `cookie` once merged: keep one"
        yield at.problem(("traffic", "sticky"), sentence, "conflict")
    yield from _names(environment, at)


def _names(environment: Environment, at: Places) -> Iterator[Problem]:
    traffic = environment.traffic
    names = (traffic.sticky_header, traffic.sticky_cookie, traffic.tester_header)
    for path, name in zip(_HEADERS, names, strict=True):
        if name is not None and (not _TOKEN.fullmatch(name) or name.lower() in _RESERVED):
            sentence = f"{quoted(name)} cannot be the name of a header or cookie here"
            yield at.problem(("traffic", *path), sentence, "header")
