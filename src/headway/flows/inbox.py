"""A person's decision on whatever waits for one (store/views/approvals), by its kind.

Called by the inbox page, in one transaction with what it was shown: something that no longer waits
is refused by name.
"""

from headway.flows import commands
from headway.flows.commands import Word
from headway.flows.journal import Outbox
from headway.model.delivery import Verb
from headway.model.errors import Refused
from headway.store.database import Tx
from headway.store.views.approvals import Pending


def decide(tx: Tx, outbox: Outbox, waiting: Pending, word: Word) -> None:
    """`word.verb` is approve or reject; its place is the pending one's.

    Approving a hold goes on as proven, rejecting it or a step goes back to the last known good.
    Raises Refused (`may-not-approve`, `done`, `nothing-to-reject`).
    """
    said = Word(word.verb, word.by, word.reason, waiting.environment)
    if waiting.kind == "approval":
        commands.decide_approval(tx, outbox, waiting.release, said)
    elif waiting.kind == "start":
        if word.verb == "reject":
            raise Refused(
                f"{waiting.release} only waits for a start in {waiting.environment}",
                why="nobody has asked for it; there is nothing to reject",
                next=f"headway delivery cancel {waiting.delivery}",
                code="nothing-to-reject",
            )
        start = Word("start", word.by, word.reason, waiting.environment)
        commands.say(tx, outbox, waiting.delivery, start)
    else:
        verb: Verb = "approve" if word.verb == "approve" else "abort"
        given = Word(verb, word.by, word.reason, waiting.environment)
        commands.say(tx, outbox, waiting.delivery, given)
