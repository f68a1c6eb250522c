"""Quiet hours end when the clock on the wall says so, also in nights with a change of clocks."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.model.errors import Invalid
from headway.notice.preference import Hours, hours, shown
from headway.notice.quiet import FOREVER_DAYS, until

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = [BERLIN, ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe"), UTC]


def at(text: str, zone: object = BERLIN) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "now", "end"),
    [
        ("22:00-07:00", "2026-11-18T23:30", "2026-11-19T07:00"),
        ("22:00-07:00", "2026-11-19T06:59", "2026-11-19T07:00"),
        ("22:00-07:00", "2026-11-19T07:00", "2026-11-19T07:00"),
        ("22:00-07:00", "2026-11-19T12:00", "2026-11-19T12:00"),
        ("Mon-Fri 20:00-08:00", "2026-11-20T21:00", "2026-11-21T08:00"),
        ("Mon-Fri 20:00-08:00", "2026-11-21T21:00", "2026-11-21T21:00"),
        ("Sat,Sun 00:00-24:00", "2026-11-21T10:00", "2026-11-23T00:00"),
        ("Fri-Mon 18:00-09:00", "2026-11-23T20:00", "2026-11-24T09:00"),
        # clocks go back: ten hours; forward: eight
        ("22:00-07:00", "2026-10-24T23:00", "2026-10-25T07:00"),
        ("22:00-07:00", "2027-03-27T23:00", "2027-03-28T07:00"),
    ],
)
def test_quiet_ends_by_the_clock_on_the_wall(text: str, now: str, end: str) -> None:
    assert until([hours(text)], BERLIN, at(now)) == at(end)


def test_a_night_with_a_change_of_clocks_is_longer_or_shorter() -> None:
    night = [hours("22:00-07:00")]
    lengths = {
        day: (until(night, BERLIN, at(f"{day}T22:00")) - at(f"{day}T22:00")) / 3600
        for day in ("2026-10-23", "2026-10-24", "2027-03-27")
    }
    assert lengths == {"2026-10-23": 9.0, "2026-10-24": 10.0, "2027-03-27": 8.0}


def test_an_end_that_does_not_exist_is_just_after_the_change() -> None:
    assert until([hours("23:00-02:30")], BERLIN, at("2027-03-27T23:30")) == at("2027-03-28T03:30")


def test_hours_that_touch_are_one_and_a_whole_week_is_told_at_last() -> None:
    week = [hours("Mon-Fri 20:00-08:00"), hours("Fri 00:00-24:00"), hours("Sat,Sun 00:00-24:00")]
    assert until(week, BERLIN, at("2026-11-19T21:00")) == at("2026-11-23T00:00")
    now = at("2026-11-19T21:00")
    always = until([hours("00:00-24:00")], BERLIN, now)
    assert FOREVER_DAYS * 86400 <= always - now <= (FOREVER_DAYS + 1) * 86400


WINDOWS = st.lists(
    st.builds(
        Hours,
        st.sets(st.integers(0, 6), min_size=1, max_size=3).map(lambda d: tuple(sorted(d))),
        st.integers(0, 24 * 60 - 1),
        st.integers(1, 24 * 60),
    ).filter(lambda h: h.begins != h.ends),
    max_size=3,
)
# the weeks around both changes of clocks in all zones
MOMENTS = st.one_of(
    st.integers(int(at("2026-10-20T00:00")), int(at("2026-11-10T00:00"))),
    st.integers(int(at("2027-03-08T00:00")), int(at("2027-04-10T00:00"))),
)


@given(WINDOWS, st.sampled_from(ZONES), MOMENTS)
def test_quiet_is_without_a_gap_and_over_at_its_end(
    windows: list[Hours], zone: ZoneInfo, now: int
) -> None:
    end = until(windows, zone, now)
    assert end >= now
    if end - now < FOREVER_DAYS * 86400:
        assert not any(covers(w, zone, end) for w in windows), "over"
    inside = now
    while inside < end:
        assert any(covers(w, zone, inside) for w in windows), "no gap"
        inside += 1500


def covers(one: Hours, zone: ZoneInfo, now: float) -> bool:
    """Asked of each of three days, by wall-clock arithmetic of the standard library alone."""
    today = datetime.fromtimestamp(now, zone).replace(
        hour=0, minute=0, second=0, microsecond=0, fold=0
    )
    for days in (-1, 0, 1):
        day = today + timedelta(days=days)
        ends = one.ends + (0 if one.ends > one.begins else 1440)
        begin = (day + timedelta(minutes=one.begins)).timestamp()
        end = (day + timedelta(minutes=ends)).timestamp()
        if day.weekday() in one.days and begin <= now < end:
            return True
    return False


@given(WINDOWS)
def test_what_is_shown_can_be_typed(windows: list[Hours]) -> None:
    for one in windows:
        assert hours(shown(one)) == one


@pytest.mark.parametrize(
    "text", ["", "22-7", "25:00-07:00", "22:60-07:00", "Foo 22:00-07:00", "22:00-22:00",
             "24:00-07:00", "Mon- 22:00-07:00", "22:00-07:00; rm", "24:01-02:00"]
)  # fmt: skip
def test_what_are_no_hours_is_one_clear_error(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        hours(text)
    assert refused.value.code == "quiet"
