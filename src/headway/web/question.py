"""What is asked before traffic moves or something is done that cannot be undone.

One Question is shown three times: as a button, as the dialog that the button opens, and, without
JavaScript, as a page of its own (`@page(path)` that gives `ask.confirm(question)`), at the address
to which its form is sent.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """`action`: address of the form and of the page that asks (GET); `word`: on the button that
    opens it; `sure`: on the one that does it; `keep`: on the one that does not. `refused`: why this
    person may not, or why it makes no sense now; the button is disabled then, the reason beside.
    `hidden`: further fields as they are sent; `back`: where `keep` leads on the page.
    """

    id: str
    word: str
    icon: str
    heading: str
    says: str
    sure: str
    action: str
    back: str
    keep: str = "Keep going"
    danger: bool = False
    reason: str = "Reason, kept in the audit trail"
    refused: str = ""
    hidden: tuple[tuple[str, str], ...] = ()
