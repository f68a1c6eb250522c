"""docs/reference/alerts.md from the table: `python -m headway.alert.reference`. A test compares."""

from headway.alert.routes import ROUTES
from headway.alert.sources import KINDS
from headway.alert.state import FLAP_SECONDS, REMIND_SECONDS

HEAD = """\
# Alerts: the routing table

Made from the code by `python -m headway.alert.reference`; do not edit. `headway alert routes`
prints the table.

| rule | urgency | what it means | told by |
|-|-|-|-|
"""
TAIL = """
A page is one only in an environment of tier production; elsewhere it is a ticket. A rule that the
service names in a composite is a ticket at most by itself. A rule that is not in the table is a
ticket. A name stands also for the rules that begin with it and `_`: `slo` for every SLO rule.

| time | |
|-|-|
| symptoms that come back within {flap:g} min | are the same alert; until then it is not resolved |
| a page that is open and not acknowledged | is repeated every {remind:g} h |
| `escalate: {{after: …}}` | 15 min unless written |
{confirm}
Read from the event log: {kinds}.
"""


def render() -> str:
    """The whole page."""
    rows = [f"| `{r.rule}` | {r.severity} | {r.means} | {r.source} |" for r in ROUTES]
    waits = [
        f"| `{r.rule}` | is told once it has lasted {r.confirm_seconds:g} s |"
        for r in ROUTES
        if r.confirm_seconds
    ]
    tail = TAIL.format(
        flap=FLAP_SECONDS / 60,
        remind=REMIND_SECONDS / 3600,
        confirm="".join(f"{w}\n" for w in waits),
        kinds=", ".join(f"`{k}`" for k in sorted(KINDS)),
    )
    return HEAD + "\n".join(rows) + "\n" + tail


def main() -> None:
    """Print the page."""
    print(render(), end="")  # noqa: T201 a program


if __name__ == "__main__":
    main()
