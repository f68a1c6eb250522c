"""Sends what the outbox holds: in order for each alert and channel, again and again for a day.

Called by wiring in rounds, never from a delivery's path. A message is marked as tried before it is
sent; if the process dies before it can mark it as sent, it is sent once more, with the same key.
"""

from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

from headway.flows.world import World
from headway.model.errors import HeadwayError, Invalid, Refused, Unreachable
from headway.model.event import Fact
from headway.ports.notifier import Notifier
from headway.store import alerts, connections, messages
from headway.store.database import Tx
from headway.store.log import About, append
from headway.store.messages import Pending

FIRST_SECONDS = 5.0
MOST_SECONDS = 900.0
GIVE_UP_SECONDS = 86400.0
CHANNELS_AT_ONCE = 4
Transaction = Callable[[], AbstractContextManager[Tx]]


def backoff(attempts: int) -> float:
    """Seconds until the next attempt after so many: 5, 10, 20 … at most 15 minutes."""
    return float(min(MOST_SECONDS, FIRST_SECONDS * 2.0 ** min(attempts - 1, 30)))


def send(tx: Transaction, world: World, due: list[Pending]) -> str:
    """Send what is due; gives the complaints, one a channel. A channel that does not answer is
    left alone until the next round.
    """
    by_channel: dict[str, list[Pending]] = defaultdict(list)
    for pending in due:
        by_channel[pending.channel].append(pending)
    with ThreadPoolExecutor(CHANNELS_AT_ONCE) as pool:
        told = pool.map(lambda one: _channel(tx, world, one), by_channel.values())
        return "; ".join(complaint for complaint in told if complaint)


def _channel(tx: Transaction, world: World, several: list[Pending]) -> str:
    for pending in several:
        with tx() as before:
            attempts = pending.attempts + 1
            again = before.now + backoff(attempts)
            messages.update(before, pending.seq, attempts=attempts, next_at=again)
        error = _send(world, pending)
        with tx() as after:
            _record(after, pending, error)
        if error is not None and not isinstance(error, Refused):
            return f"{pending.channel}: {error}"
    return ""


def _send(world: World, pending: Pending) -> HeadwayError | None:
    """What went wrong, or None. Nothing of it names the channel's address."""
    try:
        notifier(world, pending.channel).send(pending.message)
    except HeadwayError as error:
        return error
    except Exception as broken:  # noqa: BLE001 an adapter may be somebody else's code
        return Unreachable("the channel's adapter broke", why=type(broken).__name__)
    return None


def notifier(world: World, channel: str) -> Notifier:
    """The adapter for `KIND/NAME`. Raises Invalid (`unknown-connection`, `other-kind`)."""
    kind, _, name = channel.partition("/")
    known = connections.get(world.home, name)
    if known.kind != kind:
        raise Invalid(
            f"the connection `{name}` is of kind {known.kind}, not {kind}",
            why=f"headway.yaml says `{channel}`",
            next=f"write `{known.kind}/{name}`, or headway connection add",
            code="other-kind",
        )
    return world.notifiers(name)


def _record(tx: Tx, pending: Pending, error: HeadwayError | None) -> None:
    if error is None:
        messages.update(tx, pending.seq, state="sent", sent_at=tx.now, error="")
        return
    too_late = tx.now - pending.created_at >= GIVE_UP_SECONDS
    dead = isinstance(error, Refused) or too_late
    messages.update(tx, pending.seq, state="dead" if dead else "waiting", error=str(error))
    data: dict[str, object] = {"channel": pending.channel, "because": str(error)}
    if dead:
        what = "alert" if pending.alert.startswith(alerts.PREFIX) else "notice"
        append(tx, About(), Fact(f"{what}.undelivered", pending.alert, pending.seq, data))
        return
    messages.postpone(tx, pending.channel, tx.now + backoff(pending.attempts + 1))
    if isinstance(error, Invalid):
        append(tx, About(), Fact("channel.missing", pending.channel, 0, data))
