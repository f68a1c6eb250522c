"""Refs that moved, as events: a push to a hosted repository, or what polling found.

Called by flows/intake and flows/polling.
"""

from collections.abc import Mapping

from headway.pipeline.trigger.event import HEADS, NOTHING, TAGS, Source, TriggerEvent

MOST_AT_ONCE = 200
Refs = Mapping[str, str]


def pushed(source: Source, address: str, ref: str, old: str, new: str) -> TriggerEvent:
    """The ref moved from `old` to `new`; nulls or "" for nothing."""
    before, after = ("" if s in NOTHING else s for s in (old, new))
    told = {
        "ref": ref,
        "before": before or "0" * 40,
        "after": after or "0" * 40,
        "created": not before,
        "deleted": not after,
    }
    return TriggerEvent(
        name="push",
        repo=address.rstrip("/").rpartition("/")[2].removesuffix(".git"),
        ref=ref,
        sha=after,
        source=source,
        address=address,
        before=before,
        deleted=not after,
        payload=told,
    )


def differences(address: str, before: Refs, after: Refs) -> tuple[TriggerEvent, ...]:
    """A push for every branch and tag that is not where it was, by name; at most MOST_AT_ONCE, the
    rest another time: see `seen`.
    """
    moved = sorted(r for r in {*before, *after} if _heard(r) and before.get(r) != after.get(r))
    return tuple(
        pushed("poll", address, ref, before.get(ref, ""), after.get(ref, ""))
        for ref in moved[:MOST_AT_ONCE]
    )


def seen(before: Refs, events: tuple[TriggerEvent, ...]) -> dict[str, str]:
    """Where the refs are for whoever has heard of these events."""
    gone = {e.ref for e in events if e.deleted}
    return {r: s for r, s in before.items() if r not in gone} | {
        e.ref: e.sha for e in events if not e.deleted
    }


def _heard(ref: str) -> bool:
    return ref.startswith((HEADS, TAGS))
