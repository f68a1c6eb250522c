"""The linter's rules for `on`: triggers that never start or not as they read. Called by `check`."""

from headway.document import quoted
from headway.pipeline.syntax import cron
from headway.pipeline.syntax.ir import Trigger, Workflow
from headway.pipeline.syntax.page import Page

_SOONEST = 5
_PAIRS = ("branches", "tags", "paths")


def note(page: Page, workflow: Workflow) -> None:
    """Codes: `never-starts` `too-often` `two-filters` `only-not`."""
    for trigger in workflow.on:
        _note_starts(page, trigger)
        _note_filters(page, trigger)
        for text, _ in trigger.crons:
            if not cron.fault(text) and cron.minutes_between(text) < _SOONEST:
                sentence = f"{quoted(text)} starts more often than every {_SOONEST} minutes"
                page.fault(trigger.at, f"{sentence}: GitHub skips some", "too-often")


def _note_starts(page: Page, trigger: Trigger) -> None:
    if trigger.event == "schedule" and not trigger.crons:
        page.fault(trigger.at, "`schedule` without `cron` never starts. Write one", "never-starts")
    if trigger.event == "workflow_run" and not trigger.workflows:
        sentence = "`workflow_run` without `workflows` never starts. Name one"
        page.fault(trigger.at, sentence, "never-starts")


def _note_filters(page: Page, trigger: Trigger) -> None:
    for name in _PAIRS:
        wanted = getattr(trigger, name)
        if wanted is not None and getattr(trigger, f"{name}_ignore") is not None:
            sentence = (
                f"{quoted(trigger.event)} has `{name}` and `{name}-ignore`: GitHub takes only one. "
                "Write `!` before what is not meant"
            )
            page.fault(trigger.at, sentence, "two-filters")
        if wanted and all(pattern.startswith("!") for pattern in wanted):
            sentence = (
                f"`{name}` of {quoted(trigger.event)} only says what is not meant: never starts"
            )
            page.fault(trigger.at, f"{sentence}. Write `'**'` first", "only-not")
