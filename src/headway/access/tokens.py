"""The text of a token: `hwt_`, 43 digits of base 62 for 256 random bits, 6 for their CRC-32.

The prefix lets scanners of repositories find one that was committed, and the sum lets them and us
tell a token from a typing error without asking the database. Used by flows/accounts and api/who.
"""

import binascii
import re
import string

PREFIX = "hwt_"
_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_FORM = re.compile(rf"{PREFIX}[0-9A-Za-z]{{49}}")


def make(entropy: bytes) -> str:
    """The token of these 32 random bytes."""
    body = _base62(int.from_bytes(entropy, "big"), 43)
    return f"{PREFIX}{body}{_sum(body)}"


def well_formed(text: str) -> bool:
    """Whether it is spelled like a token."""
    return bool(_FORM.fullmatch(text)) and text[-6:] == _sum(text[len(PREFIX) : -6])


def _sum(body: str) -> str:
    return _base62(binascii.crc32(body.encode()), 6)


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
