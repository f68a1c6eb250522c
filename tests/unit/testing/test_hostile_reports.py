"""Reports are written by strangers: bombs, lies and rubbish end in one clear error."""

import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.model.errors import Invalid, Problem
from headway.testing import junit, kind, markup
from headway.testing.coverage import Coverage
from headway.testing.findings import Scan
from headway.testing.result import Report

LAUGHS = """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>
<testsuite name="&b;"/>"""
OUTSIDE = """<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><testsuite name="&a;"/>"""
REFERENCE = """<!DOCTYPE testsuite SYSTEM "x.dtd"><testsuite><testcase name="a"><failure>&leak;
</failure></testcase></testsuite>"""
DECLARED = "<!DOCTYPE testsuite [<!ELEMENT testsuite ANY>]><testsuite/>"
PARAMETER = """<!DOCTYPE x [<!ENTITY % a SYSTEM "http://127.0.0.1/x"> %a;]><testsuite/>"""


@pytest.mark.parametrize("text", [LAUGHS, OUTSIDE, REFERENCE, DECLARED, PARAMETER])
def test_entities_and_declarations_are_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        junit.read([text.encode()], "r.xml")
    assert caught.value.code == "hostile-xml"
    assert str(caught.value).startswith("r.xml:1:")


def test_depth_has_a_bound() -> None:
    with pytest.raises(Invalid, match="nested deeper than"):
        junit.read([b"<testsuite>" * 100_000], "r.xml")


def test_size_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markup, "MOST_BYTES", 1 << 20)
    with pytest.raises(Invalid) as caught:
        junit.read([b"<testsuite>", *([b" " * 65536] * 17)], "r.xml")
    assert caught.value.code == "too-large"


def test_endless_output_of_a_test_is_not_kept() -> None:
    def report() -> Iterator[bytes]:
        yield b'<testsuite><testcase name="a"><failure>'
        for _ in range(500):
            yield b"x" * 65536
        yield b"</failure><system-out>"
        for _ in range(500):
            yield b"y" * 65536
        yield b"</system-out></testcase></testsuite>"

    tracemalloc.start()
    (case,) = junit.read(report(), "r.xml").cases
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(case.message) <= junit.MOST_MESSAGE
    assert peak < 4 << 20


def attempt(read: Callable[..., Any], chunks: list[bytes]) -> Any:
    """What was read, or the first problem of the error."""
    try:
        return read(chunks, "x")
    except Invalid as error:
        return error.problems[0]


@given(st.binary(max_size=300))
def test_rubbish_is_an_error_and_never_a_crash(data: bytes) -> None:
    assert isinstance(attempt(kind.read, [data]), Report | Coverage | Scan | Problem)


PIECES = st.sampled_from(
    ["<testsuite>", "</testsuite>", '<testcase name="a">', "</testcase>", "<failure>", "</failure>",
     "<skipped/>", "<flakyFailure/>", "<property name='go.version'/>", "text", "<x>", "</x>",
     "<testsuites>", "</testsuites>", "<error/>", "&amp;", "&x;", "<![CDATA[", "]]>"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=25), st.integers(1, 9))
def test_any_order_of_elements_in_any_chunks(pieces: list[str], size: int) -> None:
    data = "".join(["<testsuite>", *pieces, "</testsuite>"]).encode()
    chunks = [data[i : i + size] for i in range(0, len(data), size)]
    report, whole = attempt(junit.read, chunks), attempt(junit.read, [data])
    if isinstance(report, Problem):
        assert isinstance(whole, Problem)
        assert (report.code, report.line >= 1) == (whole.code, True)
        return
    assert report == whole
    failing = sum(p in {"<failure>", "<error/>"} for p in pieces)
    assert (sum(c.failures for c in report.cases) > 0) >= (failing > 0)


@pytest.mark.parametrize("data", [b"", b"  \n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_no_report(data: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        kind.read([data], "x")
    assert caught.value.code == "empty-report"


def test_what_is_nothing_known_is_named() -> None:
    with pytest.raises(Invalid, match="JUnit XML, Cobertura XML, lcov and SARIF"):
        kind.read([b"PASS\nok example.com/shop"], "x")
