"""Notices as messages: one at once, or several together after quiet hours, a burst or a repetition.

Plain text; adapters make of it what their channel shows and escape what is special there. Called by
flows/notify_rounds.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from headway.model.alert import Message
from headway.notice.known import one_line
from headway.notice.pacing import Why
from headway.notice.subject import Notice
from headway.record import dataclass

LISTED = 20
_WHY = {
    "quiet": "in quiet hours",
    "again": "again soon after it was told",
    "many": "more than the channel takes at once",
}


@dataclass(frozen=True, slots=True)
class Late:
    """A notice that was kept back, and why."""

    notice: Notice
    why: Why


def one(notice: Notice, base: str, now: float, why: Why = "") -> Message:
    """A notice on its own. `base`: the server's public address, "" if there is none."""
    late = (f"It happened at {_clock(notice.at, now)}, {_WHY[why]}.",) if why else ()
    link = address(base, notice.path)
    return Message(
        key=notice.key,
        thread=notice.about or notice.key,
        title=notice.title,
        text="\n".join((*late, *notice.lines)),
        severity="",
        resolved=False,
        at=now,
        fields=notice.fields,
        link=link,
    )


def several(late: Sequence[Late], base: str, now: float) -> Message:
    """Many notices as one message, oldest first; what is the same state is one line with a count.

    `late` has at least two. The key is made of the first and last, so it is the same when it is
    made again.
    """
    first, last = late[0].notice, late[-1].notice
    lines = _lines(late, now)
    more = len(lines) - LISTED
    shown = [
        *lines[:LISTED],
        *([f"and {more} more; all of them: headway notify told"] * (more > 0)),
    ]
    services = {n.notice.service for n in late}
    path = f"/services/{first.service}" if len(services) == 1 and first.service else "/"
    return Message(
        key=f"digest/{first.key}/{last.key}/{len(late)}",
        thread=f"digest/{first.key}",
        title=one_line(_title(late, now)),
        text="\n".join(shown),
        severity="",
        resolved=False,
        at=now,
        fields={"event": "digest", "notices": str(len(late)), "because": _reasons(late)},
        link=address(base, path),
    )


def address(base: str, path: str) -> str:
    """A page's address; empty without a public address that is http or https."""
    known = base.startswith(("http://", "https://"))
    return f"{base.rstrip('/')}{path}" if known and path else ""


def _title(late: Sequence[Late], now: float) -> str:
    states = {one.notice.state for one in late}
    if len(states) == 1:
        since = _clock(late[0].notice.at, now)
        times = f"{len(late)} more times since {since}"
        return f"{late[-1].notice.title} ({times})"
    counts = Counter(one.notice.topic.replace("_", " ") for one in late)
    told = ", ".join(f"{count} {topic}" for topic, count in counts.most_common())
    head = {"quiet": "While it was quiet", "many": f"And {len(late)} more"}.get(_one_why(late), "")
    return f"{head or f'{len(late)} more'}: {told}"


def _one_why(late: Sequence[Late]) -> str:
    whys = {one.why for one in late}
    return whys.pop() if len(whys) == 1 else ""


def _reasons(late: Sequence[Late]) -> str:
    return "; ".join(dict.fromkeys(_WHY[one.why] for one in late if one.why))


def _lines(late: Sequence[Late], now: float) -> list[str]:
    """A line for each state: when it was last so, what it said, how often."""
    last: dict[str, Notice] = {}
    counts: Counter[str] = Counter()
    for known in late:
        counts[known.notice.state] += 1
        last.pop(known.notice.state, None)
        last[known.notice.state] = known.notice
    return [
        one_line(
            f"{_clock(notice.at, now)} {notice.title}"
            + (f" ({counts[state]} times)" if counts[state] > 1 else "")
            + (f". {notice.lines[0]}" if notice.lines else "")
        )
        for state, notice in last.items()
    ]


def _clock(at: float, now: float) -> str:
    """`14:32 UTC`, with the day if that is not today."""
    then, today = datetime.fromtimestamp(at, UTC), datetime.fromtimestamp(now, UTC).date()
    day = "" if then.date() == today else f"{then:%a %d %b} "
    return f"{day}{then:%H:%M} UTC"
