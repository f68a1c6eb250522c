"""Activity types: which a trigger is for. The facts are those of syntax/events, which reads `on`.

Called by filters and the readers of payloads.
"""

from headway.pipeline.syntax.events import DEFAULT_TYPES, PLAIN, TYPES

NOT_FOR_DRAFTS = frozenset({"created", "edited", "deleted"})
PULL_REQUESTS = frozenset({"pull_request", "pull_request_target"})


def heard(event: str) -> bool:
    """Whether a forge's event of that name can start a workflow."""
    return event in TYPES or event in PLAIN


def possible(event: str, type: str) -> bool:
    """Whether an event of that type can start a workflow; events without types have none to ask."""
    return event not in TYPES or type in TYPES[event]


def wanted(event: str, types: tuple[str, ...] | None, type: str) -> bool:
    """Whether a trigger with these `types` (None: not written) is for an event of this type."""
    chosen = DEFAULT_TYPES.get(event) if types is None else types
    return possible(event, type) and (chosen is None or type in chosen)
