"""What notices say: what happened, why, what is next, who; hostile text stays text."""

import pytest

from headway.model.event import Event
from headway.model.service import ApprovalPolicy, Environment, Run
from headway.notice import words
from headway.notice.known import MOST, Known
from headway.notice.reading import KINDS, read
from headway.notice.subject import Notice
from headway.notice.words import LISTED, Late

NOON = 1_795_176_000.0  # 2026-11-20 12:00 UTC
PLACE = Environment("production", "production", Run("x"), approval=ApprovalPolicy(2, ("lena",)))
KNOWN = Known("a1b2c3d4e5f6a7", "Faster checkout", "Ana Bell <ana@example.org>",
              ("staging", "production"), PLACE)  # fmt: skip
HOSTILE = "<!channel> \x1b[31m\u202eevil\r\nBcc: x\x00" + "y" * 9000


def event(kind: str, seq: int = 9, **data: object) -> Event:
    return Event(seq, f"rol_1/{seq}/{kind}", NOON, kind, "rol_1", "del_1", "shop", "production",
                 "shop-2", data)  # fmt: skip


def said(kind: str, *earlier: Event, **data: object) -> Notice:
    notice = read(event(kind, **data), earlier, KNOWN)
    assert notice is not None
    return notice


def gate(judge: str, outcome: str = "WAIT", because: str = "b") -> dict[str, str]:
    return {"judge": judge, "outcome": outcome, "because": because}


@pytest.mark.parametrize(
    ("kind", "data", "title", "urgency"),
    [
        ("rollout.rolled_back",
         {"to": "shop-1", "share": 0.05, "exposed": True, "milliseconds": 84},
         "shop-2 was rolled back; shop-1 serves everyone", "ticket"),
        ("rollout.closed", {"to": ""}, "shop-2, the first release here, failed; nothing serves",
         "ticket"),
        ("rollout.held", {"step": 1}, "shop-2 is held at step 2 and waits for a person", "ticket"),
        ("rollout.pause", {"by": "bo"}, "the rollout of shop-2 is paused", "ticket"),
        ("rollout.approve", {"by": "bo"}, "the rollout of shop-2 was let on by bo", "info"),
        ("rollout.promote", {"by": "bo"}, "the rollout of shop-2 was moved on by bo", "info"),
        ("rollout.started", {}, "shop-2 was promoted from staging, the same digest", "info"),
        ("release.released", {"seconds": 200}, "shop-2 is released, 3 min 20 s after its start",
         "info"),
        ("approval.decided", {"approved": False, "by": "lena"}, "lena rejected shop-2", "info"),
        ("delivery.finished", {"outcome": "failed"}, "shop-2 failed", "ticket"),
        ("delivery.finished", {"outcome": "refused"}, "shop-2 was refused", "ticket"),
        ("slo.burning", {"slo": "availability", "burn_rate": 14.4, "severity": "page"},
         "the error budget of availability burns 14.4 times too fast", "page"),
        ("slo.burning", {"slo": "availability", "burn_rate": 2, "severity": "ticket"},
         "the error budget of availability burns 2 times too fast", "ticket"),
        ("gates.judged", {"outcome": "WAIT", "gates": [gate("approval", because="0 of 2 (lena)")]},
         "shop-2 waits for 2 approvals", "ticket"),
        ("gates.judged", {"outcome": "WAIT", "gates": [gate("auto")]},
         "shop-2 waits for somebody to start it", "ticket"),
        ("gates.judged", {"outcome": "WAIT", "gates": [gate("error_budget")]},
         "shop-2 is kept out by the error budget", "ticket"),
    ],
)  # fmt: skip
def test_what_happened_is_in_the_title(
    kind: str, data: dict[str, object], title: str, urgency: str
) -> None:
    notice = said(kind, **data)
    assert notice.title == f"shop/production: {title}"
    assert notice.urgency == urgency
    assert notice.path.startswith(("/rollouts/rol_1", "/deliveries/del_1", "/approvals",
                                   "/services/shop", "/releases/shop-2"))  # fmt: skip


