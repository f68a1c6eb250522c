"""The links on every page, with what is due behind them. Only pages that exist are linked."""

from dataclasses import dataclass

from headway.access.principal import Principal, anywhere

OPEN: dict[str, str] = {}
"""The permission of each page without a name in its address; filled by `web.page`."""


@dataclass(frozen=True, slots=True)
class Link:
    """`count`: the field of store/views/counts.Counts that is written behind the word."""

    path: str
    icon: str
    word: str
    count: str = ""


GROUPS: tuple[tuple[str, tuple[Link, ...]], ...] = (
    (
        "Deliver",
        (
            Link("/", "board", "Board"),
            Link("/deliveries", "line", "Deliveries", "deliveries"),
            Link("/rollouts", "rollout", "Rollouts", "rollouts"),
            Link("/releases", "artifact", "Releases"),
            Link("/runs", "run-list", "Pipeline runs"),
            Link("/approvals", "inbox", "Approvals", "approvals"),
        ),
    ),
    (
        "Watch",
        (
            Link("/line", "stop", "The line"),
            Link("/on-call", "pulse", "On-call"),
            Link("/incidents", "alert", "Incidents"),
            Link("/audit", "audit", "Audit trail"),
        ),
    ),
    ("Set up", (Link("/settings", "key", "Settings"),)),
)


def groups(who: Principal) -> list[tuple[str, list[Link]]]:
    """What this person may open, without empty groups."""
    found = [
        (name, [k for k in links if k.path in OPEN and anywhere(who, OPEN[k.path])])
        for name, links in GROUPS
    ]
    return [(name, links) for name, links in found if links]


def above(who: Principal, path: str) -> Link:
    """The page of the navigation that an address belongs to, if this person may open it; else the
    board.
    """
    links = [link for _, group in groups(who) for link in group]
    first = f"/{path.split('/')[1]}"
    return next((link for link in links if link.path == first), GROUPS[0][1][0])
