"""Whether an event starts a workflow, and why (docs.github.com, "Workflow syntax", `on`).

Pure: the changed files come with the event. Called by flows/trigger and flows/intake.
"""

from dataclasses import dataclass

from headway.pipeline.syntax import ir
from headway.pipeline.trigger import glob
from headway.pipeline.trigger.activity import NOT_FOR_DRAFTS, PULL_REQUESTS, wanted
from headway.pipeline.trigger.event import TriggerEvent
from headway.pipeline.trigger.payload import text

MOST_CHANGED = 300
MOST_COMMITS = 1000
SKIPPED = ("[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]")
_SKIP_EVENTS = frozenset({"push", "pull_request"})
_PATH_EVENTS = frozenset({"push", *PULL_REQUESTS})
Patterns = tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Starts:
    """The answer; `because` is a whole sentence for people."""

    yes: bool
    because: str


def starts(workflow: ir.Workflow, event: TriggerEvent) -> Starts:
    """Whether the event starts the workflow."""
    trigger = workflow.trigger(event.name)
    if trigger is None:
        return _no(f"{workflow.file} does not listen for {event.name}")
    if event.workflow and event.workflow != workflow.file:
        return _no(f"only {event.workflow} was asked for")
    try:
        no = _why_not(trigger, event)
    except ValueError as error:
        return _no(f"a pattern of {workflow.file} cannot be read: {error}")
    return _no(no) if no else Starts(yes=True, because=_why(trigger, event))


def _no(because: str) -> Starts:
    return Starts(yes=False, because=because)


def _why(trigger: ir.Trigger, event: TriggerEvent) -> str:
    of = f" ({event.type})" if event.type else ""
    unsure = _filters_paths(trigger) and not event.tag and _always(event)
    return f"{event.name}{of} of {_where(event)}" + (f"; {_always(event)}" if unsure else "")


def _where(event: TriggerEvent) -> str:
    return event.base or event.branch or event.tag or event.ref or event.repo


def _why_not(trigger: ir.Trigger, event: TriggerEvent) -> str:
    """The first filter that leaves the event out; empty if none does."""
    return (
        _type(trigger, event)
        or _skip(event)
        or _ref(trigger, event)
        or _upstream(trigger, event)
        or _paths(trigger, event)
    )


def _type(trigger: ir.Trigger, event: TriggerEvent) -> str:
    if not wanted(event.name, trigger.types, event.type):
        return f"it does not listen for {event.name} of the type {event.type or 'none'}"
    if event.name == "release" and event.draft and event.type in NOT_FOR_DRAFTS:
        return f"a draft of a release that is {event.type} starts nothing"
    if event.name == "schedule" and event.type not in {cron for cron, _ in trigger.crons}:
        return f"it has no schedule `{event.type}`"
    return ""


def _skip(event: TriggerEvent) -> str:
    if event.name not in _SKIP_EVENTS:
        return ""
    found = next((word for word in SKIPPED if word in event.message.lower()), "")
    return f"the commit's message says {found}" if found else ""


def _ref(trigger: ir.Trigger, event: TriggerEvent) -> str:
    match event.name:
        case "push":
            return _pushed(trigger, event)
        case "pull_request" | "pull_request_target" | "merge_group":
            return _name(trigger.branches, trigger.branches_ignore, "base branch", event.base)
        case "workflow_run":
            return _name(trigger.branches, trigger.branches_ignore, "branch", event.head)
        case _:
            return ""


def _pushed(trigger: ir.Trigger, event: TriggerEvent) -> str:
    """A push of a kind of ref for which only the other kind has filters is left out."""
    branches = (trigger.branches, trigger.branches_ignore)
    tags = (trigger.tags, trigger.tags_ignore)
    mine, other = (tags, branches) if event.tag else (branches, tags)
    kind = "tag" if event.tag else "branch"
    if mine == (None, None) and other != (None, None):
        return f"its filters leave out every {kind}"
    return _name(*mine, kind, event.tag or event.branch)


def _name(only: Patterns, ignore: Patterns, kind: str, name: str) -> str:
    if only is not None and not glob.included(only, name):
        return f"the {kind} {name} is not among those it listens for"
    if ignore is not None and glob.included(ignore, name):
        return f"it ignores the {kind} {name}"
    return ""


def _upstream(trigger: ir.Trigger, event: TriggerEvent) -> str:
    if event.name != "workflow_run" or not trigger.workflows:
        return ""
    name = text(event.payload, "workflow_run", "name")
    return "" if name in trigger.workflows else f"it does not follow the workflow {name}"


def _filters_paths(trigger: ir.Trigger) -> bool:
    return trigger.paths is not None or trigger.paths_ignore is not None


def _always(event: TriggerEvent) -> str:
    """Why path filters cannot leave this event out; empty if they can."""
    if event.commits > MOST_COMMITS:
        return f"more than {MOST_COMMITS} commits were pushed, so that it runs whatever changed"
    if event.changed is None:
        return "which files changed is not known, so that it runs"
    return ""


def _paths(trigger: ir.Trigger, event: TriggerEvent) -> str:
    if event.name not in _PATH_EVENTS or not _filters_paths(trigger) or event.tag:
        return ""
    if event.changed is None or _always(event):
        return ""
    looked_at = event.changed[:MOST_CHANGED]
    if any(_counts(trigger, path) for path in looked_at):
        return ""
    of = len(event.changed)
    first = f"the first {MOST_CHANGED} of " if of > MOST_CHANGED else ""
    return f"none of {first}the {of} changed files is one that it listens for"


def _counts(trigger: ir.Trigger, path: str) -> bool:
    if trigger.paths is not None and not glob.included(trigger.paths, path):
        return False
    return trigger.paths_ignore is None or not glob.included(trigger.paths_ignore, path)
