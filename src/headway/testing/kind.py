"""What kind of report a file is, by its content, and the reader for it. Called by cli and flows."""

import re
from collections.abc import Iterator

from headway.testing import cobertura, junit, lcov, sarif
from headway.testing.coverage import Coverage
from headway.testing.findings import Scan
from headway.testing.markup import Chunks, Fault
from headway.testing.result import Report

HEAD = 65_536
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_ROOT = re.compile(rb"<([A-Za-z_][\w.:-]*)")
Read = Report | Coverage | Scan


def read(data: Chunks, file: str) -> Read:
    """The report, whatever it is. Raises Invalid: `unknown-report`, `empty-report`, and what the
    reader for it raises, each with file and line.
    """
    head, rest = _peeked(iter(data))
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        said = "the file is empty: a report that says nothing is no report"
        Fault(file).at(1, 1, said, "empty-report")
    if text.startswith(b"{"):
        return sarif.read(rest, file)
    if text.startswith((b"TN:", b"SF:", b"VER:")):
        return lcov.read(rest, file)
    if text.startswith(b"<"):
        return cobertura.read(rest, file) if _root(text) == b"coverage" else junit.read(rest, file)
    if not head.startswith(_UTF16):
        known = "JUnit XML, Cobertura XML, lcov and SARIF are"
        Fault(file).at(1, 1, f"this is no report that Headway reads; {known}", "unknown-report")
    return junit.read(rest, file)


def _root(text: bytes) -> bytes:
    """The name of the first element: comments, instructions and document types begin otherwise."""
    found = _ROOT.search(re.sub(rb"<!--.*?-->", b"", text, flags=re.DOTALL))
    return found[1] if found else b""


def _peeked(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes, and all of them."""
    first: list[bytes] = []
    size = 0
    for chunk in chunks:
        first.append(chunk)
        size += len(chunk)
        if size >= HEAD:
            break
    return b"".join(first), _joined(first, chunks)


def _joined(first: list[bytes], rest: Iterator[bytes]) -> Iterator[bytes]:
    yield from first
    yield from rest
