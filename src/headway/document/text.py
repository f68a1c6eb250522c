"""From bytes to text that YAML may hold: one clear problem for each thing that it may not.

Called by whoever has bytes (settings.load, a file out of Git) and by `reader` for every text.
"""

import re

from headway.document.node import Mark
from headway.document.problems import invalid
from headway.model.errors import Problem

# c-printable of YAML 1.2.2, section 5.1, turned round
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def decode(data: bytes, file: str) -> str:
    """The bytes as UTF-8. Raises Invalid (`encoding`) with the place of the first bad byte."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        sentence = f"byte 0x{data[error.start]:02x} is not UTF-8. Save the file as UTF-8"
        raise _at(file, place(before, len(before)), sentence, "encoding") from None


def check_text(text: str, file: str, max_bytes: int) -> None:
    """Raises Invalid: `too-large`, `encoding` (a byte order mark), `character`, `empty`."""
    size = len(text.encode("utf-8", "surrogatepass"))
    start = Mark(1, 1)
    if size > max_bytes:
        sentence = f"the file has {size} bytes; at most {max_bytes // 1024} KiB are read"
        raise _at(file, start, sentence, "too-large")
    if text.startswith("\N{ZERO WIDTH NO-BREAK SPACE}"):
        sentence = "the file starts with a byte order mark. Save it as UTF-8 without one"
        raise _at(file, start, sentence, "encoding")
    if bad := _UNPRINTABLE.search(text):
        sentence = f"the character U+{ord(bad.group()):04X} cannot be in a file. Remove it"
        raise _at(file, place(text, bad.start()), sentence, "character")


def place(text: str, index: int) -> Mark:
    """Line and column of an index into the text."""
    before = text[:index]
    return Mark(before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1)


def _at(file: str, at: Mark, sentence: str, code: str) -> Exception:
    return invalid([Problem(file, at.line, at.column, sentence, code)])
