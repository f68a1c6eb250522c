"""Whether `environment.url` of a job is an address that people may be led to. Pure.

What a job prints or a branch is called may end up in it, so nothing is taken that could run a
script, lie about where it leads, or carry a password. Characters: RFC 3986, section 2. Called by
job runners, and by whoever shows a run.
"""

import re

MOST_CHARACTERS = 2000
_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*")
_FRONT = re.compile(r"https?://([^/?#]*)", re.IGNORECASE)
_MACHINE = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{0,5})?")


def fault(text: str) -> str:
    """Why it is no such address, "" if it is one."""
    if not text:
        return "it is empty"
    if len(text) > MOST_CHARACTERS:
        return f"it has more than {MOST_CHARACTERS} characters"
    if not _CHARACTERS.fullmatch(text):
        return "it has characters that an address cannot have"
    front = _FRONT.match(text)
    if front is None:
        return "it does not begin with `https://` or `http://`"
    if "@" in front[1]:
        return "it has a name or a password in it"
    return "" if _MACHINE.fullmatch(front[1]) else "it names no machine"
