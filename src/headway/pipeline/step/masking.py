"""Secrets made unreadable in everything that is shown or kept. Pure; called by job runners.

Every form in which a secret usually comes along is masked: as it is, base64 at each of the three
alignments (also URL-safe, also wrapped), hexadecimal, URL, JSON, expression, XML and shell quoting,
without its quotes, and each line of a secret of several lines. Compressed or otherwise transformed
output evades any masker.
"""

import base64
import html
import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator

HIDDEN = b"***"
MIN_LINE = 4
MIN_PART = 6
_SAFE = re.compile(rb"[A-Za-z0-9._~-]")
_SHELL_SAFE = re.compile(r"([^A-Za-z0-9@%+=:,./_-])")
_WRAPS = (64, 76)


def forms(secret: str) -> frozenset[bytes]:
    """Every form of the secret that is masked; empty for one that is blank."""
    if not secret.strip():
        return frozenset()
    found = set(_forms_of_one(secret))
    for line in secret.splitlines():
        if len(line.strip()) >= MIN_LINE and line.strip() != secret:
            found.update(_forms_of_one(line.strip()))
    return frozenset(found)


def _forms_of_one(secret: str) -> Iterator[bytes]:
    raw = secret.encode("utf-8", "surrogateescape")
    yield raw
    if len(secret) < MIN_LINE:
        return
    yield from (raw.strip(), raw.hex().encode(), raw.hex().upper().encode())
    yield from _base64(raw)
    yield from _url(raw)
    for text in (*_quoted(secret), *_parts(secret)):
        if len(text) >= MIN_LINE:
            yield text.encode("utf-8", "surrogateescape")


def _base64(raw: bytes) -> Iterator[bytes]:
    encoders: tuple[Callable[[bytes], bytes], ...] = (base64.b64encode, base64.urlsafe_b64encode)
    for encode in encoders:
        for shift in range(3):
            whole = encode(b"\0" * shift + raw)[(0, 2, 3)[shift] :]
            yield whole
            bare = whole.rstrip(b"=")
            yield bare
            if (len(raw) + shift) % 3 and len(bare) > MIN_PART:
                yield bare[:-1]
    whole = base64.b64encode(raw)
    for width in _WRAPS:
        if len(whole) > width:
            rows = (whole[i : i + width] for i in range(0, len(whole), width))
            yield from (row for row in rows if len(row.rstrip(b"=")) > MIN_PART)


def _url(raw: bytes) -> Iterator[bytes]:
    for safe in (b"", b"/", b"!'()*", b"!'()*;/?:@&=+$,#"):
        upper = b"".join(_percent(c, safe) for c in raw)
        yield from (upper, upper.replace(b"%20", b"+"), _PERCENT.sub(_lower, upper))


_PERCENT = re.compile(rb"%[0-9A-F]{2}")


def _lower(match: re.Match[bytes]) -> bytes:
    return match.group().lower()


def _percent(byte: int, safe: bytes) -> bytes:
    one = bytes((byte,))
    return one if _SAFE.match(one) or one in safe else b"%%%02X" % byte


def _quoted(secret: str) -> Iterator[str]:
    for ascii_only in (True, False):
        inner = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        yield from (inner, json.dumps(inner)[1:-1], inner.replace("/", "\\/"))
    yield repr(secret)[1:-1]
    yield secret.replace("'", "''")
    for quote in ("&#39;", "&#x27;", "&apos;", "'"):
        yield html.escape(secret).replace("&#x27;", quote)
    yield html.escape(secret, quote=False)
    yield shlex.quote(secret).removeprefix("'").removesuffix("'")
    yield secret.replace("'", "'\\''")
    yield _SHELL_SAFE.sub(r"\\\1", secret)
    yield re.sub(r'(["\\$`])', r"\\\1", secret)
    yield re.sub(r'(["\\])', r"\\\1", secret)
    yield secret.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    yield secret.replace("\r\n", "\n")


def _parts(secret: str) -> Iterator[str]:
    yield secret.strip().strip("\"'")
    for cut in (secret.find("&+") + 1, secret.rfind("&")):
        if cut > 0:
            yield from (part for part in (secret[: cut + 1], secret[cut + 1 :]) if len(part) >= 6)


class Masker:
    """All secrets of one job. `longest`: bytes of the longest pattern, 0 without any."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._patterns: set[bytes] = set()
        self._found: re.Pattern[bytes] | None = None
        self.longest = 0
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        """Mask these too from now on."""
        new = {form for secret in secrets for form in forms(secret) if form} - self._patterns
        if new:
            self._patterns |= new
            self.longest = max(map(len, self._patterns))
            self._found = _compiled(frozenset(self._patterns))

    def text(self, text: str) -> str:
        """The text, masked."""
        if self._found is None or not text:
            return text
        data = text.encode("utf-8", "surrogateescape")
        hidden = self.data(data)
        return text if hidden is data else hidden.decode("utf-8", "surrogateescape")

    def hides(self, text: str) -> bool:
        """Whether anything in the text is a secret."""
        return self._found is not None and self.text(text) != text

    def data(self, data: bytes) -> bytes:
        """The bytes, masked; the very same object if there is nothing to mask."""
        pieces: list[bytes] = []
        done = 0
        for start, end in self._spans(data):
            pieces += (data[done:start], HIDDEN)
            done = end
        return b"".join((*pieces, data[done:])) if pieces else data

    def cut(self, data: bytes) -> tuple[bytes, bytes]:
        """Of a text that goes on: what can be shown already, masked, and what must wait (raw)."""
        safe = len(data) - max(0, self.longest - 1)
        if safe <= 0:
            return b"", data
        for start, end in self._spans(data):
            if start < safe < end:
                # From its start, because what overlaps its end may not be here yet.
                safe = start or end
        return self.data(data[:safe]), data[safe:]

    def _spans(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Where secrets are: disjoint, in order, overlapping ones joined."""
        at = 0
        while self._found and (match := self._found.search(data, at)):
            start, end = match.span()
            within = start + 1
            while within < end and (more := self._found.search(data, within)):
                if more.start() >= end:
                    break
                end = max(end, more.end())
                within = more.start() + 1
            yield start, end
            at = end


_CACHE: dict[frozenset[bytes], re.Pattern[bytes]] = {}


def _compiled(patterns: frozenset[bytes]) -> re.Pattern[bytes]:
    """Alternatives, longest first, so that each match is the longest that begins where it does."""
    if patterns not in _CACHE:
        if len(_CACHE) > 64:
            _CACHE.clear()
        ordered = sorted(patterns, key=lambda p: (-len(p), p))
        _CACHE[patterns] = re.compile(b"|".join(map(re.escape, ordered)))
    return _CACHE[patterns]
