"""A commit: the only thing a delivery starts from."""

from headway.record import dataclass


@dataclass(frozen=True, slots=True)
class Commit:
    """`sha` is the full object name, `repo` the path or address it was read from.

    `committed_at` is RFC 3339 with an offset. `ref` is the branch it was pushed to, if any.
    Author and subject are hostile text: shown, never interpreted.
    """

    sha: str
    repo: str
    ref: str
    author: str
    subject: str
    committed_at: str
