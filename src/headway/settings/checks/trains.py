"""Can a train ever depart, and does everybody know where they sit? Called by `checks`."""

import zoneinfo
from collections.abc import Iterator

from headway.document import quoted
from headway.model.errors import Problem
from headway.model.service import Environment
from headway.pipeline.trigger import cron
from headway.settings.checks.places import Places


def check(environment: Environment, at: Places) -> Iterator[Problem]:
    """Problems of an environment's train."""
    train = environment.train
    if train is None:
        return
    if why := cron.fault(train.schedule):
        sentence = f"{quoted(train.schedule)} is no schedule: {why}"
        yield at.problem(("train", "schedule"), sentence, "schedule")
    if not _known(train.zone):
        sentence = f"{quoted(train.zone)} is no time zone, such as `Europe/Berlin`"
        yield at.problem(("train", "zone"), sentence, "zone")
    if len(set(train.order)) < len(train.order):
        yield at.problem(("train", "order"), "`order` names a service twice", "conflict")


def _known(zone: str) -> bool:
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
