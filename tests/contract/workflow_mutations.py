"""Breaks workflows in many ways, by a seed. Used by test_workflow_oracle.

A mutation changes plain data; the result is written as JSON, which every YAML parser reads alike.
Some results are still right: the oracle decides.
"""

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

from headway.document import Limits, plain, read

READABLE = Limits(max_bytes=1 << 20, max_depth=50, anchors=True, core_tags=True)

_WORDS = (
    *("name", "on", "jobs", "runs-on", "steps", "uses", "with", "env", "needs", "if", "matrix"),
    *("types", "branches", "cron", "bogus", "Run", "timeout-minutes", "permissions", "container"),
    *("secrets", "inputs", "defaults", "shell", "id", "include", "group", "url", "image", "ports"),
)
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 7, -1.5, "", "x", "true", "3", [], {}, ["x"], [1], {"x": "y"}),
    *("${{ github.ref }}", "${{ secrets.X }}", "${{ steps.a.outputs.b }}", "${{ matrix.x }}"),
    *("${{ needs.a.result }}", "${{ env.X }}", "${{ inputs.x }}", "${{ runner.os }}"),
    *(
        "${{ }}",
        "${{ github.ref",
        "${{ bogus.x }}",
        "${{ bogus() }}",
        "${{ 1 + 1 }}",
        "x ${{ 'y' }}",
    ),
    *("${{ hashFiles('x') }}", "${{ success() }}", "${{ always() }}", "${{ job.status }}"),
    *("${{ contains('a') }}", "${{ format('{0}', github.sha) }}", "${{ toJSON(vars) }}"),
    *(
        "success()",
        "failure() && true",
        "a ==",
        "github.ref == 'x'",
        "read-all",
        "write",
        "* * * * *",
    ),
    *(["a", "a"], {"a": {"b": 1}}, [["x"]], [{"run": "x"}], {"group": "g"}, "a.b", "__x", "1a"),
)


def load(text: str) -> Any:
    """The document as plain data. Raises Invalid."""
    return plain(read(text, "seed.yml", limits=READABLE))


def broken(document: Any, seed: str, count: int) -> Iterator[str]:
    """`count` variants of a document, each with one to three mutations."""
    chance = random.Random(seed)
    for _ in range(count):
        data = copy.deepcopy(document)
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            _mutate(data, chance)
        yield json.dumps(data, ensure_ascii=False)


def _places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key or index) below."""
    pairs = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in list(pairs):
        yield data, key
        if isinstance(value, dict | list):
            yield from _places(value)


def _mutate(data: Any, chance: random.Random) -> None:
    places = list(_places(data))
    if not places:
        return
    owner, key = chance.choice(places)
    kind = chance.choice(
        ("delete", "rename", "case", "value", "value", "value", "swap", "copy", "wrap")
    )
    if kind == "delete":
        del owner[key]
    elif kind in ("rename", "case") and isinstance(owner, dict):
        _rename(owner, key, chance, kind)
    elif kind == "swap":
        other, where = chance.choice(places)
        owner[key] = copy.deepcopy(other.get(where) if isinstance(other, dict) else None)
    elif kind == "copy" and isinstance(owner, list):
        owner.append(copy.deepcopy(owner[key]))
    elif kind == "wrap":
        owner[key] = chance.choice(([owner[key]], {"value": owner[key]}))
    else:
        owner[key] = copy.deepcopy(chance.choice(_VALUES))


def _rename(owner: dict[str, Any], key: str, chance: random.Random, kind: str) -> None:
    if kind == "case":
        owner[key.upper() if key.islower() else key.lower() + "2"] = copy.deepcopy(owner[key])
        return
    cut = chance.randrange(len(key) + 1)
    new = chance.choice((key[:cut] + "x" + key[cut:], chance.choice(_WORDS), key[1:]))
    owner[new] = owner.pop(key)
