"""The next moment of a schedule, also when clocks change."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.model.errors import Invalid
from headway.pipeline.trigger import cron

BERLIN = ZoneInfo("Europe/Berlin")


def after(text: str, moment: str) -> str:
    at = datetime.fromisoformat(moment).replace(tzinfo=BERLIN).timestamp()
    return cron.shown(cron.following(cron.parse(text), BERLIN, at), BERLIN)


@pytest.mark.parametrize(
    ("text", "moment", "told"),
    [
        ("0 14 * * TUE,THU", "2026-11-21T16:00", "2026-11-24 14:00 CET"),
        ("0 14 * * TUE,THU", "2026-11-24T14:00", "2026-11-26 14:00 CET"),
        ("0 14 * * *", "2026-10-24T14:00", "2026-10-25 14:00 CET"),
        ("0 14 * * *", "2026-03-28T14:00", "2026-03-29 14:00 CEST"),
        ("30 2 * * *", "2026-03-28T12:00", "2026-03-29 03:00 CEST"),
        ("30 2 * * *", "2026-10-24T12:00", "2026-10-25 02:30 CEST"),
        ("0 0 29 2 *", "2026-01-01T00:00", "2028-02-29 00:00 CET"),
    ],
)
def test_the_next_moment(text: str, moment: str, told: str) -> None:
    assert after(text, moment) == told


def test_the_longest_way_to_a_leap_day() -> None:
    at = datetime(2096, 3, 1, tzinfo=UTC).timestamp()
    found = cron.following(cron.parse("0 0 29 2 *"), UTC, at)
    assert datetime.fromtimestamp(found, UTC) == datetime(2104, 2, 29, tzinfo=UTC)


@given(st.integers(1_700_000_000, 1_900_000_000))
@settings(deadline=None, max_examples=60)
def test_it_is_the_first_one_that_looking_back_finds(at: int) -> None:
    known = cron.parse("15,45 2,14 * * MON-FRI")
    found = cron.following(known, BERLIN, at)
    assert found > at
    assert cron.latest(known, BERLIN, at, found) == found
    assert cron.latest(known, BERLIN, at, found - 1) is None


def test_one_that_never_comes_is_refused_when_it_is_read() -> None:
    with pytest.raises(Invalid):
        cron.parse("0 0 31 2 *")
