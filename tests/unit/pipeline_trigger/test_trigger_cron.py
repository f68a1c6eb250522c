"""Cron: fields, days, changes of clocks; against another implementation where both say the same."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.model.errors import Invalid
from headway.pipeline.syntax import cron as written
from headway.pipeline.trigger import cron
from headway.pipeline.trigger.cron import latest, missed, parse

BERLIN, APIA = ZoneInfo("Europe/Berlin"), ZoneInfo("Pacific/Apia")
HOWE = ZoneInfo("Australia/Lord_Howe")


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def strikes(text: str, zone: object, begin: str, end: str) -> list[str]:
    """All moments in begin < moment <= end, oldest first, with their offset."""
    known, since, until, found = parse(text), at(begin), at(end), []
    while (moment := latest(known, zone, since, until)) is not None:  # type: ignore[arg-type]
        found.append(datetime.fromtimestamp(moment, zone).isoformat())  # type: ignore[arg-type]
        until = moment - 1
    return found[::-1]


@pytest.mark.parametrize(
    ("text", "field", "values"),
    [
        ("* * * * *", "minutes", set(range(60))),
        ("20/15 * * * *", "minutes", {20, 35, 50}),
        ("*/20 * * * *", "minutes", {0, 20, 40}),
        ("1-10/3,50 * * * *", "minutes", {1, 4, 7, 10, 50}),
        ("0 4-6 * * *", "hours", {4, 5, 6}),
        ("0 0 * JAN,jul-SEP *", "months", {1, 7, 8, 9}),
        ("0 0 * * MON-FRI", "weekdays", {1, 2, 3, 4, 5}),
        ("0 0 * * sun,6", "weekdays", {0, 6}),
        ("0 0 29 2 *", "days", {29}),
    ],
)
def test_fields(text: str, field: str, values: set[int]) -> None:
    assert getattr(parse(text), field) == values


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("@daily", "@daily"), ("* * * *", "five fields"), ("* * * * * *", "five fields"),
        ("60 * * * *", "0 to 59"), ("* 24 * * *", "0 to 23"), ("* * 0 * *", "1 to 31"),
        ("* * * 13 *", "1 to 12"), ("* * * * 7", "0 to 6"), ("* * L * *", "`L`"),
        ("* * 15W * *", "`W`"), ("* * * * 5L", "`L`"), ("* * * * 5#2", "`#`"), ("* * ? * *", "`?`"),
        ("5-1 * * * *", "low to high"), ("*/0 * * * *", "steps from 1"), ("a * * * *", "`a`"),
        (",1 * * * *", "``"), ("1, * * * *", "``"), ("-1 * * * *", "-1"), ("0 0 31 2 *", "never"),
        ("0 0 30,31 FEB *", "never"), ("* * * * *" * 100, "five fields"), ("", "five fields"),
        ("٣ * * * *", "٣"),
    ],
)  # fmt: skip
def test_what_is_refused_is_named(text: str, word: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse(text)
    assert word in caught.value.why
    assert cron.fault(text) == caught.value.why


PARTS = st.one_of(
    st.sampled_from(
        ["*", "*/2", "*/7", "1", "5-9", "0", "3/4", "1,2", "JAN", "MON-WED", "31", "59"]
    ),
    st.text("0123456789*/-,LW#?JANMON", max_size=6),
)


@given(st.lists(PARTS, min_size=5, max_size=5).map(" ".join))
def test_what_the_reader_of_workflows_takes_is_read_here(text: str) -> None:
    if not written.fault(text):
        assert cron.fault(text) in {"", "no month of these has such a day: it never comes"}


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["*", "0", "*/15", "7,43", "50"]),
    st.sampled_from(["*", "0", "*/6", "9-17", "23"]),
    st.sampled_from(["*", "1", "13", "29-31"]),
    st.sampled_from(["*", "2", "JAN-MAR"]),
    st.sampled_from(["*", "1-5", "0", "5"]),
    st.integers(1_600_000_000, 1_900_000_000),
)
def test_it_agrees_with_stepping_through_every_minute(
    minute: str, hour: str, day: str, month: str, weekday: str, until: int
) -> None:
    """The rules of POSIX, minute by minute, over three days back in UTC."""
    known = parse(f"{minute} {hour} {day} {month} {weekday}")
    expected = [m for m in _minutes(until) if _strikes(known, day, weekday, m)]
    since = float(until - 3 * 86400)
    assert latest(known, UTC, since, float(until)) == (max(expected) if expected else None)
    assert missed(known, UTC, since, float(until), most=10_000) == len(expected)


def _minutes(until: int) -> list[float]:
    last = until - until % 60
    return [float(last - 60 * n) for n in range(3 * 1440 + 1) if last - 60 * n > until - 3 * 86400]


def _strikes(known: cron.Cron, day: str, weekday: str, moment: float) -> bool:
    t = datetime.fromtimestamp(moment, UTC)
    if t.minute not in known.minutes or t.hour not in known.hours or t.month not in known.months:
        return False
    monthly, weekly = t.day in known.days, t.isoweekday() % 7 in known.weekdays
    if "*" in (day, weekday):
        return monthly and weekly
    return monthly or weekly


def test_either_day_is_enough_where_both_are_restricted() -> None:
    found = strikes("0 0 13 * 5", UTC, "2026-03-01T00:00+00:00", "2026-03-31T00:00+00:00")
    assert [f[8:10] for f in found] == ["06", "13", "20", "27"]


def test_a_leap_day_is_found_years_back() -> None:
    moment = latest(parse("0 0 29 2 *"), UTC, at("2020-03-01T00:00+00:00"), at("2026-01-01T00:00Z"))
    assert moment == at("2024-02-29T00:00+00:00")


def test_a_skipped_moment_comes_with_the_first_after_the_gap() -> None:
    """Berlin, 29 March 2026: after 01:59:59 comes 03:00."""
    day = ("2026-03-29T00:00+01:00", "2026-03-29T12:00+02:00")
    assert strikes("30 2 * * *", BERLIN, *day) == ["2026-03-29T03:00:00+02:00"]
    assert strikes("0,30 2 * * *", BERLIN, *day) == ["2026-03-29T03:00:00+02:00"]
    assert strikes("0 3 * * *", BERLIN, *day) == ["2026-03-29T03:00:00+02:00"]
    assert strikes("30 1,2,3 * * *", BERLIN, *day) == [
        "2026-03-29T01:30:00+01:00",
        "2026-03-29T03:00:00+02:00",
        "2026-03-29T03:30:00+02:00",
    ]


def test_a_doubled_moment_counts_the_first_time_only() -> None:
    """Berlin, 25 October 2026: 02:00 to 02:59 comes twice."""
    day = ("2026-10-25T00:00+02:00", "2026-10-25T12:00+01:00")
    assert strikes("30 2 * * *", BERLIN, *day) == ["2026-10-25T02:30:00+02:00"]
    after_first = ("2026-10-25T02:30+02:00", "2026-10-25T12:00+01:00")
    assert strikes("30 2 * * *", BERLIN, *after_first) == []


def test_a_schedule_of_every_hour_goes_by_real_time() -> None:
    spring = ("2026-03-29T00:30+01:00", "2026-03-29T04:30+02:00")
    assert [s[11:] for s in strikes("0 * * * *", BERLIN, *spring)] == [
        "01:00:00+01:00",
        "03:00:00+02:00",
        "04:00:00+02:00",
    ]
    autumn = ("2026-10-25T01:30+02:00", "2026-10-25T03:30+01:00")
    assert [s[11:] for s in strikes("0 * * * *", BERLIN, *autumn)] == [
        "02:00:00+02:00",
        "02:00:00+01:00",
        "03:00:00+01:00",
    ]


@pytest.mark.parametrize("zone", [BERLIN, HOWE, APIA, UTC, ZoneInfo("America/Sao_Paulo")])
def test_every_day_has_one_strike_whatever_the_clocks_do(zone: ZoneInfo) -> None:
    """Also where a gap is half an hour (Lord Howe) or lay at midnight (São Paulo)."""
    for hour in (0, 2):
        begin = datetime(2017, 9, 1, 12, tzinfo=zone)
        end = begin + timedelta(days=400)
        known = parse(f"15 {hour} * * *")
        count = missed(known, zone, begin.timestamp(), end.timestamp(), most=10_000)
        assert count == 400


def test_a_day_that_never_was_is_made_up_for() -> None:
    """Samoa left out 30 December 2011."""
    found = strikes("0 12 30 * *", APIA, "2011-12-29T00:00-10:00", "2012-01-02T00:00+14:00")
    assert found == ["2011-12-31T00:00:00+14:00"]


def test_only_the_latest_is_given_and_the_others_are_counted() -> None:
    since, until = at("2026-01-01T00:00+00:00"), at("2026-01-05T12:00+00:00")
    assert latest(parse("0 6 * * *"), UTC, since, until) == at("2026-01-05T06:00+00:00")
    assert missed(parse("0 6 * * *"), UTC, since, until) == 5
    assert latest(parse("0 6 * * *"), UTC, until, until) is None
    assert missed(parse("* * * * *"), UTC, since, until) == 1000
