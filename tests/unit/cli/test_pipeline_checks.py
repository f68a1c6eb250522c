"""What reports said, in words; tries in the lines that are told as a run goes."""

import pytest

from headway.cli.pipeline_checks import forgiven, idle, named, ordinal, pyramid, waived, words
from headway.cli.running import Begun, Picture, Stop, Teller
from headway.cli.running_tree import Frame, draw
from headway.model.job import Checks, JobOrder, JobReport, Layer, WaiverUse
from headway.model.job_settings import Waiver

UNIT = Checks("", 25, 1, 2, 1.2, (Layer("unit", 25, 1.2),), line_share=0.812)
BOTH = Checks("", 4, layers=(Layer("unit", 1, 0.3), Layer("e2e", 3, 9.0)), findings=2)


def test_words_of_one_job() -> None:
    assert words(UNIT) == "25 tests, 1 failed, 2 skipped, 1.2 s; 81.2% of lines"
    assert words(Checks("", findings=0)) == "0 findings"
    assert words(Checks("its reports are incomplete")) == "its reports are incomplete"


def test_the_pyramid_of_all_jobs() -> None:
    assert pyramid([UNIT, BOTH]) == "26 unit 1.5 s, 3 e2e 9.0 s; 29 tests, 10 s in all"
    assert pyramid([Checks("")]) == ""


@pytest.mark.parametrize(
    ("number", "word"), [(2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (21, "21st")]
)
def test_ordinals(number: int, word: str) -> None:
    assert ordinal(number) == word


def test_forgiven_tests_are_harmless_and_bounded() -> None:
    told = list(forgiven(Checks("", forgiven=("a\x1b[31m: flaky",) * 12)))
    assert len(told) == 11
    assert "\x1b" not in told[0]
    assert told[-1] == "… and 2 more"


def order(tries: int) -> JobOrder:
    return JobOrder("r", "test", "test", "test", tries, "", "", "", (), tries=tries)


RED = JobReport("test", "failure", 0.0, 3.2, because="1 of 9 tests failed")


def test_a_try_is_told_and_the_next_one_has_its_number() -> None:
    said: list[str] = []
    teller = Teller(said.append, Stop())
    teller.job_began(order(1))
    teller.job_retried("test", RED, 0.0)
    teller.job_began(order(2))
    assert said[1] == "test | ✗ failure, 3.2 s: 1 of 9 tests failed; runs again"
    assert said[2].startswith(f"{named('test', 2)} | ")
    assert named("test", 1) == "test"


def test_the_tree_shows_who_rests() -> None:
    picture = Picture(Begun((), {}, {}), Stop(), lambda: 0.0)
    picture.job_began(order(1))
    picture.job_retried("test", RED, 9.0)
    assert "test  runs again" in draw(picture, Frame(80, 20, 1.0)).plain
    picture.job_began(order(2))
    assert "test, 2nd try" in draw(picture, Frame(80, 20, 1.0)).plain


WAIVER = Waiver("CVE-1", "an\x1b[31ma", "not reach\nable", "2026-12-31", "a.txt")


def test_waivers_are_told_harmlessly_with_owner_last_day_and_reason() -> None:
    use = WaiverUse(WAIVER, 7, named=("error CVE-1 at a.txt",))
    over = WaiverUse(WAIVER, 1, expired=True, named=("error CVE-1 at b.txt",))
    line, last = waived(Checks("", waivers=(use, WaiverUse(WAIVER, 0), over)))
    assert last.endswith(" expired on 2026-12-31: error CVE-1 at b.txt")
    assert line.startswith("waived by an")
    assert "until 2026-12-31: error CVE-1 at a.txt and 6 more: not reach" in line
    assert "\x1b" not in line
    assert "\n" not in line
    assert len(list(waived(Checks("", waivers=(use,) * 12)))) == 11


def test_idle_waivers_are_warnings_and_bounded() -> None:
    (line,) = idle((WAIVER,))
    assert line.startswith("  warning  the waiver of an")
    assert line.endswith("for CVE-1 at a.txt matches no finding that blocks: take it out of "
                         "headway.yaml")  # fmt: skip
    assert "\x1b" not in line
    assert list(idle((WAIVER,) * 12))[-1] == "  warning  … and 2 more waivers match nothing"
