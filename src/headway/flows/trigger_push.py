"""A push to a repository that Headway hosts, as a stored event.

Called by wiring for each note that the hook left (adapters/git/hosting has their form).
"""

import json
from dataclasses import replace

from headway.pipeline.trigger import TriggerEvent
from headway.pipeline.trigger.event import is_ref
from headway.pipeline.trigger.moved import pushed
from headway.store import triggers
from headway.store.database import Tx
from headway.store.triggers import Told

HOOK = "push"


def read_note(text: str, name: str) -> TriggerEvent | None:
    """The push of which the hook left this note; `name`, the note's file, is unique to it.

    None: no note, or no ref that a workflow can listen for.
    """
    try:
        note = json.loads(text)
        repo, ref, old, new = (note[key] for key in ("repo", "ref", "old", "new"))
    except (ValueError, KeyError, TypeError):
        return None
    if not is_ref(ref) or not ref.startswith(("refs/heads/", "refs/tags/")):
        return None
    return replace(pushed("hosted", repo, ref, old, new), delivery=f"{repo} {ref} {new} {name}")


def take(tx: Tx, event: TriggerEvent) -> str:
    """Keep the push to be worked on; gives the trigger's id, "" if it is known already."""
    return triggers.add(tx, Told(HOOK, event.delivery, event))
