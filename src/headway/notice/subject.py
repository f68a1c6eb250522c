"""What a notice is, and the topics that people follow. Asked by everything in this package.

A topic is a kind of event in people's words: one thing to be told of, whatever it is called in the
log. docs/reference/notifications.md is made from the table.
"""

from dataclasses import field
from typing import Literal

from headway.record import dataclass

Urgency = Literal["info", "ticket", "page"]
URGENCIES: tuple[Urgency, ...] = ("info", "ticket", "page")
EVERY = "every"


@dataclass(frozen=True, slots=True)
class Topic:
    """`urgency` is the usual one; `default`: who hears of it without any preference."""

    name: str
    urgency: Urgency
    means: str
    default: Literal["owner", "approvers", "owner's chat", "nobody"]


TOPICS = (
    Topic("approval", "ticket", "a release waits for approvals", "approvers"),
    Topic("decided", "info", "a person approved or rejected a release", "nobody"),
    Topic("waiting", "ticket", "a release waits for a person to start it", "owner"),
    Topic("promoted", "info", "a release enters the next environment of its path", "nobody"),
    Topic("released", "info", "a release is the last known good of its place", "owner's chat"),
    Topic("rolled_back", "ticket", "a release was taken back from an environment", "owner"),
    Topic("outage", "page", "users still get errors after a rollback", "owner"),
    Topic(
        "failed",
        "ticket",
        "a delivery failed or was refused; a page if the way back did not take hold",
        "owner",
    ),
    Topic("held", "ticket", "a rollout waits for a person's decision", "owner"),
    Topic("paused", "ticket", "a rollout was paused, by a person or by an error budget", "owner"),
    Topic("resumed", "info", "a paused or held rollout goes on", "nobody"),
    Topic("budget", "ticket", "an error budget burns, is low, or keeps a release out", "owner"),
    Topic("line", "ticket", "the line was stopped or started again by a person", "owner"),
    Topic("expiring", "ticket", "an exception to a rule ends within a week", "owner"),
)
BY_NAME = {t.name: t for t in TOPICS}


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that happened, as people are told of it.

    `key`: the id of its event. `about`: what it happened to (`del_…`, an SLO); notices of one
    `about` are one thread. `path`: its page. `asked`: names of those who are asked to act.
    `fields`: name -> text, for programs. `at`: Unix seconds. `wide`: an empty service or
    environment means every one.
    """

    key: str
    topic: str
    urgency: Urgency
    about: str
    service: str
    environment: str
    release: str
    title: str
    lines: tuple[str, ...]
    path: str
    at: float
    asked: tuple[str, ...] = ()
    fields: dict[str, str] = field(default_factory=dict)
    wide: bool = False

    @property
    def state(self) -> str:
        """The same for the same state of the same thing: what must not be told twice."""
        return f"{self.topic}:{self.about}:{self.environment}"
