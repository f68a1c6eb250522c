"""Events of the log as items of a timeline: when, how it went, what happened in words."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from headway.model.event import Event
from headway.web import words
from headway.wording.sentences import sentence

_SIGNS = {
    "✓": ("pass", "pass"),
    "✗": ("fail", "fail"),
    "↩": ("fail", "rollback"),
    "◷": ("wait", "wait"),
    "⚠": ("wait", "alert"),
    "□": ("none", "none"),
    "○": ("none", "none"),
    "●": ("none", "info"),
}


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a timeline. `note`: where it happened."""

    at: datetime
    state: str
    icon: str
    text: str
    note: str


def items(events: Iterable[Event], *, places: bool = True) -> list[Item]:
    """What is worth telling, newest first."""
    told = [(e, sentence(e)) for e in events]
    return [_item(e, s, places=places) for e, s in reversed(told) if s is not None]


def _item(event: Event, said: str, *, places: bool) -> Item:
    sign, _, rest = said.partition(" ")
    state, icon = _SIGNS.get(sign, ("none", "info"))
    text = (rest if sign in _SIGNS else said).removeprefix("ok: ")
    note = event.environment if places else ""
    at = datetime.fromtimestamp(event.at, UTC)
    return Item(at, state, icon, words.capitalize_first(text), note)