def test_the_way_back_that_failed_is_urgent_and_one_that_was_told_is_no_news() -> None:
    failed, back = event("rollout.failed", 1), event("rollout.rolled_back", 2)
    assert said("delivery.finished", failed, outcome="failed").urgency == "page"
    ended = event("delivery.finished", outcome="rolled_back")
    assert read(ended, [failed, back], KNOWN) is None
    for outcome in ("delivered", "superseded", "cancelled"):
        assert read(event("delivery.finished", outcome=outcome), [], KNOWN) is None


def test_a_door_tells_when_something_begins_to_keep_it_and_not_each_time_it_counts() -> None:
    both = [gate("approval", because="0 of 2"), gate("auto")]
    first = event("gates.judged", 1, outcome="WAIT", gates=both)
    asked = read(first, [], KNOWN)
    assert asked is not None
    assert "It also waits for auto (b)." in asked.lines
    assert asked.asked == ("lena",)
    counted = [gate("approval", because="1 of 2"), gate("auto")]
    second = event("gates.judged", 2, outcome="WAIT", gates=counted)
    assert read(second, [first], KNOWN) is None
    third = event("gates.judged", 3, outcome="WAIT", gates=[gate("auto")])
    waiting = read(third, [first, second], KNOWN)
    assert waiting is not None
    assert waiting.topic == "waiting"
    refused = event("gates.judged", 4, outcome="FAIL", gates=[gate("approval", "FAIL")])
    assert read(refused, [first, second, third], KNOWN) is None
    again = event("gates.judged", 5, outcome="WAIT", gates=both)
    assert read(again, [first, second, third, refused], KNOWN) is not None


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_event_without_what_is_expected_breaks_nothing(kind: str) -> None:
    for data in ({}, {"gates": 7, "step": "x", "share": None, "by": None}):
        read(event(kind, **data), [], Known())


def test_text_of_others_is_one_harmless_line() -> None:
    hostile = Known("a1", HOSTILE, HOSTILE, KNOWN.path, PLACE)
    notice = read(event("rollout.held", because=HOSTILE, step=1), [], hostile)
    assert notice is not None
    message = words.one(notice, "https://h.example", NOON)
    every = [message.title, *message.text.splitlines(), *message.fields.values()]
    assert all(text.isprintable() and len(text) <= MOST for text in every)
    assert "ana@example.org" not in str(said("rollout.held", step=1)), "an address is nobody's"


def test_a_link_is_there_only_with_a_public_address() -> None:
    notice = said("release.released", seconds=1)
    assert words.one(notice, "https://h.example/", NOON).link == "https://h.example/releases/shop-2"
    assert words.one(notice, "", NOON).link == ""
    assert words.one(notice, "javascript:alert(1)//", NOON).link == ""


def test_many_are_a_line_for_each_state_and_a_count_of_the_rest() -> None:
    held = [Late(said("rollout.held", step=n), "quiet") for n in range(3)]
    many = [
        Late(read(Event(n, f"e{n}", NOON - 86400, "release.released", f"rol_{n}", f"del_{n}",
                        "shop", "production", f"shop-{n}", {}), [], KNOWN), "quiet")  # type: ignore[arg-type]
        for n in range(LISTED + 4)
    ]  # fmt: skip
    message = words.several([*many, *held], "https://h.example", NOON)
    lines = message.text.splitlines()
    assert message.title == f"While it was quiet: {LISTED + 4} released, 3 held"
    assert len(lines) == LISTED + 1
    assert lines[0].startswith("Thu 19 Nov 12:00 UTC shop/production: shop-0 is released")
    assert lines[-1] == "and 5 more; all of them: headway notify told"
    assert message.link == "https://h.example/services/shop"
    only = words.several(held, "", NOON)
    assert only.title.endswith("step 3 and waits for a person (3 more times since 12:00 UTC)")
    assert only.text.startswith("12:00 UTC")
    assert "(3 times)" in only.text
