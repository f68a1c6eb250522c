"""Who leaves with a train, and what the door says to whom."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.gate.train import Passenger, Seat, bundle, judge
from headway.model.service import Train
from headway.model.verdict import Outcome

POLICY = Train("0 14 * * TUE,THU", "Europe/Berlin")


def someone(service: str = "shop", number: int = 1, *, ready: bool = True) -> Passenger:
    name = f"{service}-{number}"
    return Passenger(f"del_{name}", service, name, number, ready)


def test_the_newest_of_each_service_leaves_in_the_declared_order() -> None:
    crowd = [someone("web", 4), someone("web", 6), someone("api", 2), someone("catalog", 9)]
    found = bundle(crowd, ("catalog", "web"))
    assert [p.release for p in found.passengers] == ["catalog-9", "web-6", "api-2"]
    assert found.behind == {"del_web-4": "web-6"}


def test_who_is_not_ready_or_has_left_does_not_board() -> None:
    gone = Passenger("d", "api", "api-7", 7, ready=True, state="boarded", departure="x")
    found = bundle([someone("web", 5, ready=False), someone("web", 4), gone], ())
    assert [p.release for p in found.passengers] == ["web-4"]
    assert found.behind == {}
    assert bundle([], ()).passengers == ()


@given(st.lists(st.builds(someone, st.sampled_from("abc"), st.integers(1, 9)), max_size=12))
def test_never_an_older_release_of_a_service_while_a_newer_is_ready(crowd: list[Passenger]) -> None:
    found = bundle(crowd, ())
    assert {p.service for p in found.passengers} == {p.service for p in crowd}
    for left, other in itertools.product(found.passengers, crowd):
        assert left.service != other.service or left.number >= other.number


def seat(state: str = "waiting", **more: object) -> Seat:
    one = Passenger("d", "shop", "shop-1", 1, True, state, "weekly Tue")  # type: ignore[arg-type]
    return Seat(one, "2026-11-24 14:00 CET", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("place", "outcome", "word"),
    [
        (seat(), Outcome.WAIT, "waits for the departure of 2026-11-24 14:00 CET"),
        (seat(held="by ana: snow"), Outcome.WAIT, "held by ana: snow"),
        (seat("boarded"), Outcome.PASS, "left with weekly Tue"),
        (seat("boarded", held="by ana: snow"), Outcome.PASS, "left with"),
        (seat(hotfix="by ben: prices"), Outcome.PASS, "a hotfix beside the train, by ben: prices"),
        (seat("boarded", before={"api-1": "going"}), Outcome.WAIT, "api-1 goes first"),
        (seat("boarded", before={"api-1": "released"}), Outcome.PASS, "left with"),
        (seat("boarded", before={"a-1": "going", "b-1": "ended"}), Outcome.FAIL, "b-1"),
    ],
)
def test_the_door(place: Seat, outcome: Outcome, word: str) -> None:
    verdict = judge(POLICY, place)
    assert verdict.outcome is outcome
    assert word in verdict.because


def test_without_a_train_nobody_waits() -> None:
    assert judge(None, None).outcome is Outcome.PASS
