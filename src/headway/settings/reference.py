"""The page docs/reference/headway-yaml.md, made from the schema.

`python -m headway.settings.reference > docs/reference/headway-yaml.md`; a test says when it is
stale.
"""

import sys
from collections.abc import Iterator

from headway.settings.keys import Key, keys

_HEAD = """\
# headway.yaml

Made from the schema by `python -m headway.settings.reference`; do not edit it by hand.

One file describes one service. It is YAML 1.2, UTF-8, at most 256 KiB, without anchors, tags or
templates. Unknown and repeated keys are refused, and so is a number that lacks its unit.
`headway config check` reads the file, `headway config show --env E` prints what an environment gets
and from which line, `headway config explain KEY` tells what this page tells of a key.

A **duration** is one number and one unit: `500ms` `30s` `5m` `2h` `7d`. A **percentage** is `0%` to
`100%`, a **growth** may be more. A **size** is `512MiB`: KiB, MiB or GiB. A **date** is
`2026-12-31`. A bare number is a count.

Keys marked * may be written at the top, for every environment, and inside an environment, which
wins: blocks merge key by key, everything else replaces, and a `rollout` of another strategy
replaces the whole block. In three places a bare value stands for a block's first key:
`run: COMMAND`, `health: PATH`, and `http: PATH` in a test. A step that is only a share is written
bare, too.
"""
_ITSELF = frozenset({"service", "schema", "owner", "kind", "description"})
_TABLE = "\n|key|what may be written|default|meaning|\n|-|-|-|-|"


def page() -> str:
    """The page as Markdown, ending with a line break."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD.rstrip()
    heading = ""
    for key in keys():
        block = key.path.split(".")[0].rstrip("[]")
        here = "The service itself" if block in _ITSELF else block
        if here != heading:
            heading = here
            yield f"\n## {heading}\n{_TABLE}"
        yield _row(key)


def _row(key: Key) -> str:
    star = "*" if key.in_environments else ""
    only = f" (strategy {key.strategy})" if key.strategy and not _is_of_all(key) else ""
    cells = (f"`{key.path}`{star}", key.values, key.default, f"{key.meaning}{only}")
    return "|" + "|".join(cell.replace("|", "\\|") for cell in cells) + "|"


def _is_of_all(key: Key) -> bool:
    """Whether every strategy knows the key."""
    return key.strategy.count(",") == max(other.strategy.count(",") for other in keys())


if __name__ == "__main__":
    sys.stdout.write(page())
