"""What schemathesis is told of Headway's API: a check of its own, names of things that are there,
and what is counted. Loaded by schemathesis (SCHEMATHESIS_HOOKS), which the soak test
tests/e2e/test_api_schemathesis.py starts once for each role.

HEADWAY_ROLE: who asks, empty for nobody. HEADWAY_KNOWN: a JSON file, parameter -> values that are
there. HEADWAY_ANSWERS: a file that gets a line for each answer, `STATUS METHOD PATH`.
"""

import json
import os
import time
import zlib
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis.core import NOT_SET
from schemathesis.core.parameters import ParameterLocation as Part

from headway.access.roles import allowed

ROLE = os.environ["HEADWAY_ROLE"]
KNOWN: dict[str, list[str]] = json.loads(Path(os.environ["HEADWAY_KNOWN"]).read_text())
ANSWERS = Path(os.environ["HEADWAY_ANSWERS"])
LOGS = "/runs/{run}/jobs/{job}/logs"
REASONS = {
    "account-name": "how an account is called; the refusal says so, and that `home` is taken",
    "bad-name": "without `repository` a service is looked for in the one of its own name",
    "not-dispatchable": "inputs are those that the workflow names",
    "bad-cursor": "a cursor is sealed with a key of the home: no schema describes it",
    "changed": "If-Match was not the ETag: what the header is for",
    "key-reused": "the Idempotency-Key of another write: what the header is for",
    "not-quarantined": "the digest is not in quarantine there: a state, not a form",
    "role": "what a token allows are words of the access table, roles and permissions",
    "hostile-upload": "what a job wrote, not what is asked",
    "other-kind": "a connection of that name is of another kind",
    "quiet": "hours are written as people write them; the refusal says how",
    "unknown-zone": "IANA names of time zones",
    "channel": "a channel is a connection of this home",
    "unknown-topic": "`follow` needs an event, which depends on the command",
    "who": "the name of a team or person",
    "nul": "no text holds NUL, which no schema says of each of them",
}
"""Codes of refusals that valid data may get, for what a schema cannot say."""
BEFORE = frozenset({
    "too-large", "media-type", "bad-json", "nul", "unknown-parameter", "repeated-parameter",
    "unknown-address",
})  # fmt: skip
"""Codes of refusals for which nobody is asked who they are: they tell nothing of what is there."""


@schemathesis.hook
def filter_failure(ctx: Any, failure: Any, case: Any, response: Any) -> bool:
    """Valid data that was refused counts, unless its code is among the reasons; how long an answer
    took does not.
    """
    del ctx, case
    if failure.code != "ST202":
        return bool(failure.code != "ST112")
    return response.json().get("code") not in REASONS


@schemathesis.check
def permission_of_the_role(ctx: Any, response: Any, case: Any) -> None:
    """No success where the table of permissions forbids it; and whoever may not ask at all learns
    nothing but that.
    """
    del ctx
    who, status = ROLE or "nobody", response.status_code
    first = case.operation.definition.raw["x-permission"]
    for needed in (first, *_asked_for(case, response)):
        assert _fits(needed) or status >= 400, f"{who} got it without {needed}"
    if _fits(first) or status in {401, 403, 405} or case.operation.path == LOGS:
        return
    code = response.json().get("code")
    named = code == "unknown-name" and "%00" in response.request.url
    assert code in BEFORE or named, f"{who} without {first} learned {status} {code}"


def _fits(needed: str) -> bool:
    if needed == "approval.decide":
        return ROLE == "approver"  # of programs an administrator is none
    return bool(ROLE and allowed(ROLE, needed))  # type: ignore[arg-type]


def _asked_for(case: Any, response: Any) -> list[str]:
    """What the route asks for besides, by what was sent."""
    id = case.operation.definition.raw["operationId"]
    body, path, query = (
        given if isinstance(given, dict) else {}
        for given in (case.body, case.path_parameters, case.query)
    )
    done = response.status_code < 300
    match id:
        case "command_line":
            return ["line.start"] if body.get("command") == "start" else []
        case "command_run":
            return ["run.start"] if body.get("command") == "rerun" else []
        case "list_tokens":
            return ["account.read"] if query.get("account") not in {None, "", NOT_SET, ROLE} else []
        case "command_token":
            return ["account.manage"] if done and response.json()["account"] != ROLE else []
        case "command_preferences":
            return ["notification.manage"] if path.get("name") != ROLE else []
        case _:
            return []


@schemathesis.hook
def before_call(ctx: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Every second time things that are there, instead of names that fit and mean nothing."""
    del ctx, kwargs
    _fresh_key(case)
    kept = case.meta is None or case.meta.phase.name.value == "stateful"
    if kept:
        return
    for part, given in (
        (Part.PATH, case.path_parameters),
        (Part.QUERY, case.query),
        (Part.BODY, case.body),
    ):
        info = case.meta.components.get(part)
        if isinstance(given, dict) and info is not None and info.mode.is_positive:
            for name in given.keys() & KNOWN.keys():
                number = zlib.crc32(repr((name, given[name])).encode("utf-8", "replace"))
                if number % 2 and given[name] is not NOT_SET:
                    given[name] = KNOWN[name][number // 2 % len(KNOWN[name])]


def _fresh_key(case: Any) -> None:
    """Generated keys repeat; a key that fits is for one write."""
    header = case.meta and case.meta.components.get(Part.HEADER)
    if case.headers and "Idempotency-Key" in case.headers and header and header.mode.is_positive:
        case.headers["Idempotency-Key"] = f"k{time.time_ns()}"


@schemathesis.hook
def after_call(ctx: Any, case: Any, response: Any) -> None:
    """Count it."""
    del ctx
    one = case.operation
    with ANSWERS.open("a", encoding="utf-8") as file:
        file.write(f"{response.status_code} {one.method.upper()} {one.path}\n")
