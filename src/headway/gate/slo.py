"""The SLO gate: was every goal met over the last while? Pure; called by flows/enter.py and plan."""

from dataclasses import dataclass

from headway.model.service import SloGate
from headway.model.verdict import Outcome, Verdict

JUDGE = "slo"


@dataclass(frozen=True, slots=True)
class Kept:
    """The share of good events over the gate's time; None without an event. `quiet`: there was
    none although it is being measured.
    """

    slo: str
    compliance: float | None
    target: float
    quiet: bool = False


def judge(policy: SloGate | None, kept: tuple[Kept, ...], *, serves: bool) -> Verdict:
    """PASS if every goal was met over `within_seconds`; WAIT if one was not or had no event."""
    if policy is None:
        return Verdict(JUDGE, Outcome.PASS, "no SLO is asked for")
    if not serves:
        return Verdict(JUDGE, Outcome.PASS, "the first release here: nothing was measured yet")
    span = f"the last {_span(policy.within_seconds)}"
    for one in kept:
        if one.compliance is None and one.quiet:
            continue
        if one.compliance is None:
            because = f"insufficient data: no request was counted for {one.slo} in {span}"
            return Verdict(JUDGE, Outcome.WAIT, because)
        if one.compliance < one.target:
            because = f"{one.slo} was {_percent(one.compliance)} in {span}, needs "
            return Verdict(JUDGE, Outcome.WAIT, because + _percent(one.target))
    said = ", ".join(f"{k.slo} {_met(k)}" for k in kept)
    return Verdict(JUDGE, Outcome.PASS, f"{said} in {span}")


def _met(kept: Kept) -> str:
    return "not asked for by anybody" if kept.compliance is None else _percent(kept.compliance)


def _percent(share: float) -> str:
    """Cut, not rounded: 99.8999 % must not read as the 99.9 % that it is not."""
    return f"{int(share * 1_000_000) / 10_000:g} %"


def _span(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:g} s"
