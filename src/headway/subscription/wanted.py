"""Which events a subscription gets: patterns of kinds, a service, an environment.

A pattern is a kind (`release.released`) in which `*` stands for any letters (`rollout.*`); `*`
alone is every kind. What stands after a colon (`job.finished:test`) is not compared. Events about
webhooks themselves are sent to nobody: a receiver that fails would be told so, and fail again.
"""

import re
from functools import cache

from headway.model.errors import Invalid
from headway.model.event import Event
from headway.model.webhook import Subscription

EVERYTHING = "*"
MOST_PATTERNS = 50
OWN = "webhook."
_PATTERN = re.compile(r"\*|[a-z_*]{1,60}\.[a-z_*]{1,60}")


def patterns(text: str) -> tuple[str, ...]:
    """The patterns of a list with commas, each once; none written is every kind.

    Raises Invalid (`webhook-events`).
    """
    found = tuple(dict.fromkeys(p.strip() for p in text.split(",") if p.strip()))
    bad = next((p for p in found if not _PATTERN.fullmatch(p)), "")
    if bad or len(found) > MOST_PATTERNS:
        raise Invalid(
            f"`{bad[:60]}` is no pattern of events" if bad else "these are too many patterns",
            why=f"at most {MOST_PATTERNS}, each like `release.*`, `rollout.rolled_back` or `*`",
            next="docs/reference/events.md lists the kinds",
            code="webhook-events",
        )
    return found or (EVERYTHING,)


def wants(subscription: Subscription, event: Event) -> bool:
    """Whether the event is for this subscription. One of an environment gets no event that belongs
    to none.
    """
    if event.kind.startswith(OWN):
        return False
    if subscription.service not in {"", event.service}:
        return False
    if subscription.environment not in {"", event.environment}:
        return False
    kind = event.kind.partition(":")[0]
    return any(_regex(p).fullmatch(kind) for p in subscription.events)


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile("[^:]*".join(map(re.escape, pattern.split("*"))))
