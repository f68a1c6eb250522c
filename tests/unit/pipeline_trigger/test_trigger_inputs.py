"""Inputs of a dispatch: typed, defaulted, refused with their place."""

import pytest

from headway.model.errors import Invalid
from headway.pipeline.syntax import ir, reader
from headway.pipeline.trigger.inputs import typed

FILE = ".github/workflows/release.yml"
TEXT = """\
on:
  workflow_dispatch:
    inputs:
      target:
        type: choice
        options: [staging, production]
        default: staging
      count: {type: number}
      loud: {type: boolean, default: true}
      quiet: {type: boolean}
      note: {required: true}
      where: {type: environment}
jobs:
  a:
    runs-on: ubuntu-latest
    timeout-minutes: 1
    steps:
      - run: x
"""


def trigger() -> ir.Trigger:
    found = reader.read(TEXT, FILE).trigger("workflow_dispatch")
    assert found is not None
    return found


def test_values_have_their_types_and_defaults() -> None:
    given = {"note": "$(id)", "count": "-2.5", "loud": "false"}
    assert typed(FILE, trigger(), given) == {
        "target": "staging",
        "count": -2.5,
        "loud": False,
        "quiet": False,
        "note": "$(id)",
        "where": "",
    }
    assert typed(FILE, trigger(), {"note": "", "count": "3"})["count"] == 3


def test_every_fault_is_told_with_its_place() -> None:
    given = {"target": "moon", "count": "many", "loud": "yes", "extra": "1"}
    with pytest.raises(Invalid) as caught:
        typed(FILE, trigger(), given)
    told = {p.sentence: p.line for p in caught.value.problems}
    assert told == {
        "there is no input `extra`; known: target, count, loud, quiet, note, where": 2,
        "the input `target` is one of staging, production": 4,
        "the input `count` is a number": 8,
        "the input `loud` is `true` or `false`": 9,
        "the input `note` is required": 11,
    }


def test_too_much_is_refused() -> None:
    with pytest.raises(Invalid):
        typed(FILE, trigger(), {f"i{n}": "" for n in range(26)})
    with pytest.raises(Invalid):
        typed(FILE, trigger(), {"note": "x" * 65_536})
