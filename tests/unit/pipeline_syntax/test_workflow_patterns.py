"""Cron expressions and filter patterns: the right ones pass, the wrong ones are told in words."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.pipeline.syntax import cron, glob, ids
from headway.pipeline.trigger import glob as matcher


@pytest.mark.parametrize(
    "text",
    [
        "* * * * *",
        "0 0 1 1 0",
        "59 23 31 12 6",
        "*/5 1-3 1,15 JAN-mar sun,Wed",
        "0-30/10 * * * 1-5",
    ],
)
def test_right_times(text: str) -> None:
    assert cron.fault(text) == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("* * * *", "has 4 fields"),
        ("* * * * * *", "has 6 fields"),
        ("", "has 0 fields"),
        ("60 * * * *", "`60` as minute"),
        ("* 24 * * *", "`24` as hour"),
        ("* * 0 * *", "`0` as day"),
        ("* * * 13 *", "`13` as month"),
        ("* * * * 7", "`7` as weekday"),
        ("5-1 * * * *", "`5-1` as minute"),
        ("*/0 * * * *", "`*/0` as minute"),
        ("*/ * * * *", "`*/` as minute"),
        ("1,,2 * * * *", "empty minute"),
        ("@hourly", "`@daily`"),
        ("a b c d e", "`a` as minute"),
        ("² * * * *", "`²` as minute"),
    ],
)
def test_wrong_times_are_told(text: str, words: str) -> None:
    assert words in cron.fault(text)


@given(st.text(alphabet="0123456789*/,- abcjanmonsuw", max_size=30))
def test_any_text_is_judged(text: str) -> None:
    if not cron.fault(text):
        assert 1 <= cron.minutes_between(text) <= 60


@given(st.sets(st.integers(0, 59), min_size=1, max_size=8))
def test_the_shortest_pause_is_that_of_the_clock(minutes: set[int]) -> None:
    text = ",".join(str(m) for m in sorted(minutes)) + " * * * *"
    starts = [m + 60 * hour for hour in (0, 1) for m in sorted(minutes)]
    assert cron.minutes_between(text) == min(b - a for a, b in pairwise(starts))


@pytest.mark.parametrize(
    "pattern", ["main", "**", "v[0-9]+.*", "!x/**", "a?b", r"\[x", "[CB]at", "**.js"]
)
def test_right_patterns(pattern: str) -> None:
    assert glob.fault(pattern) == ""


@pytest.mark.parametrize("pattern", ["!", "[a", "[]", "[9-1]", "?a", "a/+", "a++"])
def test_wrong_patterns_are_told(pattern: str) -> None:
    assert glob.fault(pattern)


def test_made_ids_are_unique_and_short() -> None:
    made = ids.StepIds(["__run", "a"])
    assert [made.make(""), made.make(""), made.make("o/r@v1"), made.make("o/r/x@v1")] == [
        *("__run_2", "__run_3", "__o_r", "__o_r_2"),
    ]
    assert all(len(made.make("docker://" + "x" * 300)) == 100 for _ in range(3))


@pytest.mark.parametrize("pattern", ["a\\", "[?]", "[-z]", "[a-]", "[a b]", "[é]"])
def test_what_no_trigger_could_match_is_refused_when_it_is_read(pattern: str) -> None:
    assert glob.fault(pattern)
    assert matcher.fault(pattern)
