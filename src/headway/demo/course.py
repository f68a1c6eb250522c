"""The course of one delivery, read from its events alone. Pure; called by `report` and `show`.

Moments are Unix seconds, 0 if it never came to that. Only the last environment of the path counts:
it is where the users are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from headway.model.event import Event


@dataclass(frozen=True, slots=True)
class Course:
    """`outcome`: delivered (the first release), promoted, rolled_back, held, failed, refused, …, or
    unfinished. `exposed_at`: the first share of users; `whole_at`: the last step, from which on
    it is no canary; `verdict_at`: decided to go back; `back_at`: the proxy confirmed it.
    """

    delivery: str = ""
    commit: str = ""
    digest: str = ""
    release: str = ""
    rollout: str = ""
    address: str = ""
    outcome: str = "unfinished"
    why: str = ""
    first: bool = False
    steps: int = 0
    step: int = -1
    share: float = 0.0
    requested_at: float = 0.0
    exposed_at: float = 0.0
    whole_at: float = 0.0
    verdict_at: float = 0.0
    back_at: float = 0.0
    finished_at: float = 0.0
    recovery: str = ""


def course(events: Sequence[Event]) -> Course:
    """Of one delivery's events, oldest first."""
    told, path = Course(), ""
    for event in events:
        data: dict[str, Any] = event.data
        if event.kind == "pipeline.started":
            path = data["path"][-1]
        hear = HEARD.get(event.kind)
        if hear and (event.environment in {"", path} or event.kind == "delivery.finished"):
            told = replace(told, **hear(told, event, data))
    return told


Data = dict[str, Any]


def _requested(_told: Course, event: Event, data: Data) -> Data:
    return {"delivery": event.delivery, "commit": data["sha"], "requested_at": event.at}


def _started(_told: Course, _event: Event, data: Data) -> Data:
    return {"rollout": data["rollout"], "first": data["first"], "steps": len(data["steps"])}


def _shifted(told: Course, event: Event, data: Data) -> Data:
    now = {name: data[name] for name in ("step", "share", "address")}
    whole = event.at if data["step"] == told.steps - 1 else told.whole_at
    goes_on = {"outcome": "unfinished", "why": ""}
    return {**now, **goes_on, "exposed_at": told.exposed_at or event.at, "whole_at": whole}


def _moved(_told: Course, event: Event, data: Data) -> Data:
    """The judge's word and the decision are one transaction: its time is the verdict's."""
    back = {"verdict_at": event.at} if data["type"] == "roll_back" else {}
    return {"outcome": "unfinished", "why": data["because"], **back}


def _failed(told: Course, event: Event, data: Data) -> Data:
    """From this moment on the way back is timed."""
    at = told.verdict_at or event.at
    return {"verdict_at": at, "back_at": event.at, "why": data["because"]}


def _back(told: Course, _event: Event, data: Data) -> Data:
    return {"back_at": told.back_at + data["milliseconds"] / 1000.0}


def _finished(told: Course, event: Event, data: Data) -> Data:
    good = "delivered" if told.first else "promoted"
    outcome = good if data["outcome"] == "delivered" else data["outcome"]
    return {"outcome": outcome, "why": data["because"] or told.why, "finished_at": event.at}


HEARD: dict[str, Callable[[Course, Event, Data], Data]] = {
    "delivery.requested": _requested,
    "release.created": lambda _t, event, data: {
        "release": event.release,
        "digest": data["digest"],
    },
    "rollout.started": _started,
    "rollout.shifted": _shifted,
    "rollout.moved": _moved,
    "rollout.held": lambda _t, _e, data: {"outcome": "held", "why": data["because"]},
    "rollout.failed": _failed,
    "rollout.rolled_back": _back,
    "rollout.recovered": lambda _t, _e, data: {"recovery": data["outcome"]},
    "release.released": lambda _t, _e, data: {"why": data["because"]},
    "delivery.finished": _finished,
}
