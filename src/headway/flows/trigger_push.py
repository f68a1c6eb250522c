"""A push to a repository that Headway hosts, as a stored event.

Called by wiring for each note that the hook left (adapters/git/hosting has their form).
"""

import json
from collections.abc import Mapping
from dataclasses import replace

from headway.pipeline.trigger import TriggerEvent
from headway.pipeline.trigger.event import is_ref
from headway.pipeline.trigger.moved import differences, pushed, seen
from headway.store import polls, triggers
from headway.store.database import Tx
from headway.store.polls import Poll
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
    known = _known(tx, event.address)
    _remember(tx, event.address, seen(known, (event,)))
    return triggers.add(tx, Told(HOOK, event.delivery, event))


def missed(tx: Tx, repo: str, heads: Mapping[str, str]) -> list[str]:
    """Tell of every ref that is not where the last note left it, because its note was lost; gives
    the triggers' ids. Called at the server's start; `heads`: full names of branches and tags.
    """
    known = _known(tx, repo)
    found = []
    for event in differences(repo, known, heads):
        delivery = f"{repo} {event.ref} {event.before} {event.sha} missed"
        told = replace(event, source="hosted", delivery=delivery)
        found.append(triggers.add(tx, Told(HOOK, delivery, told)))
        known = seen(known, (event,))
    _remember(tx, repo, known)
    return [id for id in found if id]


def _known(tx: Tx, repo: str) -> dict[str, str]:
    return polls.get(tx.connection, f"{HOOK} {repo}", repo).refs or {}


def _remember(tx: Tx, repo: str, refs: dict[str, str]) -> None:
    polls.put(tx, Poll(f"{HOOK} {repo}", repo, refs))
