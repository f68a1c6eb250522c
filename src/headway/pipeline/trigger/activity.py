"""Which events start workflows, and by which activity types (docs.github.com, "Events that trigger
workflows"). Called by filters; the readers of payloads let only these through.
"""

# the default types, where they are not all of them
DEFAULTS: dict[str, tuple[str, ...]] = {
    "pull_request": ("opened", "synchronize", "reopened"),
}

# every type that can start a workflow; an event that is not here has no types, or any
TYPES: dict[str, frozenset[str]] = {
    "pull_request": frozenset(
        {
            "assigned",
            "unassigned",
            "labeled",
            "unlabeled",
            "opened",
            "edited",
            "closed",
            "reopened",
            "synchronize",
            "converted_to_draft",
            "locked",
            "unlocked",
            "enqueued",
            "dequeued",
            "milestoned",
            "demilestoned",
            "ready_for_review",
            "review_requested",
            "review_request_removed",
            "auto_merge_enabled",
            "auto_merge_disabled",
        }
    ),
    "release": frozenset(
        {"published", "unpublished", "created", "edited", "deleted", "prereleased", "released"}
    ),
    "merge_group": frozenset({"checks_requested"}),
}
NOT_FOR_DRAFTS = frozenset({"created", "edited", "deleted"})


def wanted(event: str, types: tuple[str, ...] | None, type: str) -> bool:
    """Whether a trigger with these `types` (None: not written) is for an event of this type."""
    known = TYPES.get(event)
    if known is not None and type not in known:
        return False
    chosen = DEFAULTS.get(event) if types is None else types
    return chosen is None or type in chosen
