"""What people wish: how somebody is reached, and of what they want to hear. Kept by store/notices.

Text from a command line becomes these frozen values here, or one clear error.
"""

import re

from headway.model.errors import Invalid
from headway.notice.subject import BY_NAME, EVERY, Urgency
from headway.record import dataclass

KINDS = ("slack", "webhook", "email")
CHAT = frozenset({"slack", "webhook"})
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60
_WHO = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")
_HOURS = re.compile(r"(?:(?P<days>[A-Za-z,-]+)\s+)?(?P<begin>\d\d:\d\d)-(?P<end>\d\d:\d\d)")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Hours:
    """Quiet from `begins` to `ends`, minutes after midnight, on the days (0 is Monday) on which
    they begin. An end that is not later than the begin is on the next day.
    """

    days: tuple[int, ...]
    begins: int
    ends: int


@dataclass(frozen=True, slots=True)
class Party:
    """How a team or person is reached. `zone`: IANA name in which `quiet` is meant; `pages`:
    whether what is urgent breaks through it. `origin`: where this is written.
    """

    who: str
    channels: tuple[str, ...]
    quiet: tuple[Hours, ...] = ()
    zone: str = "UTC"
    pages: bool = True
    origin: str = "headway notify set"


@dataclass(frozen=True, slots=True)
class Rule:
    """Of what `who` wants to hear, or (`mute`) not. Empty `services`, `environments`: every one.

    `least`: what is less urgent is not told. Empty `channels`: those of the party; `chat`: of these
    only where nobody is woken, so no e-mail.
    """

    id: str
    who: str
    events: tuple[str, ...]
    services: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    least: Urgency = "info"
    channels: tuple[str, ...] = ()
    mute: bool = False
    chat: bool = False

    @property
    def scope(self) -> tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """A rule that is set again for the same scope replaces the one before."""
        named = (sorted(set(n)) for n in (self.events, self.services, self.environments))
        events, services, environments = (tuple(n) for n in named)
        return self.who, events, services, environments


def who(text: str) -> str:
    """The name of a team or person. Raises Invalid (`who`)."""
    if not _WHO.fullmatch(text):
        raise Invalid(
            f"`{text[:60]}` is no name of a team or person",
            why="letters, digits and . _ @ + - only",
            code="who",
        )
    return text


def events(given: tuple[str, ...]) -> tuple[str, ...]:
    """Topics, or `every`. Raises Invalid (`unknown-topic`)."""
    for name in given:
        if name not in BY_NAME and name != EVERY:
            raise Invalid(
                f"`{name[:60]}` is nothing that can be followed",
                why=f"known: {', '.join(BY_NAME)}, {EVERY}",
                next="headway notify topics",
                code="unknown-topic",
            )
    return tuple(dict.fromkeys(given))


def channels(given: tuple[str, ...]) -> tuple[str, ...]:
    """`KIND/NAME` each. Raises Invalid (`channel`)."""
    for one in given:
        kind, slash, name = one.partition("/")
        if kind not in KINDS or not slash or not _NAME.fullmatch(name):
            raise Invalid(
                f"`{one[:60]}` is no channel for notices",
                why=f"a channel is a kind ({', '.join(KINDS)}) and a connection: slack/team-shop",
                next="headway connection list",
                code="channel",
            )
    return tuple(dict.fromkeys(given))


def hours(text: str) -> Hours:
    """`22:00-07:00`, `Mon-Fri 20:00-08:00`, `Sat,Sun 00:00-24:00`. Raises Invalid (`quiet`)."""
    found = _HOURS.fullmatch(text.strip())
    if found is None:
        raise _no_hours(text, "write DAYS HH:MM-HH:MM")
    begins, ends = _minutes(text, found["begin"]), _minutes(text, found["end"])
    if begins in {DAY_MINUTES, ends}:
        raise _no_hours(text, "a whole day is 00:00-24:00")
    return Hours(_days(text, found["days"] or "mon-sun"), begins, ends)


def shown(one: Hours) -> str:
    """As it is written."""
    days = "" if len(one.days) == 7 else ",".join(DAYS[d].title() for d in one.days) + " "
    return f"{days}{_clock(one.begins)}-{_clock(one.ends)}"


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _minutes(text: str, clock: str) -> int:
    found = int(clock[:2]) * 60 + int(clock[3:])
    if int(clock[3:]) > 59 or found > DAY_MINUTES:
        raise _no_hours(text, f"{clock} is no time of day")
    return found


def _days(text: str, days: str) -> tuple[int, ...]:
    found: set[int] = set()
    for part in days.lower().split(","):
        first, dash, last = part.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise _no_hours(text, f"days are {', '.join(d.title() for d in DAYS)}")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        found |= {d % 7 for d in range(begin, (end if end >= begin else end + 7) + 1)}
    return tuple(sorted(found))


def _no_hours(text: str, why: str) -> Invalid:
    return Invalid(
        f"`{text[:60]}` are no quiet hours",
        why=why,
        next='--quiet-hours "Mon-Fri 20:00-08:00"',
        code="quiet",
    )
