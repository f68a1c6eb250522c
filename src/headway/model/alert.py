"""Alerts: something that a person must know about, for whom, how urgent, and how it ended."""

from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["page", "ticket"]
AlertState = Literal["firing", "acknowledged", "suppressed", "resolved"]


@dataclass(frozen=True, slots=True)
class Symptom:
    """One thing seen going wrong now. `rule`: its kind (`slo_burn`, `rollout_failed`, …), which
    decides the route; `cause`: what symptoms of one root cause have in common (a release, an
    instance, a metric source). Told again and again while it lasts, and once with `over`.
    """

    rule: str
    service: str
    environment: str
    summary: str
    at: float
    release: str = ""
    cause: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    over: bool = False


@dataclass(frozen=True, slots=True)
class Alert:
    """Symptoms of one service, release and cause, grouped. `key` is the same for the same trouble;
    `count`: symptoms so far; times are Unix seconds, 0 for not yet. `links`: name -> text or URL
    (release, commit, owner, runbook, changelog).
    """

    id: str
    key: str
    severity: Severity
    state: AlertState
    rule: str
    service: str
    environment: str
    release: str
    cause: str
    summary: str
    began: float
    seen: float
    count: int = 1
    told: float = 0.0
    acknowledged: float = 0.0
    by: str = ""
    escalated: float = 0.0
    resolved: float = 0.0
    links: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    """What goes to a channel. `key` is unique for a message, so that a repetition is recognised;
    `thread` is the same for all messages of one alert; `severity` empty: a notice. `link`: the page
    that tells more, at Headway's own address.
    """

    key: str
    thread: str
    title: str
    text: str
    severity: Literal["page", "ticket", ""]
    resolved: bool
    at: float
    fields: dict[str, str] = field(default_factory=dict)
    link: str = ""
