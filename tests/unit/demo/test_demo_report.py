"""The demo's report, built from the events and counts of a run that was recorded, and bent."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.demo import expected, report, words
from headway.demo.course import Course, course
from headway.demo.report import Asked, DeliveryReport, Strike, Told
from headway.demo.samples import Samples
from headway.model.event import Event

RECORDED: dict[str, Any] = json.loads(Path(__file__).with_name("recorded_run.json").read_text())
USERS: dict[str, Any] = RECORDED["users"]


def events() -> list[Event]:
    return [Event(id="", service="shop", **e) for e in RECORDED["events"]]


def recorded(number: int, bend: Callable[[Event], Event | None] = lambda e: e) -> Course:
    """The course of delivery v1, v2 or v3, each of its events bent or left out."""
    ids = list(dict.fromkeys(e.delivery for e in events()))
    bent = [bend(e) for e in events() if e.delivery == ids[number - 1]]
    return course([e for e in bent if e is not None])


def courses() -> dict[str, Course]:
    return {f"v{number}": recorded(number) for number in (1, 2, 3)}


def document(at: float, requests: int, lost: int = 0, **served: int) -> dict[str, object]:
    versions = {name: {"requests": count} for name, count in served.items()}
    return {"at": at, "total": {"requests": requests, "lost": lost}, "versions": versions}


def samples(lost_from: float = 1e12) -> Samples:
    """500 requests a second; v3 gets 5 % of them while it is a canary; one is lost at a moment."""
    taken, began, third = Samples(), USERS["started_at"], recorded(3)
    for half in range(2 * int(USERS["at"] - began) + 2):
        at = began + half / 2
        canary = min(max(0.0, at - third.exposed_at), third.back_at - third.exposed_at)
        taken.add(document(at, 250 * half, int(at >= lost_from), v3=int(25 * canary)))
    return taken


def built(taken: Samples | None = None) -> list[DeliveryReport]:
    return report.deliveries(courses(), samples() if taken is None else taken, USERS)


def summed(asked: Asked, strikes: tuple[Strike, ...] = (), **users: Any) -> dict[str, object]:
    return report.summary(asked, Told(160.0, strikes), built(), USERS | users)


def test_the_course_of_each_version_is_read_from_its_events() -> None:
    first, second, third = courses().values()
    assert [c.outcome for c in (first, second, third)] == ["delivered", "promoted", "rolled_back"]
    assert [c.first for c in (first, second, third)] == [True, False, False]
    assert third.release == "shop-3"
    assert third.digest.startswith("sha256:8a9054")
    assert third.why.startswith("errors: 2.3 %")
    assert third.recovery == "PASS"
    assert third.exposed_at < third.verdict_at < third.back_at < third.finished_at
    assert second.exposed_at < second.whole_at < second.finished_at
    assert second.verdict_at == third.whole_at == 0


def test_staging_is_not_taken_for_production() -> None:
    shifts = [e for e in events() if e.kind == "rollout.shifted" and e.environment == "production"]
    assert recorded(2).exposed_at == shifts[1].at
    assert recorded(2).address == shifts[1].data["address"]


def test_a_delivery_under_way_is_unfinished_and_a_held_one_is_held_until_it_moves() -> None:
    cut = next(e.seq for e in events() if e.kind == "rollout.shifted" and e.data["share"] == 0.25)
    until = [e for e in events() if e.seq <= cut and e.delivery == recorded(2).delivery]
    assert course(until).outcome == "unfinished"
    because: dict[str, object] = {"because": "insufficient data: 3 requests"}
    held = replace(until[-1], seq=cut + 1, kind="rollout.held", data=because)
    assert (course([*until, held]).outcome, course([*until, held]).why) == (
        "held",
        "insufficient data: 3 requests",
    )
    moved = replace(held, kind="rollout.moved", data={"type": "shift", "because": "by ana"})
    assert course([*until, held, moved]).outcome == "unfinished"


@pytest.mark.seed("S-106")
def test_times_run_from_the_first_user_and_from_the_verdict() -> None:
    third = built()[2]
    seen = courses()["v3"]
    assert third.detect_seconds == round(seen.verdict_at - USERS["versions"]["v3"]["first_seen"], 2)
    told = next(e for e in events() if e.kind == "rollout.rolled_back").data["milliseconds"]
    failed = next(e for e in events() if e.kind == "rollout.failed").at
    assert isinstance(told, float)
    assert third.rollback_ms == pytest.approx(1000 * (failed - seen.verdict_at) + told, abs=0.2)
    assert third.rollback_ms is not None
    assert third.rollback_ms > told
    done = report.done_after_verdict(courses())
    assert done == {"p95_seconds": round(seen.finished_at - seen.verdict_at, 2), "rollbacks": 1}
    assert report.done_after_verdict({"v1": courses()["v1"]}) == {
        "p95_seconds": None,
        "rollbacks": 0,
    }


def test_who_was_not_rolled_back_has_no_such_times() -> None:
    first, second, _ = built()
    assert first.detect_seconds is first.rollback_ms is None
    assert second.detect_seconds is second.rollback_ms is None
    assert first.exposed_share == 1.0


def test_a_canary_that_no_user_met_was_not_detected_by_users() -> None:
    users = USERS | {"versions": {}}
    found = report.deliveries(courses(), samples(), users)[2]
    assert found.detect_seconds is None
    assert (found.users_exposed, found.users_hurt, found.p95_ms) == (0, 0, None)


def test_the_share_is_that_of_the_canarys_time_only() -> None:
    assert built()[2].exposed_share == pytest.approx(0.05, abs=0.003)


def test_every_request_belongs_to_one_delivery() -> None:
    taken = samples()
    assert sum(d.requests_total for d in built(taken)) == taken.taken[-1].requests


def test_a_loss_belongs_to_the_delivery_in_whose_time_it_happened() -> None:
    second = courses()["v2"]
    during = built(samples(lost_from=second.whole_at))
    assert [d.requests_failed_by_delivery for d in during] == [0, 1, 0]
    later = built(samples(lost_from=second.finished_at + 5))
    assert [d.requests_failed_by_delivery for d in later] == [0, 0, 1]
    early = built(samples(lost_from=USERS["started_at"]))
    assert [d.requests_failed_by_delivery for d in early] == [1, 0, 0]


def test_without_users_there_are_no_numbers_and_that_is_a_problem() -> None:
    found = report.deliveries(courses(), Samples(), {})
    assert [d.requests_total for d in found] == [0, 0, 0]
    summary = report.summary(Asked(), Told(1.0), found, {})
    assert "there were no users" in expected.problems(Asked(), found, summary)


def test_the_recorded_run_is_as_promised() -> None:
    assert expected.problems(Asked(), built(), summed(Asked())) == []


@pytest.mark.parametrize(
    ("asked", "users", "problem"),
    [
        (Asked("none"), {}, "v3 should be promoted, it is rolled back: errors: 2.3 %"),
        (Asked(low_traffic=True), {}, "v2 should be held, it is promoted"),
        (Asked(rate=600), {}, "only 498 requests/s were offered, 600 were asked for"),
        (Asked(), {"offered": 40_000}, "only 271 requests/s were offered, 500 were asked for"),
        (Asked(chaos=True), {}, "the server was not killed in the canary of v2"),
        (
            Asked(),
            {"total": USERS["total"] | {"lost": 2}, "lost_by_reason": {"reset": 2}},
            "2 requests were lost: {'reset': 2}",
        ),
    ],
)
def test_what_is_not_as_promised_is_said(asked: Asked, users: dict[str, Any], problem: str) -> None:
    told = expected.problems(asked, built(), summed(asked, **users))
    assert any(one.startswith(problem) for one in told), told


def test_both_kills_must_have_happened() -> None:
    asked = Asked(chaos=True)
    strikes = tuple(Strike(v, 0, 0.05, 4.0, 1.5) for v in ("v2", "v3"))
    assert expected.problems(asked, built(), summed(asked, strikes)) == []
    assert expected.problems(asked, built(), summed(asked, strikes[:1])) == [
        "the server was not killed in the canary of v3"
    ]


def held(why: str) -> list[DeliveryReport]:
    first, second, _ = built()
    return [first, replace(second, outcome="held", why=why)]


def test_a_hold_counts_only_for_want_of_data() -> None:
    asked = Asked(rate=1.0, low_traffic=True)
    summary = summed(asked)
    assert expected.problems(asked, held("insufficient data: 3 requests"), summary) == []
    assert expected.problems(asked, held("waits for an approval"), summary) == [
        "v2 should be held for insufficient data, it is held because: waits for an approval"
    ]


def test_a_version_that_never_came_is_a_problem() -> None:
    told = expected.problems(Asked(), built()[:2], summed(Asked()))
    assert told == ["v3 should be rolled back, it is not delivered"]


def page_of(width: int | None) -> list[str]:
    strikes = (Strike("v2", 0, 0.05, 4.0, 1.5),)
    summary = summed(Asked(), strikes)
    summary["detect_to_done"] = report.done_after_verdict(courses())
    whole = {
        "ok": True,
        "summary": summary,
        "evidence": {"database": "/tmp/d/headway.db", "commands": ["headway trace 6d836aa"]},
    }
    page = words.Page(width)
    return [
        *words.opening(page, Asked()),
        *words.table(built()),
        *words.closing(page, whole, built()),
    ]


@pytest.mark.parametrize("width", [60, 80])
def test_the_words_fit_the_terminal(width: int) -> None:
    assert [line for line in page_of(width) if len(line) > width] == []


def test_in_a_pipe_no_sentence_is_wrapped_and_the_numbers_are_there() -> None:
    told = page_of(None)
    assert any(line.startswith("v3 back   errors: 2.3 % of 304 requests") for line in told)
    assert any("7 errors by v3 itself" in line and "0 lost" in line for line in told)
    assert any("(p95 of 1 rollback)" in line for line in told)
    assert any(line.split() == ["outcome", "✓", "delivered", "✓", "promoted", "↩", "rolled", "back"]
               for line in told)  # fmt: skip


def test_a_hostile_reason_cannot_paint_the_terminal() -> None:
    bad = replace(built()[2], why="\x1b[2Jall is well\x07")
    summary = summed(Asked()) | {"detect_to_done": report.done_after_verdict(courses())}
    whole = {"ok": False, "summary": summary, "evidence": {"database": "d", "commands": []}}
    text = "\n".join(words.closing(words.Page(80), whole, [bad]))
    assert "\x1b" not in text
    assert "all is well" in text
    assert "not as it should be" in text


moments = st.lists(st.tuples(st.floats(0.01, 5), st.integers(0, 900)), min_size=1, max_size=30)


@given(moments, st.floats(0, 200), st.floats(0, 200))
def test_running_totals_never_fall(steps: list[tuple[float, int]], one: float, two: float) -> None:
    taken, at, count = Samples(), 10.0, 0
    for seconds, more in steps:
        at, count = at + seconds, count + more
        taken.add(document(at, count, v2=count))
    early, late = sorted((one, two))
    assert 0 <= taken.requests(early) <= taken.requests(late) <= count
    assert taken.served("v2", early) <= taken.served("v2", late)
    assert taken.served("v9", late) == 0


def test_a_document_read_twice_counts_once() -> None:
    taken = Samples()
    for _ in range(2):
        taken.add(document(5.0, 10))
    taken.add(document(6.0, 30))
    assert [s.requests for s in taken.taken] == [10, 30]
    assert taken.requests(5.5) == 20
