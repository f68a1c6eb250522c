"""What follows an attempt to send: done, again and when, given up, or the subscription rests.

Exponential delays with half of each left to chance ("equal jitter": aws.amazon.com/blogs/
architecture/exponential-backoff-and-jitter), so that receivers which failed together are not asked
together. Chance is an argument: `jitter` is from 0 to 1.

Two things wait after a failure. The delivery itself; and, if the receiver seems to be away, the
whole subscription, so that the order stays. A delivery that only is refused, or has failed several
times, steps aside: the later ones go first, because one bad delivery must not hold up all others.
"""

from typing import Literal

from headway.model.webhook import Answer
from headway.record import dataclass

FIRST_SECONDS = 5.0
MOST_SECONDS = 3600.0
GIVE_UP_SECONDS, GIVE_UP_ATTEMPTS = 86400.0, 10
TELL_SECONDS = 3600.0
ASIDE_AFTER = 5
GONE = 410
_AWAY = frozenset({408, 425, 429})
What = Literal["delivered", "again", "dead", "gone"]


@dataclass(frozen=True, slots=True)
class Next:
    """What follows. `seconds`: until the delivery may be tried again; `rest_seconds`: until
    anything of the subscription may be.
    """

    what: What
    seconds: float = 0.0
    rest_seconds: float = 0.0
    aside: bool = False


@dataclass(frozen=True, slots=True)
class Tried:
    """How it stands with a delivery after an attempt: `attempts` and `failures` (in a row, of the
    subscription) count this one; `age_seconds` since the delivery's first attempt.
    """

    answer: Answer
    attempts: int
    failures: int
    age_seconds: float


def delay(attempts: int, jitter: float) -> float:
    """Seconds until the next attempt after so many: half of 5, 10, 20 … at most an hour, and up to
    the whole by chance.
    """
    whole = min(MOST_SECONDS, FIRST_SECONDS * 2.0 ** min(max(attempts, 1) - 1, 30))
    return whole * (0.5 + 0.5 * min(max(jitter, 0.0), 1.0))


def follows(tried: Tried, jitter: float) -> Next:
    """What follows from an answer. For 410 the subscription is to be paused."""
    answer = tried.answer
    if answer.taken:
        return Next("delivered")
    if answer.status == GONE:
        return Next("gone")
    if tried.age_seconds >= GIVE_UP_SECONDS and tried.attempts >= GIVE_UP_ATTEMPTS:
        return Next("dead", rest_seconds=_rest(tried, jitter))
    asked = min(answer.retry_after, MOST_SECONDS)
    wait = max(delay(tried.attempts, jitter), asked)
    aside = tried.attempts >= ASIDE_AFTER or not _away(answer)
    return Next("again", wait, max(_rest(tried, jitter), asked), aside)


def because(answer: Answer) -> str:
    """Why it was not taken, as a sentence for people, without the address."""
    if not answer.status:
        return answer.error
    if 300 <= answer.status < 400:
        return f"the receiver answered {answer.status}; redirects are not followed"
    return f"the receiver answered {answer.status}"


def _away(answer: Answer) -> bool:
    """Whether the receiver, rather than this delivery, is what fails."""
    return not answer.status or answer.status >= 500 or answer.status in _AWAY


def _rest(tried: Tried, jitter: float) -> float:
    if _away(tried.answer) or tried.failures >= ASIDE_AFTER:
        return delay(tried.failures, jitter)
    return 0.0
