"""The approval gate: enough people, the right people, for this digest, and not too long ago."""

from headway.model.service import ApprovalPolicy
from headway.model.verdict import Outcome, Verdict
from headway.record import dataclass


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a person beside the name: the address that was checked, and the teams."""

    email: str = ""
    teams: tuple[str, ...] = ()


STRANGER = Known()


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's decision, bound to a digest and an environment. `at` is Unix seconds."""

    by: str
    approved: bool
    at: float
    reason: str
    known: Known = STRANGER


def judge(
    policy: ApprovalPolicy | None, given: tuple[Approval, ...], author: str, now: float
) -> Verdict:
    """PASS with enough valid approvals, FAIL on a valid rejection, else WAIT.

    Of one person only the latest decision counts; one older than `expires_seconds` does not.
    """
    if policy is None:
        return Verdict("approval", Outcome.PASS, "no approval is asked for")
    latest = {a.by: a for a in given if now - a.at < policy.expires_seconds}
    valid = [a for a in latest.values() if not may(policy, a.by, author, a.known)]
    for decision in valid:
        if not decision.approved:
            because = f"rejected by {decision.by}: {decision.reason}"
            return Verdict("approval", Outcome.FAIL, because)
    people = sorted(a.by for a in valid)
    who = f" ({', '.join(policy.by)})" if policy.by else ""
    if len(people) >= policy.count:
        return Verdict("approval", Outcome.PASS, f"approved by {', '.join(people)}")
    return Verdict("approval", Outcome.WAIT, f"{len(people)} of {policy.count}{who}")


def settled(policy: ApprovalPolicy, given: tuple[Approval, ...], author: str, new: Approval) -> str:
    """How it was decided before `new`, where one more word would change nothing; else empty.

    Whoever decided may say it again, so that it counts for longer, or otherwise.
    """
    said = judge(policy, given, author, new.at)
    latest = {a.by: a for a in given if new.at - a.at < policy.expires_seconds}
    mine = latest.get(new.by)
    if said.outcome is Outcome.PASS:
        return said.because if new.approved and mine is None else ""
    if said.outcome is Outcome.FAIL:
        return "" if mine is not None and not mine.approved else said.because
    return ""


def may(policy: ApprovalPolicy, person: str, author: str, known: Known = STRANGER) -> str:
    """Why this person may not decide; empty if they may. Who is named is so by name or by team; an
    author is known by name or address.
    """
    if policy.by and not {person, *known.teams} & {*policy.by}:
        return f"{person} is not one of {', '.join(policy.by)}"
    mine = {n.casefold() for n in (person, known.email) if n}
    if policy.not_author and mine & _names(author):
        return f"{person} is the author; somebody else must approve"
    return ""


def _names(author: str) -> set[str]:
    """What the author of a commit, `Ana Bell <ana@example.org>`, may be called where they log in:
    the whole, the name, the address, and the address before the @.
    """
    name, _, address = author.rpartition("<")
    address = address.rstrip("> ")
    return {n.casefold() for n in (author, name.strip(), address, address.partition("@")[0]) if n}
