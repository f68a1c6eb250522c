"""docs/reference/notifications.md from the code: `python -m headway.notice.reference`. A test
compares.
"""

from headway.notice.pacing import AGAIN_SECONDS, MOST, MOST_SECONDS
from headway.notice.preference import KINDS
from headway.notice.reading import KINDS as EVENTS
from headway.notice.subject import TOPICS
from headway.notice.words import LISTED

HEAD = """\
# Notifications: what can be followed

Made from the code by `python -m headway.notice.reference`; do not edit. `headway notify topics`
prints the table.

| event | urgency | what it means | who hears of it by default |
|-|-|-|-|
"""
TAIL = """
`approvers` are those whom `gates.approval.by` names, or the owner if anybody may approve or none of
them can be reached. `owner's chat` is the owner without e-mail, and production only.

| | |
|-|-|
| channels | {kinds}, each with the name of a connection |
| the same state within {again:g} min | is told once, later, with a count |
| more than {most} messages to a channel in {burst:g} min | the rest is one message afterwards |
| lines of a message of several notices | at most {listed}, then a count |
| what is urgent (`page`) | goes through quiet hours and bursts |

Read from the event log: {events}.
"""


def render() -> str:
    """The whole page."""
    rows = [f"| `{t.name}` | {t.urgency} | {t.means} | {t.default} |" for t in TOPICS]
    tail = TAIL.format(
        kinds=", ".join(f"`{k}`" for k in KINDS),
        again=AGAIN_SECONDS / 60,
        most=MOST,
        burst=MOST_SECONDS / 60,
        listed=LISTED,
        events=", ".join(f"`{k}`" for k in sorted(EVENTS)),
    )
    return HEAD + "\n".join(rows) + "\n" + tail


def main() -> None:
    """Print the page."""
    print(render(), end="")  # noqa: T201 a program


if __name__ == "__main__":
    main()
