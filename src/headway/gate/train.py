"""The train: releases wait for a departure and leave together; a hotfix goes beside it.

Pure. flows/train.py says what is known, asks here who leaves at a departure and what the door of an
environment answers; `headway plan` asks the same.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from headway.model.service import Train
from headway.model.verdict import Outcome, Verdict

JUDGE = "train"
State = Literal["waiting", "boarded", "behind"]
Progress = Literal["going", "released", "ended"]


@dataclass(frozen=True, slots=True)
class Passenger:
    """A release at the door of an environment. `ready`: every other gate lets it in. `state`: it
    waits, has left with a train, or stays behind for a newer one of its service.
    """

    delivery: str
    service: str
    release: str
    number: int
    ready: bool
    state: State = "waiting"
    departure: str = ""


@dataclass(frozen=True, slots=True)
class Bundle:
    """Who leaves at a departure, in their order, and who stays behind for whom."""

    passengers: tuple[Passenger, ...]
    behind: dict[str, str]


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a release stands. `next`: the departure in words; `held`: who stopped the train and
    why; `hotfix`: who let it go beside the train and why; `before`: how those are doing who must
    be released before it.
    """

    passenger: Passenger
    next: str
    held: str = ""
    hotfix: str = ""
    before: Mapping[str, Progress] | None = None


def bundle(waiting: Iterable[Passenger], order: tuple[str, ...]) -> Bundle:
    """The newest ready release of each service, in the declared order (others after it, by name);
    older ready ones of the same service stay behind.
    """
    newest: dict[str, Passenger] = {}
    ready = sorted((p for p in waiting if p.ready and p.state == "waiting"), key=lambda p: p.number)
    for one in ready:
        newest[one.service] = one
    places = {name: index for index, name in enumerate(order)}
    leaving = sorted(newest.values(), key=lambda p: (places.get(p.service, len(order)), p.service))
    behind = {p.delivery: newest[p.service].release for p in ready if newest[p.service] is not p}
    return Bundle(tuple(leaving), behind)


def judge(policy: Train | None, seat: Seat | None) -> Verdict:
    """PASS without a train, for a hotfix, and for a release that has left and whose turn it is."""
    if policy is None or seat is None:
        return Verdict(JUDGE, Outcome.PASS, "no train: it starts when the other gates pass")
    if seat.hotfix:
        return Verdict(JUDGE, Outcome.PASS, f"a hotfix beside the train, {seat.hotfix}")
    if seat.passenger.state == "boarded":
        return _under_way(seat)
    if seat.held:
        return Verdict(JUDGE, Outcome.WAIT, f"the train is held {seat.held}")
    return Verdict(JUDGE, Outcome.WAIT, f"waits for the departure of {seat.next}")


def _under_way(seat: Seat) -> Verdict:
    before = seat.before or {}
    ended = [release for release, how in before.items() if how == "ended"]
    going = [release for release, how in before.items() if how == "going"]
    if ended:
        because = f"{ended[0]}, which goes before it, was not released"
        return Verdict(JUDGE, Outcome.FAIL, because)
    if going:
        because = f"left with {seat.passenger.departure}; {going[0]} goes first"
        return Verdict(JUDGE, Outcome.WAIT, because)
    return Verdict(JUDGE, Outcome.PASS, f"left with {seat.passenger.departure}")
