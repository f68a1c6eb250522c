"""The case for promotion: evidence, since this step began, that no signal is harmful.

Starts anew at every step, because a step is a new claim: this share is safe. Called by `judge`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from headway.analysis import roles
from headway.analysis.bets import Bet
from headway.analysis.evariable import Floats

Tally = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Proof:
    """`harmless`: role -> log evidence against "harmful". `tallies`: role, or role@instance ->
    (bad, all) of the candidate and of the stable version. `watched`: the roles in play at the last
    bet; `bounds_ms`: the bound each latency role watched then. `requests`: candidate's, all.
    `caution`: how many times wider than declared the margins of promotion are at this share.
    `heard`: the service's own signals that had data of the candidate at this step.
    """

    requests: int = 0
    harmless: dict[str, float] = field(default_factory=dict)
    tallies: dict[str, Tally] = field(default_factory=dict)
    watched: tuple[str, ...] = ()
    bounds_ms: dict[str, float] = field(default_factory=dict)
    caution: float = 1.0
    heard: tuple[str, ...] = ()

    def lacking(self, need: float, *, latency: bool, own: Sequence[str] = ()) -> list[str]:
        """The roles in play whose harm is not excluded yet. `latency`: some latency must be too.
        `own`: roles of the service's own signals that must be, in play or not; no others need.
        """
        roles_in_play = [*(role for role in self.watched if not roles.own_kind(role)), *own]
        missing = [role for role in roles_in_play if not self.harmless.get(role, 0.0) >= need]
        seen = any(role in roles.LATENCY for role in self.watched)
        return missing if seen or not latency else [*missing, "latency"]


def label(role: str, instance: str) -> str:
    """The key of a tally."""
    return f"{role}@{instance}" if instance else role


def extended(proof: Proof, bets: list[Bet], log_harmless: Floats, requests: int) -> Proof:
    """The proof after one more window's bets. `log_harmless`: one per bet."""
    harmless, tallies = dict(proof.harmless), {}
    for bet, gain in zip(bets, log_harmless.tolist(), strict=True):
        if bet.edges.hope is not None:
            harmless[bet.role] = harmless.get(bet.role, 0.0) + gain
        key = label(bet.role, bet.instance)
        tallies[key] = _add(_former(proof, bet, key), bet.shown or bet.counts)
    return Proof(
        requests=proof.requests + requests,
        harmless=harmless,
        tallies={**_still_known(proof), **tallies},
        watched=tuple(dict.fromkeys(bet.role for bet in bets if bet.edges.hope is not None)),
        bounds_ms={bet.role: bet.bound_ms for bet in bets if bet.bound_ms is not None},
        heard=proof.heard,
    )


def _former(proof: Proof, bet: Bet, key: str) -> Tally:
    """A tally is shown to people beside its bound: with another bound it starts again."""
    if proof.bounds_ms.get(bet.role, bet.bound_ms) != bet.bound_ms:
        return (0.0, 0.0, 0.0, 0.0)
    return proof.tallies.get(key, (0.0, 0.0, 0.0, 0.0))


def _still_known(proof: Proof) -> dict[str, Tally]:
    """Totals and own signals stay to be shown; single instances come and go and would pile up."""
    kept = proof.tallies.items()
    return {key: tally for key, tally in kept if "@" not in key or roles.own_kind(key)}


def _add(old: Tally, new: Tally) -> Tally:
    return (old[0] + new[0], old[1] + new[1], old[2] + new[2], old[3] + new[3])
