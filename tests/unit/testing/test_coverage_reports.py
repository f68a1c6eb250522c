"""Cobertura and lcov are counted, never believed; the gate is exact and asks for its paths."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headway.model.errors import Invalid
from headway.model.verdict import Outcome
from headway.testing import kind
from headway.testing.coverage import (
    Coverage,
    CoverageGate,
    FileCoverage,
    Least,
    joined,
    judge,
    select,
)

COBERTURA = """<?xml version="1.0" ?>
<!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">
<coverage version="7.6" line-rate="1" branch-rate="1" lines-covered="999" lines-valid="999">
<sources><source>/home/ci/src</source></sources><packages><package name="."><classes>
<class name="pay.py" filename="shop/pay.py" line-rate="1"><methods><method name="m"><lines>
<line number="77" hits="1"/></lines></method></methods><lines>
<line number="1" hits="3"/><line number="2" hits="0"/>
<line number="3" hits="1" branch="true" condition-coverage="50% (1/2)" missing-branches="exit"/>
</lines></class>
<class name="Inner" filename="shop/pay.py"><lines><line number="1" hits="0"/>
<line number="2" hits="1"/>
<line number="9" hits="0"/></lines></class>
<class name="cart.py" filename="shop/cart.py"><lines><line number="1" hits="0"/></lines></class>
</classes></package></packages></coverage>"""

LCOV = """TN:unit
SF:/home/ci/src/shop/pay.js
FN:1,pay
FNDA:2,pay
FNF:1
FNH:1
DA:1,2
DA:2,0,checksum
BRDA:2,0,0,1
BRDA:2,0,1,-
BRF:2
BRH:1
LF:2
LH:1
end_of_record
SF:/home/ci/src/shop/pay.js
DA:1,0
DA:2,4
end_of_record
"""


def read(text: str) -> Coverage:
    found = kind.read([text.encode()], "cover")
    assert isinstance(found, Coverage)
    return found


def test_cobertura_is_counted() -> None:
    pay, cart = read(COBERTURA).files
    assert pay == FileCoverage("shop/pay.py", 4, 3, 2, 1, "home/ci/src")
    assert (cart.lines, cart.lines_run) == (1, 0)


def test_lcov_is_counted_and_put_together() -> None:
    (pay,) = read(LCOV).files
    assert (pay.lines, pay.lines_run, pay.branches, pay.branches_run) == (2, 2, 2, 1)


@pytest.mark.parametrize(
    ("text", "where", "code"),
    [
        ("<coverage><packages/></coverage>", "cover:1:1", "no-lines"),
        ("<coverage>\n<class/></coverage>", "cover:2:1", "not-cobertura"),
        ('<coverage><class filename="a"><lines>\n<line number="x"/>', "cover:2:1", "bad-number"),
        (
            '<coverage><class filename="a"><lines>\n<line number="1" hits="1" branch="true" '
            'condition-coverage="50% (3/2)"/>',
            "cover:2:1",
            "bad-branch",
        ),
        ("TN:\n", "cover:1:1", "no-lines"),
        ("TN:\nDA:1,1\n", "cover:2:1", "not-lcov"),
        ("SF:a\nDA:1,x\n", "cover:2:1", "bad-number"),
        ("SF:a\nDA:1,1\nNONSENSE\n", "cover:3:1", "not-lcov"),
        ("SF:a\nDA:1,1\n", "cover:2:1", "not-lcov"),
        ("SF:a\nSF:b\n", "cover:2:1", "not-lcov"),
        ("SF:a\nBRDA:1,1\n", "cover:2:1", "not-lcov"),
    ],
)
def test_a_broken_report_says_where(text: str, where: str, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        read(text)
    assert caught.value.code == code
    assert str(caught.value).startswith(where)


def of(
    run: int, lines: int, path: str = "src/a.py", branches: tuple[int, int] = (0, 0)
) -> Coverage:
    return Coverage("c", (FileCoverage(path, lines, run, branches[1], branches[0]),))


def outcome(coverage: Coverage | None, *least: Least) -> Outcome:
    return judge(coverage, CoverageGate(least[0], least[1:])).outcome


@pytest.mark.seed("S-024")
def test_79_fails_and_80_passes() -> None:
    assert outcome(of(79, 100), Least(lines=0.8)) is Outcome.FAIL
    assert outcome(of(80, 100), Least(lines=0.8)) is Outcome.PASS


@given(st.integers(1, 5000), st.integers(0, 100))
@example(100, 7)
def test_the_gate_is_exact(lines: int, percent: int) -> None:
    just = -(-lines * percent // 100)
    assert outcome(of(just, lines), Least(lines=percent / 100)) is Outcome.PASS
    if just:
        assert outcome(of(just - 1, lines), Least(lines=percent / 100)) is Outcome.FAIL


def test_critical_paths_have_goals_of_their_own() -> None:
    files = of(100, 100).files + of(8, 10, "src/pay/card.py").files
    coverage = Coverage("c", files)
    assert outcome(coverage, Least(lines=0.9)) is Outcome.PASS
    verdict = judge(coverage, CoverageGate(Least(lines=0.9), (Least("src/pay/**", 0.95),)))
    assert verdict.outcome is Outcome.FAIL
    assert verdict.because == "lines of src/pay/**: 80% (8 of 10), needs 95%"
    assert outcome(coverage, Least(), Least("src/gone/**", 0.5)) is Outcome.FAIL


@pytest.mark.parametrize(
    ("glob", "hits"),
    [("shop/pay.py", 1), ("src/shop/*.py", 2), ("shop/**", 2), ("**/cart.py", 1), ("*.py", 2),
     ("op/pay.py", 0), ("shop", 0), ("sh?p/pay.p?", 1), ("/home/ci/src/**", 2), ("shop/p.y.py", 0)],
)  # fmt: skip
def test_globs_begin_at_any_folder(glob: str, hits: int) -> None:
    assert len(select(read(COBERTURA), glob)) == hits


def test_nothing_measured_is_never_enough() -> None:
    assert outcome(None, Least(lines=0.0)) is Outcome.WAIT
    assert outcome(of(1, 1), Least(branches=0.1)) is Outcome.FAIL
    assert outcome(of(1, 1, branches=(1, 2)), Least(branches=0.5)) is Outcome.PASS


def test_the_same_file_twice_is_refused() -> None:
    with pytest.raises(Invalid) as caught:
        joined([of(1, 2), of(2, 2)])
    assert caught.value.code == "same-file-twice"
    both = joined([of(1, 2), of(2, 2, "b.py")])
    assert both is not None
    assert len(both.files) == 2
    assert joined([]) is None
