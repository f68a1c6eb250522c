"""A digest that failed in an environment is refused there until a person clears it."""

from headway.model.verdict import Outcome, Verdict


def judge(because: str | None, environment: str) -> Verdict:
    """`because`: why the digest is quarantined in the environment; None if it is not."""
    if because is None:
        return Verdict("quarantine", Outcome.PASS, "this digest has not failed here")
    return Verdict("quarantine", Outcome.FAIL, f"this digest failed in {environment}: {because}")
