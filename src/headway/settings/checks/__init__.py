"""What no schema can say: is the file, once merged, something that can run?

Each check is a function from an Environment (or the whole Service) and the places it was written at
to problems. Called by `reading` after the schema has approved the file.
"""

from collections.abc import Iterator

from headway.document import Mapping
from headway.model.errors import Problem
from headway.model.service import Service
from headway.settings.checks import (
    goals,
    instance,
    path,
    rollout,
    signals,
    telling,
    text,
    traffic,
    trains,
    waivers,
)
from headway.settings.checks.places import Places
from headway.settings.merging import effective


def written(root: Mapping, file: str) -> Iterator[Problem]:
    """Faults of the text itself, before the schema is asked."""
    yield from text.check(root, file)
    yield from path.many(root, file)


def resolved(service: Service, root: Mapping, file: str) -> Iterator[Problem]:
    """Faults of the file as a whole, then of each environment as it is merged."""
    top = Places(root, file)
    yield from text.paths(top)
    yield from path.check(service, top)
    yield from goals.check(service, top)
    yield from waivers.check(top)
    yield from telling.check(service, top)
    yield from instance.durations(top, "slos", "alerts")
    for environment in service.environments:
        places = Places(effective(root, environment.name), file)
        yield from text.paths(places)
        for check in (instance.check, rollout.check, signals.check, traffic.check, trains.check):
            yield from check(environment, places)
        yield from goals.gates(environment, service, places)
        yield from path.branches(environment, places)
