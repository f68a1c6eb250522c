"""Which names and passwords are good enough. Called by flows/accounts.

Length is the rule that helps (NIST SP 800-63B section 5.1.1.2); no rule about kinds of characters.
"""

import re

from headway.model.errors import Invalid

LEAST, MOST = 12, 256
_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")
_WORN = ("password", "passwort", "headway", "letmein", "welcome", "qwertz", "qwerty", "changeme",
         "administrator", "admin", "1234567890", "abcdefghijkl")  # fmt: skip


def name(given: str) -> str:
    """The name of a person, program or team, in small letters. Raises Invalid (`account-name`)."""
    known = given.strip().lower()
    if not _NAME.fullmatch(known) or known == "home":
        raise Invalid(
            "this is not a name for an account",
            why="small letters, digits and . _ @ + - only, at most 64; `home` is taken",
            code="account-name",
        )
    return known


def password(given: str, name: str) -> None:
    """Raises Invalid (`weak-password`); the password is never repeated."""
    why = _weakness(given, name)
    if why:
        raise Invalid("this password will not do", why=why, code="weak-password")


def _weakness(given: str, name: str) -> str:
    bare = given.casefold()
    if len(given) < LEAST:
        return f"it has fewer than {LEAST} characters"
    if len(given) > MOST:
        return f"it has more than {MOST} characters"
    if len(set(given)) < 5:
        return "it repeats the same few characters"
    rest = bare.replace(name.casefold(), "")
    for worn in _WORN:
        rest = rest.replace(worn, "")
    if len(rest) < LEAST // 2:
        return "it is little more than the name or a common word"
    return ""
