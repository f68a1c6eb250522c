"""The ends of deployments, for those who count them elsewhere (statsd). Read from the event log.

Called in rounds by wiring, which knows the connections.
"""

import sqlalchemy as sa

from headway.model.deployment import Deployed
from headway.model.event import Event
from headway.store import log
from headway.store.samples import Samples

SECONDS = 2.0
_ENDS = {
    "release.released": (True, "seconds"),
    "rollout.rolled_back": (False, "seconds_since_start"),
    "rollout.closed": (False, ""),
    "rollout.failed": (False, ""),
}
_POSITION = "emitted"


def new_ends(connection: sa.Connection, samples: Samples) -> list[Deployed]:
    """What ended since the last call, each once for ever; the first call begins with the next."""
    known, newest = samples.remembered(_POSITION), log.last_seq(connection)
    if known == str(newest):
        return []
    samples.remember(_POSITION, str(newest))
    if not known:
        return []
    events = log.after(connection, int(known), limit=newest - int(known))
    return [_deployed(connection, e) for e in events if e.kind in _ENDS]


def _deployed(connection: sa.Connection, event: Event) -> Deployed:
    success, key = _ENDS[event.kind]
    seconds = event.data.get(key)
    if not isinstance(seconds, int | float):
        started = log.after(connection, 0, subject=event.subject, kind="rollout.started")
        seconds = event.at - started[0].at if started else 0.0
    return Deployed(event.service, event.environment, event.release, success, float(seconds))
