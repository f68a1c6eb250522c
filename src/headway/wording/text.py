"""Plain text for people: hostile text made harmless, times and shares in words, aligned columns.

Everything that a command shows goes through here: commit subjects, logs and reasons are written by
others and may hold escape sequences.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|\x9c|$)"  # OSC, DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]"  # every other sequence
    r"|\x9b[0-?]*[ -/]*[@-~]",  # CSI in one byte
    re.DOTALL,
)
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JSON_HIDDEN = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")

SYMBOLS = {
    "good": ("✓", "green"),
    "bad": ("✗", "red"),
    "back": ("↩", "red"),
    "wait": ("◷", "yellow"),
    "run": ("●", "cyan"),
    "later": ("○", "bright_black"),
    "off": ("□", "bright_black"),
}
_WORDS = {
    "good": ("success", "delivered", "released", "shadowed", "pass", "approve", "stability", "ok"),
    "bad": ("failure", "failed", "fail", "refused", "reject", "aborted"),
    "back": ("rolled_back", "rolled back", "going back"),
    "wait": ("wait", "waiting", "interrupted", "held", "paused", "stopped", "queued", "warning"),
    "off": ("cancelled", "superseded", "skipped"),
    "later": ("later", "", "unknown"),
}
_KIND = {word: kind for kind, words in _WORDS.items() for word in words}


def plain(text: object, most: int = 2000) -> str:
    """One harmless line: no escape sequence, no control or invisible character."""
    clean = _ESCAPES.sub("", str(text)[: 4 * most])
    spaced = re.sub(r"[\t\r\n\v\f]+", " ", clean)
    kept = "".join(c for c in spaced if unicodedata.category(c) not in _HIDDEN).strip()
    return kept if len(kept) <= most else kept[: most - 1] + "…"


def plain_line(text: str) -> str:
    """Harmless, its indent kept."""
    indent = text[: len(text) - len(text.lstrip(" "))]
    return indent + plain(text, 20_000)


def without_escapes(text: str) -> str:
    """The text without escape sequences, also those that go over several lines."""
    return _ESCAPES.sub("", text)


def block(text: str, most: int = 200) -> list[str]:
    """Several harmless lines, the last `most` of them."""
    return [plain(line) for line in _ESCAPES.sub("", text).splitlines()[-most:]]


def harmless_json(text: str) -> str:
    """JSON text whose invisible characters are escaped; it means the same."""
    return _JSON_HIDDEN.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def symbol(word: str) -> tuple[str, str]:
    """A sign and its colour for a state in one word; the word is always shown beside it."""
    return SYMBOLS[_KIND.get(word.lower(), "run")]


def marked(word: str) -> str:
    """`✓ released`: the sign and the word."""
    return f"{symbol(word)[0]} {word.replace('_', ' ')}"


def percent(share: float) -> str:
    """0.05 is `5%`, 0.00123 is `0.12%`."""
    return f"{100 * share:.3g}%" if share >= 0.001 or not share else f"{100 * share:.2g}%"


def span(seconds: float) -> str:
    """A length of time: `0.4 s`, `42 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, size, small, of in (("d", 86400, "h", 3600), ("h", 3600, "min", 60)):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // of} {small}"
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"


def since(then: datetime | None, now: datetime) -> str:
    """How long ago; empty if never."""
    return f"{span(max(0.0, (now - then).total_seconds()))} ago" if then else ""


def clock(then: datetime | None) -> str:
    """Local time of day, with the date."""
    return then.astimezone().strftime("%Y-%m-%d %H:%M:%S") if then else ""


def person(name: str) -> str:
    """`Ana` of `Ana <ana@example.org>`."""
    return name.partition("<")[0].strip() or name


def short(digest: str) -> str:
    """The first 12 hex digits of a commit or digest."""
    return digest.removeprefix("sha256:")[:12]


def width(text: str) -> int:
    """Cells on a terminal: wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def columns(rows: Iterable[Sequence[str]]) -> list[str]:
    """Rows as aligned lines without borders; nothing is ever cut."""
    clean = [[plain_line(cell) for cell in row] for row in rows]
    if not clean:
        return []
    widths = [max(width(row[i]) for row in clean) for i in range(len(clean[0]))]
    return [
        "  ".join(
            cell + " " * (w - width(cell)) for cell, w in zip(row, widths, strict=True)
        ).rstrip()
        for row in clean
    ]


def size(count: int) -> str:
    """Bytes as people say them: `640 B`, `3.1 MiB`."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"
