"""The capital behind the bets: who holds how much of the one unit that was there at the start.

Every role owns its weight; a restart hands out a further part of it (a new e-process, so that a
late fault need not win back what the quiet time cost). Part-capitals that play the same bet are
added up at once: the mixture over restarts is linear. E, the evidence, is the sum of it all, and
since no unit was handed out twice its expectation under the null is at most 1. Called by `judge`.
"""

from dataclasses import dataclass, field

import numpy as np

from headway.analysis import roles
from headway.analysis.bets import ODDS, Bet
from headway.analysis.evariable import Floats

NOTHING = -1e9  # log of no capital; finite, because JSON knows no infinity
WHOLE = ""  # the account of all instances together; of an instance role: capital nobody holds
FIRST, EARLY, EARLY_RESTARTS = 0.4, 0.04, 14
EMPTY = (NOTHING,) * len(ODDS)

Account = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Capital:
    """`accounts`: role -> instance -> log capital per alternative. `last`: age at last restart."""

    restarts: int = 0
    last: float = 0.0
    accounts: dict[str, dict[str, Account]] = field(
        default_factory=lambda: {role: {WHOLE: EMPTY} for role in roles.WEIGHTS}
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


def staked(capital: Capital, bets: list[Bet], log_s: Floats, age: float, every: float) -> Capital:
    """Capital after these bets. `log_s`: bets x alternatives; `every`: seconds between restarts."""
    keys: dict[str, list[str]] = {}
    for bet in bets:
        keys.setdefault(bet.role, []).append(bet.instance)
    accounts = {
        role: _seated(capital.accounts[role], keys[role])
        if role in keys
        else dict(capital.accounts[role])
        for role in roles.WEIGHTS
    }
    due = capital.restarts == 0 or age - capital.last >= every
    if due:
        part = handed_out(capital.restarts)
        for role, held in accounts.items():
            _fund(held, keys.get(role, [WHOLE]), roles.WEIGHTS[role] * part)
    _win(accounts, bets, log_s)
    return Capital(capital.restarts + due, age if due else capital.last, accounts)


def log_evidence(capital: Capital) -> float:
    """log E: everything anybody holds."""
    return _log_sum([held[key] for held in _in_order(capital) for key in sorted(held)])


def log_held(capital: Capital, role: str, instance: str) -> float:
    """log of what this signal holds over the weight of its role."""
    account = capital.accounts[role].get(instance, EMPTY)
    return _log_sum([account]) - float(np.log(roles.WEIGHTS[role]))


def _seated(held: dict[str, Account], present: list[str]) -> dict[str, Account]:
    """The role's accounts for the instances that play now; the sum never changes.

    Who left leaves the capital to the common account. Newcomers share that; if it is empty, every
    holder gives up the same part so that newcomers start with the mean.
    """
    if present == [WHOLE]:
        return dict(held)
    kept = {key: held[key] for key in present if key in held}
    left = [held[key] for key in sorted(held) if key not in kept]
    common = np.logaddexp.reduce(np.array([EMPTY, *left]), axis=0)
    newcomers = [key for key in present if key not in held]
    if not newcomers:
        return {WHOLE: _account(common), **kept}
    if common.max() <= NOTHING / 2 and kept:
        holders, seats = len(kept), len(kept) + len(newcomers)
        total = np.logaddexp.reduce(np.array(list(kept.values())), axis=0)
        kept = {k: _account(np.array(v) + np.log(holders / seats)) for k, v in kept.items()}
        share = _account(total - np.log(seats))
    else:
        share = _account(common - np.log(len(newcomers)))
    return {WHOLE: EMPTY, **kept, **dict.fromkeys(newcomers, share)}


def _fund(held: dict[str, Account], keys: list[str], amount: float) -> None:
    each = np.log(amount / len(keys) / len(ODDS))
    for key in keys:
        held[key] = _account(np.logaddexp(np.array(held[key]), each))


def _win(accounts: dict[str, dict[str, Account]], bets: list[Bet], log_s: Floats) -> None:
    before = np.array([accounts[bet.role][bet.instance] for bet in bets])
    for bet, after in zip(bets, np.maximum(before + log_s, NOTHING).tolist(), strict=True):
        accounts[bet.role][bet.instance] = tuple(after)


def _account(logs: Floats) -> Account:
    return tuple(np.maximum(logs, NOTHING).tolist())


def _in_order(capital: Capital) -> list[dict[str, Account]]:
    """A database may hand keys back in another order; sums must not depend on it."""
    return [capital.accounts[role] for role in roles.WEIGHTS]


def _log_sum(accounts: list[Account]) -> float:
    return float(np.logaddexp.reduce(np.array(accounts).ravel()))
