"""Where people see at a commit how its run goes: the forge."""

from dataclasses import dataclass
from typing import Literal, Protocol

StatusState = Literal["pending", "running", "success", "failure", "error", "cancelled"]


@dataclass(frozen=True, slots=True)
class Status:
    """`repo` is `owner/name`; `context` tells one status of a commit from another
    (`headway / test`); `url`: where more is said, "" for nowhere.
    """

    repo: str
    sha: str
    context: str
    state: StatusState
    url: str = ""
    description: str = ""


class StatusSink(Protocol):
    """One forge, with the token of one connection. The token is in no error and no log."""

    def report(self, status: Status) -> None:
        """Show it at the commit; the same again changes nothing that anybody sees.

        Raises Unreachable (`forge`: no answer, overloaded, too many requests: later may help) or
        Refused (`forge`: the token may not, no such repository or commit).
        """
        ...
