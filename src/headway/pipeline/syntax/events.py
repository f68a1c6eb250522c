"""The events that may start a workflow: their filters and activity types.

The facts are GitHub's page "Events that trigger workflows". Every event here is read; those that no
forge tells Headway of are refused by name. Read by `keys`; `DEFAULT_TYPES` also by whoever matches
an incoming event.
"""

from headway.pipeline.syntax.shape import Key, Shape, Table

_CHANGED = ("created", "edited", "deleted")
_PULL_REQUEST = (
    *("assigned", "unassigned", "labeled", "unlabeled", "opened", "edited", "closed", "reopened"),
    *("synchronize", "converted_to_draft", "locked", "unlocked", "enqueued", "dequeued"),
    *("milestoned", "demilestoned", "ready_for_review", "review_requested"),
    *("review_request_removed", "auto_merge_enabled", "auto_merge_disabled", "stacked"),
)
_ISSUES = (
    *("opened", "edited", "deleted", "transferred", "pinned", "unpinned", "closed", "reopened"),
    *("assigned", "unassigned", "labeled", "unlabeled", "locked", "unlocked", "milestoned"),
    *("demilestoned", "field_added", "field_removed", "typed", "untyped"),
)
_DISCUSSION = (
    *_CHANGED,
    *("transferred", "pinned", "unpinned", "labeled", "unlabeled", "locked", "unlocked"),
    *("category_changed", "answered", "unanswered"),
)

TYPES: dict[str, tuple[str, ...]] = {
    "branch_protection_rule": _CHANGED,
    "check_run": ("completed", "created", "rerequested", "requested_action"),
    "check_suite": ("completed",),
    "discussion": _DISCUSSION,
    "discussion_comment": _CHANGED,
    "issue_comment": _CHANGED,
    "issues": _ISSUES,
    "label": _CHANGED,
    "merge_group": ("checks_requested",),
    "milestone": ("created", "closed", "opened", "edited", "deleted"),
    "project": ("created", "closed", "reopened", "edited", "deleted"),
    "project_card": ("created", "moved", "converted", "edited", "deleted"),
    "project_column": ("created", "updated", "moved", "deleted"),
    "pull_request": _PULL_REQUEST,
    "pull_request_comment": _CHANGED,
    "pull_request_review": ("submitted", "edited", "dismissed"),
    "pull_request_review_comment": _CHANGED,
    "pull_request_target": _PULL_REQUEST,
    "registry_package": ("published", "updated"),
    "release": (
        *("published", "unpublished", "created", "edited", "deleted", "prereleased"),
        "released",
    ),
    "watch": ("started",),
    "workflow_run": ("requested", "completed", "in_progress"),
}
"""The activity types that each event may name under `types`."""

DEFAULT_TYPES: dict[str, tuple[str, ...]] = {
    "pull_request": ("opened", "synchronize", "reopened"),
    "pull_request_target": ("opened", "synchronize", "reopened"),
}
"""The activity types of an event without `types`; of an event that is not here: all of them."""

PLAIN = (
    *("create", "delete", "deployment", "deployment_status", "fork", "gollum", "page_build"),
    *("public", "status"),
)
"""Events without any filter."""

_WORDS = Shape(kind="word", items=Shape(kind="word"))
_PATTERNS = (
    "Patterns: `*` stays in one part of a name, `**` crosses `/`, `?` `+` `[]` `!` as written."
)
_FILTERS = {
    "branches": f"Only these branches. {_PATTERNS}",
    "branches-ignore": "Not these branches.",
    "tags": "Only these tags.",
    "tags-ignore": "Not these tags.",
    "paths": "Only if a changed file matches.",
    "paths-ignore": "Not if every changed file matches.",
}
_FILTERS_OF = {
    "push": tuple(_FILTERS),
    "pull_request": ("branches", "branches-ignore", "paths", "paths-ignore"),
    "pull_request_target": ("branches", "branches-ignore", "paths", "paths-ignore"),
    "merge_group": ("branches", "branches-ignore"),
    "workflow_run": ("branches", "branches-ignore"),
}
FILTER_PAIRS = (("branches", "branches-ignore"), ("tags", "tags-ignore"), ("paths", "paths-ignore"))
_SAYS = {
    "push": "A branch or a tag was pushed.",
    "pull_request": "A pull request changed; without `types`: opened, synchronize, reopened.",
    "pull_request_target": "The same, with the target branch's workflow and its secrets.",
    "merge_group": "A merge queue asks for checks.",
    "workflow_run": "Another workflow of the repository began or ended.",
    "release": "A release changed.",
}


def filters(event: str) -> Table:
    """The keys under this event."""
    keys: Table = {}
    if event in TYPES:
        one = Shape(one_of=TYPES[event])
        shape = Shape(one_of=TYPES[event], items=one)
        keys["types"] = Key("Only these activities: `" + "` `".join(TYPES[event]) + "`.", shape)
    for name in _FILTERS_OF.get(event, ()):
        keys[name] = Key(_FILTERS[name], _WORDS)
    if event == "workflow_run":
        keys["workflows"] = Key("The names of those workflows.", _WORDS)
    if event == "repository_dispatch":
        keys["types"] = Key("Only these event types, as the caller names them.", _WORDS)
    return keys


def names() -> Table:
    """The keys under `on` that share one form: nothing, or filters."""
    shaped = {*TYPES, "push", "repository_dispatch"}
    table = {
        name: Key(_SAYS.get(name, _says(name)), Shape(null=True, place=f"on.{name}"))
        for name in sorted(shaped)
    }
    return table | {name: Key(_says(name), Shape(null=True)) for name in PLAIN}


def _says(name: str) -> str:
    return f"A forge's event `{name}`."
