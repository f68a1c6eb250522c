"""The hook for rules that are not Headway's own."""

from dataclasses import dataclass
from typing import Protocol

from headway.model.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Promotion:
    """What a policy is asked about: this release into that environment."""

    service: str
    release: str
    digest: str
    commit: str
    author: str
    environment: str
    tier: str


class PolicyEngine(Protocol):
    """Answers for one promotion. An error in a policy is FAIL, never PASS."""

    def judge(self, promotion: Promotion) -> Verdict:
        """PASS, WAIT or FAIL, with the rule's own words."""
        ...
