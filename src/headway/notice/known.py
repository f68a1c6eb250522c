"""What the records say beside an event, and the beginnings of every notice. Used by notice/reading.

Text of others (subjects of commits, reasons, names of branches) becomes one line of printable
characters here; each channel's adapter escapes what is special to it.
"""

from headway.model.event import Event
from headway.model.service import Environment
from headway.notice.subject import BY_NAME, Notice, Urgency
from headway.record import dataclass
from headway.wording.text import plain

MOST = 400


@dataclass(frozen=True, slots=True)
class Known:
    """The release's commit, and the environment as the release's headway.yaml says; `path`: all of
    its environments in order. Empty what is not known.
    """

    sha: str = ""
    subject: str = ""
    author: str = ""
    path: tuple[str, ...] = ()
    environment: Environment | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """The words of a notice: `title` is what happened, `why` and `next` may be empty, `who` did it.
    `page` is a path at the server.
    """

    title: str
    page: str
    why: str = ""
    next: str = ""
    who: str = ""
    facts: tuple[str, ...] = ()


def make(
    event: Event, topic: str, known: Known, said: Said, urgency: Urgency | None = None
) -> Notice:
    """The notice of an event."""
    where = f"{event.service}/{event.environment}" if event.environment else event.service
    commit = f"{known.sha[:12]} {known.subject}".strip()
    lines = (
        f"Why: {said.why}" if said.why else "",
        *said.facts,
        f"Commit: {commit}, by {_name(known.author)}" if commit and known.author else "",
        f"By: {said.who}" if said.who else "",
        f"Next: {said.next}" if said.next else "",
    )
    fields = {
        "event": topic,
        "service": event.service,
        "environment": event.environment,
        "release": event.release,
        "commit": known.sha,
        "delivery": event.delivery,
        "digest": str(event.data.get("digest", "")),
        "because": said.why,
        "by": said.who,
    }
    return Notice(
        key=event.id,
        topic=topic,
        urgency=urgency or BY_NAME[topic].urgency,
        about=event.delivery or event.subject,
        service=event.service,
        environment=event.environment,
        release=event.release,
        title=one_line(f"{where}: {said.title}" if where else said.title),
        lines=tuple(one_line(line) for line in lines if line),
        path=said.page,
        at=event.at,
        fields={name: one_line(text) for name, text in fields.items() if text},
    )


def one_line(text: str) -> str:
    """Harmless characters only, single spaces, not too many."""
    return " ".join(plain(text, MOST).split())


def because(event: Event) -> str:
    """Why, in the words of the event."""
    return str(event.data.get("because", "") or event.data.get("reason", "")) or "no reason given"


def number(event: Event, name: str) -> float:
    """A number of the event's data; 0 if it has none."""
    found = event.data.get(name)
    return float(found) if isinstance(found, int | float) else 0.0


def _name(author: str) -> str:
    """Of `Ana Bell <ana@example.org>` the name: an address is nobody's business in a channel."""
    return author.partition("<")[0].strip() or author
