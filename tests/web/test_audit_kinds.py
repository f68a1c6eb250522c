"""What the audit trail can be narrowed to is there: every kind begins like a told event."""

import re
from pathlib import Path

from headway.web.pages.audit import KINDS

EVENTS = Path(__file__).parents[2] / "docs/reference/events.md"


def test_each_kind_is_the_first_word_of_an_event() -> None:
    told = set(re.findall(r"`([a-z_]+)\.[a-z_]+[:`]", EVENTS.read_text()))
    assert {"gates", "run"} <= told
    assert sorted(set(KINDS) - told) == []
