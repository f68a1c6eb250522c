"""Events of the log as items of a timeline: when, how it went, what happened in words."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from headway.model.event import Event
from headway.web import words
from headway.wording.sentences import sentence

MOST = 400
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


def news(events: Iterable[Event]) -> Iterator[Event]:
    """The events without those of the judge's words that say the same as the one before."""
    last = ""
    for event in events:
        if event.kind == "rollout.judged":
            word = f"{event.subject} {event.data['outcome']}"
            if word == last:
                continue
            last = word
        yield event


def items(events: Iterable[Event], *, places: bool = True) -> list[Item]:
    """What is worth telling, newest first."""
    told = [(e, sentence(e)) for e in events]
    return [_item(e, s, places=places) for e, s in reversed(told) if s is not None]


def _short(text: str) -> str:
    """A log's last lines, which a failed job brings along, are read at the run."""
    clean = text.replace("`", "")
    return clean if len(clean) <= MOST else clean[: MOST - 1].rstrip() + "…"


def _item(event: Event, said: str, *, places: bool) -> Item:
    sign, _, rest = said.partition(" ")
    state, icon = _SIGNS.get(sign, ("none", "info"))
    text = (rest if sign in _SIGNS else said).removeprefix("ok: ")
    note = event.environment if places else ""
    at = datetime.fromtimestamp(event.at, UTC)
    return Item(at, state, icon, words.capitalize_first(_short(text)), note)
