"""Calendar windows begin at midnight of their zone, also when clocks change."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.model.service import Slo
from headway.settings.calendar import begins

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: ZoneInfo = BERLIN) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


def test_a_rolling_window_goes_back_its_length() -> None:
    assert begins(Slo("a", window_seconds=100.0), 1000.0) == 900.0


@pytest.mark.parametrize(
    ("calendar", "begin"),
    [
        ("day", "2026-05-14"),
        ("week", "2026-05-11"),
        ("month", "2026-05-01"),
        ("quarter", "2026-04-01"),
        ("year", "2026-01-01"),
    ],
)
def test_the_present_period_begins_at_its_first_midnight(calendar: str, begin: str) -> None:
    slo = Slo("a", calendar=calendar, zone="Europe/Berlin")  # type: ignore[arg-type]
    assert begins(slo, at("2026-05-14T13:45:00")) == at(begin)


def test_a_day_on_which_clocks_change_has_23_or_25_hours() -> None:
    slo = Slo("a", calendar="day", zone="Europe/Berlin")
    noon_in_spring, noon_in_autumn = at("2026-03-29T12:00:00"), at("2026-10-25T12:00:00")
    assert noon_in_spring - begins(slo, noon_in_spring) == 11 * 3600
    assert noon_in_autumn - begins(slo, noon_in_autumn) == 13 * 3600


def test_a_week_over_a_change_of_clocks_begins_on_its_monday() -> None:
    slo = Slo("a", calendar="week", zone="Europe/Berlin")
    assert begins(slo, at("2026-03-29T12:00:00")) == at("2026-03-23")


@given(
    st.integers(1_500_000_000, 2_000_000_000),
    st.sampled_from(["Asia/Kolkata", "America/St_Johns", "Asia/Kathmandu", "UTC", "Pacific/Apia"]),
    st.sampled_from(["day", "week", "month", "quarter", "year"]),
)
def test_every_period_begins_in_the_past_at_a_quarter_of_an_hour(
    now: int, zone: str, calendar: str
) -> None:
    slo = Slo("a", calendar=calendar, zone=zone)  # type: ignore[arg-type]
    begin = begins(slo, float(now))
    assert 0 <= now - begin <= 367 * 86400
    assert begin % 900 == 0
    assert begins(slo, begin) == begin
    assert datetime.fromtimestamp(begin, UTC).year >= 2016
