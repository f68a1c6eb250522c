"""The capital behind the bets: who holds how much of the one unit that was there at the start.

Every family of signals owns its weight; a restart hands out a further part of it (a new e-process,
so that a late fault need not win back what the quiet time cost). Part-capitals that play the same
bet are added up at once: the mixture over restarts is linear. E, the evidence, is the sum of it
all, and since nothing is handed out twice its expectation under the null is at most 1. Called by
`judge`.
"""

from dataclasses import dataclass, field

import numpy as np

from headway.analysis import roles
from headway.analysis.bets import Bet
from headway.analysis.evariable import Floats
from headway.analysis.score import ALTERNATIVES

NOTHING = -1e9  # log of no capital; finite, because JSON knows no infinity
IDLE = ""  # the seat of capital that nobody plays with
FIRST, EARLY, EARLY_RESTARTS = 0.4, 0.04, 14
EMPTY = (NOTHING,) * ALTERNATIVES

Account = tuple[float, ...]
Seats = dict[str, Account]


@dataclass(frozen=True, slots=True)
class Capital:
    """`accounts`: family -> seat -> log capital per alternative. `last`: age at last restart."""

    restarts: int = 0
    last: float = 0.0
    accounts: dict[str, Seats] = field(
        default_factory=lambda: {family: {IDLE: EMPTY} for family in roles.WEIGHTS}
    )


def handed_out(restart: int) -> float:
    """The part of all capital that start number `restart` (from 0) brings into play; sums to 1.

    40 % at the first, 4 % at each of the next 14, what is left as 1/(j (j+1)) of it for ever.
    """
    if restart == 0:
        return FIRST
    if restart <= EARLY_RESTARTS:
        return EARLY
    late = restart - EARLY_RESTARTS
    return (1 - FIRST - EARLY * EARLY_RESTARTS) / (late * (late + 1))


def staked(  # noqa: PLR0913
    capital: Capital,
    bets: list[Bet],
    log_s: Floats,
    age: float,
    every: float,
    weights: dict[str, float] = roles.WEIGHTS,
) -> Capital:
    """Capital after these bets. `log_s`: bets x alternatives; `every`: seconds between restarts;
    `weights`: of every family that may ever bet, the same each time.

    A family none of whose signals bets now is left as it is.
    """
    playing: dict[str, list[str]] = {}
    for bet in bets:
        family, seat = roles.seat(bet.role, bet.instance)
        playing.setdefault(family, []).append(seat)
    held = {family: capital.accounts.get(family, {IDLE: EMPTY}) for family in weights}
    accounts = {f: _seated(held[f], playing.get(f, [])) for f in weights}
    due = capital.restarts == 0 or age - capital.last >= every
    if due:
        part = handed_out(capital.restarts)
        for family, weight in weights.items():
            _fund(accounts[family], playing.get(family, [IDLE]), weight * part)
    _settle(accounts, bets, log_s)
    return Capital(capital.restarts + due, age if due else capital.last, accounts)


def log_evidence(capital: Capital) -> float:
    """log E: everything anybody holds."""
    return float(np.logaddexp.reduce([held for _, _, held in _holders(capital)]))


def log_held(
    capital: Capital, family: str, seat: str, weights: dict[str, float] = roles.WEIGHTS
) -> float:
    """log of what this seat holds over its even share of the family's weight."""
    seats = capital.accounts[family]
    even = weights[family] / max(1, len(seats) - 1)
    return _log_sum(seats.get(seat, EMPTY)) - float(np.log(even))


def richest(capital: Capital) -> tuple[str, str]:
    """The family and seat of the signal that holds most. Only after a first bet."""
    playing = [holder for holder in _holders(capital) if holder[1] != IDLE]
    family, seat, _ = max(playing, key=lambda holder: holder[2])
    return family, seat


def players(capital: Capital, family: str) -> list[str]:
    """The seats of a family that somebody plays on."""
    return [seat for seat in sorted(capital.accounts.get(family, {})) if seat != IDLE]


def _seated(seats: Seats, present: list[str]) -> Seats:
    """The accounts for the seats that play now; the sum never changes.

    Who left leaves its capital idle. Newcomers share what is idle; if nothing is, every holder
    gives up the same part so that newcomers start with the mean.
    """
    newcomers = [seat for seat in present if seat not in seats]
    kept = {seat: seats[seat] for seat in present if seat in seats}
    if not present or len(kept) == len(present) == len(seats) - 1:
        return dict(seats)
    left = [seats[seat] for seat in sorted(seats) if seat not in kept]
    idle = np.logaddexp.reduce(np.array(left), axis=0)
    if not newcomers:
        return {IDLE: _account(idle), **kept}
    if idle.max() > NOTHING / 2 or not kept:
        share = _account(idle - np.log(len(newcomers)))
        return {IDLE: EMPTY, **kept, **dict.fromkeys(newcomers, share)}
    return {IDLE: EMPTY, **_diluted(kept, newcomers)}


def _diluted(kept: Seats, newcomers: list[str]) -> Seats:
    all_seats = len(kept) + len(newcomers)
    total = np.logaddexp.reduce(np.array(list(kept.values())), axis=0)
    keep = np.log(len(kept) / all_seats)
    smaller = {seat: _account(np.array(account) + keep) for seat, account in kept.items()}
    return smaller | dict.fromkeys(newcomers, _account(total - np.log(all_seats)))


def _fund(seats: Seats, playing: list[str], amount: float) -> None:
    each = np.log(amount / len(playing) / ALTERNATIVES)
    for seat in playing:
        seats[seat] = _account(np.logaddexp(np.array(seats[seat]), each))


def _settle(accounts: dict[str, Seats], bets: list[Bet], log_s: Floats) -> None:
    at = [roles.seat(bet.role, bet.instance) for bet in bets]
    before = np.array([accounts[family][seat] for family, seat in at])
    after = np.maximum(before + log_s, NOTHING).tolist()
    for (family, seat), account in zip(at, after, strict=True):
        accounts[family][seat] = tuple(account)


def _account(logs: Floats) -> Account:
    return tuple(np.maximum(logs, NOTHING).tolist())


def _holders(capital: Capital) -> list[tuple[str, str, float]]:
    """Family, seat and log of what it holds. A database may hand keys back in another order; sums
    must not depend on it.
    """
    accounts = capital.accounts
    seats = [(family, seat) for family in sorted(accounts) for seat in sorted(accounts[family])]
    logs = np.logaddexp.reduce(np.array([accounts[f][s] for f, s in seats]), axis=1)
    return [(f, s, held) for (f, s), held in zip(seats, logs.tolist(), strict=True)]


def _log_sum(account: Account) -> float:
    return float(np.logaddexp.reduce(account))
