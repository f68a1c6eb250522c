"""Patterns of branches, tags and paths: which can be read. Called by `rules_on`.

The signs are those of GitHub's "Filter pattern cheat sheet": `*` `**` `?` `+` `[]` and a
leading `!`.
"""


def fault(pattern: str) -> str:
    """What is wrong with the pattern, "" if nothing."""
    body = pattern.removeprefix("!")
    if not body:
        return "is only `!`: write what is not meant after it"
    return _class_fault(body)


def _class_fault(body: str) -> str:
    at = 0
    while at < len(body):
        sign = body[at]
        if sign == "\\":
            if at + 1 == len(body):
                return "ends with `\\`, which takes the next character as it is"
            at += 2
            continue
        if sign == "[":
            end = body.find("]", at + 1)
            if end < 0:
                return "opens `[` and never closes it"
            if wrong := _inside(body[at + 1 : end]):
                return wrong
            at = end
        elif sign in "?+" and (at == 0 or body[at - 1] in "?+/"):
            return f"has `{sign}` after nothing: it repeats the character before it"
        at += 1
    return ""


def _inside(letters: str) -> str:
    if not letters:
        return "has an empty `[]`"
    if odd := next((x for x in letters if not (x.isascii() and (x.isalnum() or x in "_-"))), ""):
        return f"has `{odd}` between `[` and `]`, where only letters and digits mean something"
    if letters[0] == "-" or letters[-1] == "-":
        return "has a `-` at an end of `[…]`: it stands between two letters or digits"
    for at in range(1, len(letters) - 1):
        if letters[at] == "-" and letters[at - 1] > letters[at + 1]:
            return f"has the range `{letters[at - 1 : at + 2]}` the wrong way round"
    return ""
