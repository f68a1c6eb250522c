"""The users' reader of HTTP answers: any cut of the bytes gives the same answer."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.demo.answer import Head, Malformed, Reader

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Shop-Version: v2\r\n\r\nhello"
FAULT = b"HTTP/1.1 500 No\r\nx-shop-fault: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
CHUNKED = (
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n"
)
EMPTY = b"HTTP/1.1 204 No Content\r\nconnection: keep-alive\r\n\r\n"


def feed_in_parts(data: bytes, cuts: list[int]) -> list[Head | None]:
    reader = Reader()
    edges = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    return [reader.feed(data[a:b]) for a, b in pairwise(edges)]


@pytest.mark.parametrize("data", [PLAIN, FAULT, CHUNKED, EMPTY])
@given(cuts=st.lists(st.integers(0, 10_000), max_size=12))
def test_every_cut_gives_the_answer_once_at_its_last_byte(data: bytes, cuts: list[int]) -> None:
    *before, last = feed_in_parts(data, cuts)
    assert before == [None] * len(before)
    assert last == Reader().feed(data)
    assert last is not None


def test_what_the_headers_say() -> None:
    plain, fault, chunked = (Reader().feed(each) for each in (PLAIN, FAULT, CHUNKED))
    assert plain == Head(200, "v2", fault=False, close=False, chunked=False, length=5)
    assert fault == Head(500, None, fault=True, close=True, chunked=False, length=0)
    assert chunked is not None
    assert (chunked.status, chunked.chunked) == (201, True)


def test_bytes_beyond_the_answer_are_seen() -> None:
    reader = Reader()
    assert reader.feed(PLAIN + b"H") is not None
    assert reader.beyond


def test_the_end_of_the_connection_completes_only_an_answer_without_length() -> None:
    open_end, cut = Reader(), Reader()
    assert open_end.feed(b"HTTP/1.0 200 OK\r\n\r\nsome") is None
    assert cut.feed(PLAIN[:-1]) is None
    head = open_end.closed()
    assert head is not None
    assert (head.status, head.close) == (200, True)
    assert cut.closed() is None
    assert Reader().closed() is None


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -4\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a" * 70_000,
    ],
)
def test_nonsense_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        Reader().feed(data)
