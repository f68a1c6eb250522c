"""Unix seconds of the tables as the aware UTC times of the read models."""

from datetime import UTC, datetime


def moment(seconds: float) -> datetime | None:
    """None for 0, which the tables write for `not yet`."""
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def at(seconds: float) -> datetime:
    """The time of something that has happened."""
    return datetime.fromtimestamp(seconds, UTC)
