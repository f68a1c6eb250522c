"""A push to a repository that Headway hosts, as a stored event.

Called by wiring for each note that the hook left (adapters/git/hosting has their form).
"""

import json
from collections.abc import Mapping
from dataclasses import replace

import sqlalchemy as sa

from headway.pipeline.trigger import TriggerEvent
from headway.pipeline.trigger.event import is_ref
from headway.pipeline.trigger.moved import differences, pushed, seen
from headway.store import polls, triggers
from headway.store.database import Tx
from headway.store.polls import Poll
from headway.store.triggers import Told

HOOK = "push"
# refs of which `missed` told, and to where: their notes may still come
AHEAD = "ahead of push"
GONE = "gone"


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
    """Keep the push to be worked on; gives the trigger's id, "" if it is known already.

    `missed` may have been faster than the note: what it told of is not told again, and a note of
    an older move does not take the ref back to where it was.
    """
    repo, ref = event.address, event.ref
    known, ahead = _known(tx, repo), _known(tx, repo, AHEAD)
    if ref in ahead and ahead[ref] == (event.sha or GONE):
        _remember(tx, repo, _without(ahead, ref), AHEAD)
        return ""
    if ref not in ahead or event.before == known.get(ref, ""):
        _remember(tx, repo, seen(known, (event,)))
        if ref in ahead:
            _remember(tx, repo, _without(ahead, ref), AHEAD)
    return triggers.add(tx, Told(HOOK, event.delivery, event))


def missed(tx: Tx, repo: str, heads: Mapping[str, str]) -> list[TriggerEvent]:
    """Tell of every ref that is not where the last note left it, because its note was lost or is
    still to come; gives what was told. `heads`: full names of branches and tags.
    """
    known, ahead = _known(tx, repo), _known(tx, repo, AHEAD)
    found = []
    for event in differences(repo, known, heads):
        delivery = f"{repo} {event.ref} {event.before} {event.sha} {tx.now:.3f} missed"
        told = replace(event, source="hosted", delivery=delivery)
        if triggers.add(tx, Told(HOOK, delivery, told)):
            found.append(told)
        known = seen(known, (event,))
        ahead[event.ref] = event.sha or GONE
    if found:
        _remember(tx, repo, known)
        _remember(tx, repo, ahead, AHEAD)
    return found


def left(connection: sa.Connection, repo: str) -> dict[str, str]:
    """Where the notes and `missed` have left the refs."""
    return polls.get(connection, f"{HOOK} {repo}", repo).refs or {}


def _without(refs: dict[str, str], ref: str) -> dict[str, str]:
    return {name: sha for name, sha in refs.items() if name != ref}


def _known(tx: Tx, repo: str, kind: str = HOOK) -> dict[str, str]:
    return polls.get(tx.connection, f"{kind} {repo}", repo).refs or {}


def _remember(tx: Tx, repo: str, refs: dict[str, str], kind: str = HOOK) -> None:
    polls.put(tx, Poll(f"{kind} {repo}", repo, refs))
