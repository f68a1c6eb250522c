"""What only the audit trail tells is a sentence too: logins and alerts."""

import pytest

from headway.model.event import Event
from headway.wording.sentences import audited, sentence


def event(kind: str, **data: object) -> Event:
    return Event(1, "evt_1", 0.0, kind, "al_1", "", "shop", "production", "shop-2", data)


@pytest.mark.parametrize(
    ("kind", "data", "told"),
    [
        ("alert.resolved", {"summary": "p95 rose", "by": "ada", "reason": "ok"},
         "✓ ada says that it is over: p95 rose"),
        ("alert.resolved", {"summary": "p95 rose"}, "✓ over by itself: p95 rose"),
        ("alert.acknowledged", {"summary": "p95 rose", "by": "ada"},
         "ada takes care of it: p95 rose"),
        ("alert.fired", {"summary": "p95\nrose", "severity": "page"}, "⚠ page: p95 rose"),
        ("login.passed", {"by": "ada", "address": "::1", "source": "work"},
         "logged in by work from ::1"),
        ("login.passed", {"by": "ada", "address": "::1", "source": ""}, "logged in from ::1"),
        ("login.ended", {"by": "ada"}, "logged out"),
        ("login.failed", {"address": "::1"}, "failed to log in from ::1"),
    ],
)  # fmt: skip
def test_each_is_a_sentence_of_the_trail_alone(
    kind: str, data: dict[str, object], told: str
) -> None:
    assert audited(event(kind, **data)) == told
    assert sentence(event(kind, **data)) is None


def test_a_kind_without_words_has_none() -> None:
    assert audited(event("unheard.of")) == ""
