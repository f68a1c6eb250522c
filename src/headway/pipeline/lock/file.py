"""Reads and writes headway.lock: YAML, sorted, one line an action, read strictly.

# What the actions …
version: 1
actions:
  actions/cache@v4: 0400d5f644dc74513175e3cd8d07132dd4860809
"""

import re
from collections.abc import Iterator, Mapping

from headway.document import Mapping as Node
from headway.document import Mark, Scalar, invalid, quoted
from headway.document import read as read_document
from headway.model.errors import Problem

FILE = "headway.lock"
_HEAD = """\
# The commits that the actions and workflows of other repositories mean here. Commit this file.
# Written by `headway workflow lock`; `--update` takes newer versions.
version: 1
actions:
"""
_NAME = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}@[A-Za-z0-9_+=@{}./#-]{1,250}"
)
Fault = tuple[Mark, str, str]
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def read(text: str, file: str = FILE) -> dict[str, str]:
    """`owner/name@ref` to commit. Raises Invalid with every place: `unknown-key`, `wrong-type`,
    `missing-key`, `bad-name`, `bad-commit`, and what the document's reader refuses.
    """
    root = read_document(text, file)
    if not isinstance(root, Node):
        raise invalid([Problem(file, 1, 1, "the file must be a mapping", "wrong-type")])
    faults = list(_top_faults(root))
    found: dict[str, str] = {}
    actions = root.get("actions")
    for key, value in actions.entries if isinstance(actions, Node) else ():
        sha = value.text if isinstance(value, Scalar) else ""
        if not _NAME.fullmatch(key.text):
            faults.append((key.at, f"{quoted(key.text)} is not OWNER/NAME@REF", "bad-name"))
        if not _SHA.fullmatch(sha):
            sentence = f"{quoted(key.text)} needs a commit: 40 or 64 hex digits"
            faults.append((value.at, sentence, "bad-commit"))
        found[key.text] = sha
    if faults:
        raise invalid(Problem(file, at.line, at.column, says, code) for at, says, code in faults)
    return found


def _top_faults(root: Node) -> Iterator[Fault]:
    for key, _ in root.entries:
        if key.text not in {"version", "actions"}:
            yield key.at, f"{quoted(key.text)} is not a key of {FILE}", "unknown-key"
    version, actions = root.get("version"), root.get("actions")
    if not isinstance(version, Scalar) or version.value != 1 or version.value is True:
        yield root.at, "`version: 1` is missing", "missing-key"
    if not isinstance(actions, Node):
        yield root.at, "`actions` is missing, or no mapping", "missing-key"


def write(actions: Mapping[str, str]) -> str:
    """The file's text; the same commits give the same text. Raises ValueError for what `read`
    would refuse.
    """
    for name, sha in actions.items():
        if not _NAME.fullmatch(name) or not _SHA.fullmatch(sha):
            raise ValueError(f"{name!r}: {sha!r} cannot be locked")
    lines = [f'  "{name}": "{actions[name]}"\n' for name in sorted(actions)]
    return _HEAD + "".join(lines) if lines else _HEAD.replace("actions:\n", "actions: {}\n")
