"""The tables of alert windows against the published ones, and who wins at which burn."""

import pytest

from headway.model.service import BurnAlert, Slo
from headway.slo.tally import Tally
from headway.slo.windows import (
    DAY,
    HOUR,
    burns,
    conditions,
    lengths,
    levels,
    nominal_seconds,
    published,
)

# Site Reliability Workbook, chapter 5: severity, long window, short window, burn rate for 30 days
PUBLISHED_30D = [
    ("page", HOUR, 300, 14.4),
    ("page", 6 * HOUR, 1800, 6),
    ("ticket", DAY, 2 * HOUR, 3),
    ("ticket", 3 * DAY, 6 * HOUR, 1),
]


def table(window: float) -> list[tuple[str, float, float, float]]:
    return [(b.severity, b.long, b.short, pytest.approx(b.factor)) for b in published(window)]


@pytest.mark.seed("S-177")
def test_thirty_days_are_the_published_table() -> None:
    assert table(30 * DAY) == PUBLISHED_30D


def test_four_weeks_keep_the_windows_and_follow_the_formula() -> None:
    assert [b.long for b in published(28 * DAY)] == [HOUR, 6 * HOUR, DAY, 3 * DAY]
    factors = [b.factor for b in published(28 * DAY)]
    assert factors == pytest.approx([13.44, 5.6, 2.8, 28 / 30])


@pytest.mark.parametrize("days", [1, 7, 14, 27])
def test_shorter_windows_shrink_and_keep_share_and_factor(days: int) -> None:
    for row, (_, long, _, factor) in zip(published(days * DAY), PUBLISHED_30D, strict=True):
        assert row.long == pytest.approx(max(120, long * days / 30), abs=30)
        assert row.factor == pytest.approx(factor, rel=0.08)
        assert row.short < row.long


def over(rates: dict[float, float], target: float) -> object:
    """A tally for each window so that it burns at that rate."""

    def tally(seconds: float) -> Tally:
        total = 1e9
        return Tally(total - rates[seconds] * (1 - target) * total, total)

    return tally


def firing(rate: float, target: float = 0.999) -> set[str]:
    slo = Slo("a", target=target)
    known = over(dict.fromkeys(lengths(slo), rate), target)
    return {c.name for c in conditions(slo) if burns(c, target, known)}  # type: ignore[arg-type]


@pytest.mark.seed("S-210")
@pytest.mark.parametrize(
    ("rate", "names"),
    [
        (0.9, set()),
        (1.5, {"ticket-slow"}),
        (2.1, {"ticket-slow", "level-investigate"}),
        (3.1, {"ticket-slow", "level-investigate", "ticket-quick"}),
        (5.1, {"ticket-slow", "level-investigate", "ticket-quick", "level-page"}),
        (6.1, {"ticket-slow", "level-investigate", "ticket-quick", "level-page", "page-slow"}),
    ],
)
def test_a_sustained_burn_fires_the_right_levels(rate: float, names: set[str]) -> None:
    assert firing(rate) == names


def test_a_very_fast_burn_fires_everything() -> None:
    assert len(firing(20)) == 6


@pytest.mark.seed("S-210")
def test_two_is_a_look_and_five_is_a_person() -> None:
    assert [(b.severity, b.factor) for b in levels(30 * DAY)] == [("page", 5.0), ("ticket", 2.0)]


def test_both_windows_must_burn_and_an_empty_one_does_not() -> None:
    quick = published(30 * DAY)[0]
    assert burns(quick, 0.999, over({300: 15, 3600: 15}, 0.999))  # type: ignore[arg-type]
    assert not burns(quick, 0.999, over({300: 15, 3600: 14}, 0.999))  # type: ignore[arg-type]
    assert not burns(quick, 0.999, over({300: 0, 3600: 15}, 0.999))  # type: ignore[arg-type]
    assert not burns(quick, 0.999, lambda _: Tally())


def test_conditions_of_a_file_are_evaluated_beside() -> None:
    own = BurnAlert("mine", "ticket", 2.0, HOUR, 300, or_equal=True)
    slo = Slo("a", conditions=(own,))
    assert conditions(slo)[-1].name == "mine"
    tally = Tally(998, 1000)
    assert burns(conditions(slo)[-1], 0.999, lambda _: tally) is (tally.bad / 1000 / 0.001 >= 2)


def test_calendar_windows_have_a_usual_length() -> None:
    assert nominal_seconds(Slo("a", calendar="month")) == 30 * DAY
    assert nominal_seconds(Slo("a", calendar="quarter")) == 90 * DAY
