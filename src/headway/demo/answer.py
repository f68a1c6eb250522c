"""Reads one HTTP/1.1 answer (RFC 9112) out of what a connection received so far.

Small on purpose: the users' process must cost little, so that its own queue is not taken for the
service's. Called by `connection` for every chunk that arrives.
"""

from dataclasses import dataclass


class Malformed(ValueError):
    """The bytes are no HTTP/1.1 answer; says what is wrong."""


@dataclass(frozen=True, slots=True)
class Head:
    """Status line and the headers that matter. `length` None: the body ends with the connection."""

    status: int
    version: str | None
    fault: bool
    close: bool
    chunked: bool
    length: int | None


def parse_head(block: bytes) -> Head:
    """The block before the empty line, without it. Raises Malformed."""
    line, *fields = block.split(b"\r\n")
    if not (line.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")) and line[9:12].isdigit()):
        raise Malformed(f"no status line: {line[:60]!r}")
    found: dict[bytes, bytes] = {}
    for each in fields:
        name, colon, value = each.partition(b":")
        if not colon:
            raise Malformed(f"no header: {each[:60]!r}")
        found[name.lower()] = value.strip()
    return _head(int(line[9:12]), found, old=line[7:8] == b"0")


def _head(status: int, found: dict[bytes, bytes], *, old: bool) -> Head:
    connection = found.get(b"connection", b"").lower()
    version = found.get(b"x-shop-version")
    return Head(
        status=status,
        version=None if version is None else version.decode("latin-1")[:20],
        fault=found.get(b"x-shop-fault") == b"1",
        close=connection == b"close" or (old and connection != b"keep-alive"),
        chunked=found.get(b"transfer-encoding", b"").lower() == b"chunked",
        length=_length(status, found.get(b"content-length")),
    )


def _length(status: int, value: bytes | None) -> int | None:
    if status in (204, 304):
        return 0
    if value is not None and not value.isdigit():
        raise Malformed(f"content-length is {value[:20]!r}")
    return None if value is None else int(value)


def read(data: bytes) -> tuple[Head, int] | None:
    """The answer at the start of `data` and how many bytes it takes; None: not complete yet.

    An answer that ends with its connection is never complete here: see `until_close`.
    Raises Malformed.
    """
    start = 0
    while (end := data.find(b"\r\n\r\n", start)) >= 0:
        head = parse_head(data[start:end])
        start = end + 4
        if head.status >= 200:
            stop = _body_end(data, start, head)
            return None if stop is None or stop > len(data) else (head, stop)
    if len(data) - start > 65536:
        raise Malformed("headers above 64 KiB")
    if not b"HTTP/1.".startswith(data[start : start + 7]):
        raise Malformed(f"no status line: {data[start : start + 60]!r}")
    return None


def until_close(data: bytes) -> Head | None:
    """The answer that the end of the connection completes; None if it is cut short."""
    end = data.find(b"\r\n\r\n")
    head = parse_head(data[:end]) if end >= 0 else None
    ends_so = head is not None and head.length is None and not head.chunked and head.status >= 200
    return head if ends_so else None


def _body_end(data: bytes, start: int, head: Head) -> int | None:
    if head.chunked:
        return _chunks_end(data, start)
    return None if head.length is None else start + head.length


def _chunks_end(data: bytes, start: int) -> int | None:
    while (line_end := data.find(b"\r\n", start)) >= 0:
        size_text = data[start:line_end].partition(b";")[0].strip()
        try:
            size = int(size_text, 16)
        except ValueError as error:
            raise Malformed(f"chunk size is {size_text[:20]!r}") from error
        if size == 0:
            return _trailer_end(data, line_end)
        start = line_end + 2 + size + 2
    return None


def _trailer_end(data: bytes, line_end: int) -> int | None:
    end = data.find(b"\r\n\r\n", line_end)
    return None if end < 0 else end + 4
