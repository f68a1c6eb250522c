"""Reads one HTTP/1.1 answer (RFC 9112) out of what a connection received so far.

Small on purpose: the users' process must cost little, so that its own queue is not taken for the
service's. Called by `connection` for every chunk that arrives.
"""

from dataclasses import dataclass

MOST_HEAD = 65536


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


class Reader:
    """One answer, as its bytes come in."""

    __slots__ = ("_data", "_head", "_start")

    def __init__(self) -> None:
        self._data = b""
        self._head: Head | None = None
        self._start = 0

    def feed(self, data: bytes) -> Head | None:
        """More bytes; gives the head when the whole answer is here. Raises Malformed.

        An answer that ends with its connection is never whole here: see `closed`.
        """
        self._data = self._data + data if self._data else data
        if self._head is None:
            self._read_head()
        stop = self._body_end()
        return None if stop is None or stop > len(self._data) else self._head

    def closed(self) -> Head | None:
        """The connection ended: the head of the answer that this completes, None if cut short."""
        head = self._head
        return head if head and head.length is None and not head.chunked else None

    @property
    def received(self) -> int:
        """Bytes so far."""
        return len(self._data)

    @property
    def beyond(self) -> bool:
        """Are there bytes after the whole answer?"""
        stop = self._body_end()
        return stop is not None and stop < len(self._data)

    def _read_head(self) -> None:
        while self._head is None and (end := self._data.find(b"\r\n\r\n", self._start)) >= 0:
            head = parse_head(self._data[self._start : end])
            self._start = end + 4
            self._head = head if head.status >= 200 else None
        if self._head is None:
            self._check_start()

    def _check_start(self) -> None:
        if len(self._data) - self._start > MOST_HEAD:
            raise Malformed(f"headers above {MOST_HEAD} bytes")
        if not b"HTTP/1.".startswith(self._data[self._start : self._start + 7]):
            raise Malformed(f"no status line: {self._data[self._start : self._start + 60]!r}")

    def _body_end(self) -> int | None:
        if self._head is None:
            return None
        if self._head.chunked:
            return _chunks_end(self._data, self._start)
        return None if self._head.length is None else self._start + self._head.length


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
