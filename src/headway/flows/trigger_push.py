"""A push to a repository that Headway hosts, as a stored event.

Called by wiring for each note that the hook left.
"""

from dataclasses import replace

from headway.pipeline.trigger.event import is_ref
from headway.pipeline.trigger.moved import pushed
from headway.store import triggers
from headway.store.database import Tx
from headway.store.triggers import Told

HOOK = "push"


def take(tx: Tx, repo: str, ref: str, old: str, new: str, note: str) -> str:
    """Keep the push to be worked on; `note` is unique to it (the note's file name). Gives the
    trigger's id, "" if it is known already or no ref that workflows can listen for.
    """
    if not is_ref(ref) or not ref.startswith(("refs/heads/", "refs/tags/")):
        return ""
    event = pushed("hosted", repo, ref, old, new)
    delivery = f"{repo} {ref} {new} {note}"
    return triggers.add(tx, Told(HOOK, delivery, replace(event, delivery=delivery)))
