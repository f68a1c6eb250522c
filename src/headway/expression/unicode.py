"""Texts as the reference sees them: sequences of UTF-16 units, compared in upper case.

Called by lexer, values and functions. Case mappings are Unicode's full ones (ß becomes SS); only
the small i without a dot stays as it is.
"""

import re

WHITESPACE = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
_DOTLESS = "\u0131"
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_HALVES = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def upper(text: str) -> str:
    """In upper case, the small i without a dot left alone."""
    if _DOTLESS not in text:
        return text.upper()
    return _DOTLESS.join(part.upper() for part in text.split(_DOTLESS))


def units(text: str) -> str:
    """One character for each UTF-16 unit: such texts sort and search as the reference's do."""
    return text if text.isascii() else _ASTRAL.sub(_halves, text)


def length(text: str) -> int:
    """In UTF-16 units."""
    return len(text) if text.isascii() else len(text) + len(_ASTRAL.findall(text))


def joined(text: str) -> str:
    """Halves of a character that have come to stand side by side are that character."""
    return text if text.isascii() else _HALVES.sub(_whole, text)


def _halves(match: re.Match[str]) -> str:
    rest = ord(match.group()) - 0x10000
    return chr(0xD800 + (rest >> 10)) + chr(0xDC00 + (rest & 0x3FF))


def _whole(match: re.Match[str]) -> str:
    high, low = map(ord, match.group())
    return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
