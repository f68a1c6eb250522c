"""docs/reference/notifications.md says what the code says."""

from pathlib import Path

from headway.notice.reading import KINDS
from headway.notice.reference import render

DOCS = Path(__file__).parents[3] / "docs/reference"


def test_the_page_is_what_the_code_says() -> None:
    hint = "run: python -m headway.notice.reference > docs/reference/notifications.md"
    assert (DOCS / "notifications.md").read_text("utf-8") == render(), hint


def test_every_event_that_is_read_is_in_the_reference() -> None:
    page = (DOCS / "events.md").read_text("utf-8")
    assert [kind for kind in KINDS if f"`{kind}`" not in page] == []
