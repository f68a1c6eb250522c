"""Waivers: exactly their rule and file, through their last day, and each told of."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.model.job import Checks, WaiverUse
from headway.model.job_settings import Waiver, utc_day
from headway.model.verdict import Outcome
from headway.testing.findings import Finding, FindingsGate, Scan, judge, uses
from headway.testing.waivers import Sieve, told

CVE = "CVE-2026-12345"
WAIVER = Waiver(CVE, "ana", "Not reachable here", "2026-12-31", "requirements.txt")


def at(day: str, hour: int = 12, minute: int = 0) -> float:
    return datetime.fromisoformat(day).replace(hour=hour, minute=minute, tzinfo=UTC).timestamp()


def scan(*files: str, rule: str = CVE) -> tuple[Scan, ...]:
    found = tuple(Finding("trivy", rule, "error", "bad", file, 3) for file in files)
    return (Scan("scan.sarif", ("trivy",), found),)


@pytest.mark.seed("S-047", "S-048")
def test_it_counts_through_its_last_day_and_the_refusal_says_whose_it_was() -> None:
    gate, found = FindingsGate("error", (WAIVER,)), scan("requirements.txt")
    last = judge(found, gate, at("2026-12-31", 23, 59))
    assert last.outcome is Outcome.PASS
    assert last.because == (
        "no finding of level error or above blocks, of 1; waived by ana until 2026-12-31: "
        f"error {CVE} at requirements.txt:3 (Not reachable here)"
    )
    over = judge(found, gate, at("2027-01-01", 0))
    assert over.outcome is Outcome.FAIL
    assert over.because == (
        f"1 of level error or above: error {CVE} at requirements.txt:3; waiver of ana expired on "
        f"2026-12-31: error {CVE} at requirements.txt:3"
    )


def test_beside_a_waived_finding_another_one_blocks() -> None:
    verdict = judge(
        scan("requirements.txt", "src/app.py"), FindingsGate("error", (WAIVER,)), at("2026-12-01")
    )
    assert verdict.outcome is Outcome.FAIL
    assert verdict.because.startswith(f"1 of level error or above: error {CVE} at src/app.py:3;")
    assert "waived by ana until 2026-12-31" in verdict.because


@pytest.mark.parametrize(
    ("glob", "file", "matches"),
    [
        ("requirements.txt", "requirements.txt", True),
        ("./requirements.txt", "requirements.txt", True),
        ("requirements.txt", "./requirements.txt", True),
        ("requirements.txt", "vendor/requirements.txt", False),
        ("requirements.txt", "requirementsXtxt", False),
        ("requirements.txt", "requirements.txt.bak", False),
        ("requirements.txt", "", False),
        ("", "", True),
        ("", "any/where", True),
        ("src/*.py", "src/app.py", True),
        ("src/*.py", "src/pay/app.py", False),
        ("src/**", "src/pay/app.py", True),
        ("src/**", "src/../secret.py", False),
        ("**/app.py", "app.py", True),
        ("**/src/app.py", "file:///runs/1/src/app.py", True),
        ("src/[ab].py", "src/a.py", False),
    ],
)
def test_which_files_it_speaks_of(glob: str, file: str, matches: bool) -> None:
    sieve = Sieve((Waiver(CVE, "ana", "why", "2026-12-31", glob),), "2026-12-01")
    assert sieve.lets_through(CVE, file, "it") is matches


@pytest.mark.parametrize("rule", ["cve-2026-12345", "CVE-2026-1234", "CVE-2026-12345/x", ""])
def test_the_rule_is_exact(rule: str) -> None:
    sieve = Sieve((Waiver(CVE, "ana", "why", "2026-12-31"),), "2026-12-01")
    assert not sieve.lets_through(rule, "requirements.txt", "it")


def test_one_in_force_wins_over_one_that_has_ended_and_idle_ones_are_told() -> None:
    ended = Waiver(CVE, "ben", "old one", "2026-01-31")
    idle = Waiver("R9", "eve", "nothing of it", "2026-12-31")
    found = uses(scan("a", "b"), FindingsGate("error", (ended, Waiver(CVE, "ana", "new", "2026-12-31"), idle)), at("2026-12-01"))  # fmt: skip  # noqa: E501
    assert [(u.waiver.owner, u.findings, u.expired) for u in found] == [
        ("ben", 0, True), ("ana", 2, False), ("eve", 0, False),
    ]  # fmt: skip


def test_a_waiver_below_the_level_or_for_what_is_suppressed_is_idle() -> None:
    found = Scan("s", ("t",), (Finding("t", CVE, "note", "m"),
                               Finding("t", CVE, "error", "m", suppressed=True)))  # fmt: skip
    gate = FindingsGate("error", (Waiver(CVE, "ana", "why", "2026-12-31"),))
    (use,) = uses((found,), gate, at("2026-12-01"))
    assert use.findings == 0


def test_names_end() -> None:
    sieve = Sieve((Waiver(CVE, "ana", "why", "2026-12-31"),), "2026-12-01")
    assert all(sieve.lets_through(CVE, "f", f"n{n}") for n in range(9))
    assert told(sieve.uses()[0]) == (
        "waived by ana until 2026-12-31: n0, n1, n2, n3, n4 and 4 more (why)"
    )


def test_a_result_stands_as_long_as_every_waiver_that_it_needs() -> None:
    late = Waiver("R2", "ben", "why", "2027-06-30")
    needed = Checks("", waivers=(WaiverUse(WAIVER, 1), WaiverUse(late, 1)))
    assert needed.stand(at("2026-12-31", 23, 59))
    assert not needed.stand(at("2027-01-01", 0))
    idle = Checks("", waivers=(WaiverUse(WAIVER, 0), WaiverUse(late, 1)))
    assert idle.stand(at("2027-01-01"))
    assert Checks("").stand(at("2099-01-01"))


DAYS = st.dates(date(2020, 1, 1), date(2035, 1, 1))
RULES, FILES = st.sampled_from(["R1", "R2"]), st.sampled_from(["a.py", "b.py"])
WAIVERS = st.lists(
    st.builds(
        lambda rule, day, at: Waiver(rule, "ana", "why", day.isoformat(), at),
        RULES, DAYS, st.sampled_from(["", "a.py", "*.py"]),
    ),
    max_size=4,
)  # fmt: skip


@given(st.lists(st.tuples(RULES, FILES), max_size=6), WAIVERS, DAYS)
def test_every_finding_is_either_waived_by_name_or_left(
    found: list[tuple[str, str]], waivers: list[Waiver], today: date
) -> None:
    sieve = Sieve(waivers, today.isoformat())
    passed = [sieve.lets_through(rule, file, f"{rule} {file}") for rule, file in found]
    for (rule, file), through in zip(found, passed, strict=True):
        meant = [w for w in waivers if w.rule == rule and w.at in {"", file, "*.py"}]
        assert through == any(date.fromisoformat(w.expires) >= today for w in meant)
    waived = [use for use in sieve.uses() if not use.expired]
    assert sum(use.findings for use in waived) == sum(passed)
    assert [use.waiver for use in sieve.uses()] == waivers


@given(DAYS, st.integers(0, 86_399))
def test_the_day_is_utc(day: date, second: int) -> None:
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    assert utc_day((midnight + timedelta(seconds=second)).timestamp()) == day.isoformat()
