"""When a message goes out: at once, or together with others. Nothing is dropped.

What came in quiet hours is told when they end; what came back soon after it was told, once more
later, with a count; what is too much for one channel, as one message. A function of what a channel
was told and the time. Called by flows/notify_rounds.
"""

from typing import Literal

from headway.notice.subject import Notice
from headway.record import dataclass

AGAIN_SECONDS = 1800.0
MOST = 10
MOST_SECONDS = 600.0
Why = Literal["", "quiet", "again", "many"]


@dataclass(frozen=True, slots=True)
class Told:
    """What a channel heard lately: when it was last told of this very state (0: never), and when
    of anything in the last ten minutes, oldest first.
    """

    state_at: float = 0.0
    times: tuple[float, ...] = ()


def due(notice: Notice, at: float, told: Told, now: float) -> tuple[float, Why]:
    """When it is to be told, and why not now. `at`: when it may be, for its quiet hours."""
    if at > now:
        return at, "quiet"
    if told.state_at and now - told.state_at < AGAIN_SECONDS:
        return told.state_at + AGAIN_SECONDS, "again"
    recent = [t for t in told.times if now - t < MOST_SECONDS]
    if len(recent) >= MOST and notice.urgency != "page":
        return recent[0] + MOST_SECONDS, "many"
    return now, ""
