"""The audit trail: every event, by whom and why."""

from datetime import UTC, datetime, timedelta

from starlette.responses import Response

from headway.access.principal import services
from headway.model.errors import Invalid
from headway.store.views import audit as view
from headway.store.views.audit import Wanted
from headway.web.page import Ask, page

KINDS = {
    "delivery": "Deliveries",
    "command": "Commands",
    "approval": "Approvals",
    "rollout": "Rollouts",
    "release": "Releases",
    "gates": "Gates",
    "line": "The line",
    "quarantine": "Quarantine",
    "run": "Pipeline runs",
    "login": "Logins",
    "account": "Accounts",
    "grant": "Roles",
    "token": "Tokens",
    "webhook": "Webhooks",
    "notify": "Notifications",
}


@page("/audit", "audit.read")
def audit(ask: Ask) -> Response:
    """A page of it, filtered."""
    asked = {n: ask.query.get(n, "")[:200] for n in ("who", "kind", "service", "q", "from", "to")}
    wanted = Wanted(
        who=asked["who"],
        kind=asked["kind"],
        service=asked["service"],
        text=asked["q"],
        since=_day(asked["from"]),
        until=_day(asked["to"], after=1),
        below=_number(ask.query.get("below", "")),
        services=services(ask.who, "audit.read"),
    )
    with ask.headway.reading() as connection:
        found = view.read(connection, wanted)
    return ask.show("audit.html", trail=found, asked=asked, kinds=KINDS)


def _day(text: str, after: int = 0) -> float:
    """The Unix time at which the day begins in UTC, or `after` days later; 0 for no day."""
    if not text:
        return 0.0
    try:
        known = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
        return (known + timedelta(days=after)).timestamp()
    except (ValueError, OverflowError) as error:
        raise Invalid(f"{text!r} is no day", why="write it as 2026-11-21", code="query") from error


def _number(text: str) -> int:
    if not text:
        return 0
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise Invalid(f"{text[:40]!r} is no number of an event", code="query")
    return int(text)
