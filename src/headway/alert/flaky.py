"""Which job fails and passes on one commit. Called by flows/alert_rounds when a delivery has ended.

The code is the same and the result is not: then it is the pipeline that cannot be trusted.
"""

from collections.abc import Sequence
from dataclasses import replace

from headway.alert.slow import JOB
from headway.alert.sources import End, Found, symptom
from headway.model.event import Event

RULE = "pipeline_flaky"
BOTH = frozenset({"success", "failure"})
Events = Sequence[Event]


def jobs(delivery: Events, others: Sequence[Events]) -> tuple[str, ...]:
    """Jobs of the delivery that came to another end in one of the others, which are of the same
    commit. What was skipped or cut off says nothing.
    """
    now, before = _outcomes(delivery), [_outcomes(other) for other in others]
    return tuple(
        name
        for name, outcome in sorted(now.items())
        if any({outcome, other.get(name)} == BOTH for other in before)
    )


def _outcomes(delivery: Events) -> dict[str, str]:
    known = [e for e in delivery if e.kind.startswith(JOB)]
    return {e.kind.removeprefix(JOB): str(e.data.get("outcome")) for e in known}


def read(event: Event, delivery: Events, others: Sequence[Events]) -> Found:
    """What the end of a delivery says about its jobs: they flap, or they do as they did."""
    found = jobs(delivery, others)
    if found:
        said = f"{', '.join(found)}: failed and passed on commit {str(event.data.get('sha'))[:12]}"
        return Found((symptom(replace(event, environment=""), RULE, said, "pipeline"),))
    steady = event.data.get("outcome") == "delivered"
    return Found(ends=(End(event.service, "", frozenset({RULE})),) if steady else ())
