"""The judge's sentences: what a person reads who has to believe a verdict. Called by `judge`."""

from headway.analysis import roles
from headway.analysis.proof import Proof, Tally

NO_BASELINE = "judged on absolute limits: no stable version takes requests at the same time"
GAP = "insufficient data"


def name(role: str, instance: str, bound_ms: float | None) -> str:
    """What a signal is called: `errors`, `slower than 250 ms`, `errors of 127.0.0.1:4001`,
    `drift`, `conversion{route=/buy}`.
    """
    if roles.own_kind(role):
        return f"{role.partition(':')[2]}{instance}"
    what = "errors" if bound_ms is None else f"slower than {bound_ms:g} ms"
    return f"{what} of {instance}" if instance else what


def percent(bad: float, of: float) -> str:
    """A share with enough digits to tell a tenth of a per mille: `0.14 %`."""
    share = 100 * bad / of
    return f"{share:.0f} %" if share >= 10 else f"{share:.2g} %" if share >= 0.01 else "0 %"


def compared(tally: Tally, role: str = "") -> str:
    """Both rates with their numbers of requests; for own signals their means."""
    bad_c, of_c, bad_b, of_b = tally
    if kind := roles.own_kind(role):
        return _own(kind, tally)
    ours = f"{percent(bad_c, of_c)} of {of_c:,.0f} requests" if of_c else "no requests"
    return f"{ours} against {percent(bad_b, of_b)} of {of_b:,.0f} on stable" if of_b else ours


def _own(kind: str, tally: Tally) -> str:
    bad_c, of_c, bad_b, of_b = tally
    shown = percent if kind == "ratio" else _mean
    ours = shown(bad_c, of_c) if of_c else "no data"
    return f"{ours} against {shown(bad_b, of_b)} on stable" if of_b else ours


def _mean(total: float, of: float) -> str:
    return f"{total / of:.4g}"


def failed(signal: str, tally: Tally, evidence: float, boundary: float, role: str = "") -> str:
    """Why the version is rolled back."""
    return f"{signal}: {compared(tally, role)} (log evidence {evidence:.1f}, limit {boundary:.1f})"


def passed(proof: Proof) -> str:
    """Why the step may end, and how coarse the proof is while few users are exposed."""
    wide = f" beyond {proof.caution:g} times the margins" if proof.caution > 1 else ""
    return f"harm{wide} excluded at this step: {_errors(proof)}, {_latency(proof)}"


def _errors(proof: Proof) -> str:
    return f"errors {compared(proof.tallies[roles.ERRORS])}"


def _latency(proof: Proof) -> str:
    count = sum(role in roles.LATENCY for role in proof.watched)
    if not count:
        return "latency not judged because no baseline was ever seen"
    return f"latency at {count} bound{'s' if count > 1 else ''} within tolerance"


def suspected(signal: str, tally: Tally, evidence: float, boundary: float, role: str = "") -> str:
    """Why the step may not end although nothing is proven."""
    return (
        f"{signal} looks worse: {compared(tally, role)} "
        f"(log evidence {evidence:.1f}, rollback at {boundary:.1f})"
    )


def unwatched(candidate: int | None, *, stable: bool, missed: int, windows: int) -> str:
    """Why this window taught nothing. `candidate`: its requests, None if nobody counted."""
    if candidate is None:
        what = "no counts of the new version"
    elif candidate == 0:
        what = "the new version had no requests"
    else:
        what = "no counts of the stable version" if not stable else "stable had no requests"
    return f"{GAP}: {what} in this window ({missed} of {windows} windows taught nothing)"


def silent(names: list[str]) -> str:
    """Which of the service's own signals have had no data yet, at this step."""
    return f"{GAP}: no data at this step for {', '.join(names)}"


def unproven(proof: Proof, lacking: list[str], need: float) -> str:
    """What is still missing for a promotion."""
    seen = f"{proof.requests:,} request{'' if proof.requests == 1 else 's'} seen at this step"
    grey = [role for role in lacking if proof.harmless.get(role, 0.0) <= -1.0]
    if grey:
        shown = ", ".join(_shown(proof, role) for role in grey)
        return f"neither harm nor its absence is proven for {shown}; {seen}"
    if lacking == ["latency"]:
        return f"{GAP}: {seen}, but no latencies to compare yet"
    shown = ", ".join(name(r, "", proof.bounds_ms.get(r)) for r in lacking if r != "latency")
    return f"{GAP}: {seen}; not yet proven harmless: {shown}{_more(proof, lacking, need)}"


def _shown(proof: Proof, role: str) -> str:
    tally = proof.tallies.get(role, (0.0, 0.0, 0.0, 0.0))
    return f"{name(role, '', proof.bounds_ms.get(role))} ({compared(tally, role)})"


def _more(proof: Proof, lacking: list[str], need: float) -> str:
    """About how many requests are missing, from the pace of the slowest proof so far."""
    slowest = min((proof.harmless.get(role, 0.0) for role in lacking), default=0.0)
    if slowest < 0.1 or not proof.requests:
        return ""
    return f" (about {proof.requests * (need / slowest - 1):,.0f} more requests needed)"
