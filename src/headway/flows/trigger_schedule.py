"""Schedules: learnt from the default branch, struck once by whichever server comes first.

The state is a row with the moment up to which everything was dealt with; the event and that moment
are written in one transaction. Moments that passed while no server ran become one event, for the
latest of them, that says how many there were. Called by flows/trigger_work and wiring's rounds.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from headway.flows.trigger import FOLDER, SUFFIXES
from headway.flows.world import World
from headway.model.errors import Invalid
from headway.pipeline.syntax import reader
from headway.pipeline.trigger import TriggerEvent, cron
from headway.pipeline.trigger.event import HEADS
from headway.store import schedules, triggers
from headway.store.database import Tx
from headway.store.schedules import Schedule
from headway.store.triggers import Told

LATE_SECONDS = 90.0
HOOK = "schedule"


def learn(
    tx: Callable[[], AbstractContextManager[Tx]], world: World, event: TriggerEvent, token: str = ""
) -> None:
    """After a push to the default branch: its workflows' schedules are the repository's."""
    if event.name != "push" or not event.branch:
        return
    folder = world.repositories.bring(event.address, (), token)
    branch = world.repositories.heads(folder).get("HEAD", "")
    if event.ref != branch or event.deleted:
        return
    sha = world.source.commit(folder, branch).sha
    files = [f for f in world.repositories.files(folder, sha, FOLDER) if f.endswith(SUFFIXES)]
    found = [s for file in files for s in _of_file(world, event, folder, sha, file)]
    with tx() as open_:
        schedules.replace(open_, event.address, found)


def _of_file(world: World, event: TriggerEvent, folder: str, sha: str, file: str) -> list[Schedule]:
    """None for a file that cannot be read: the event itself tells of it."""
    try:
        text = world.source.read(folder, sha, file).decode("utf-8")
        trigger = reader.read(text, file).trigger("schedule")
    except (Invalid, UnicodeDecodeError):
        return []
    crons = trigger.crons if trigger else ()
    return [Schedule(event.address, file, c, z, event.repo, event.branch) for c, z in crons]


def strike(
    tx: Callable[[], AbstractContextManager[Tx]], known_ones: Iterable[Schedule]
) -> list[str]:
    """Tell every schedule whose moment has come, each in a transaction of its own; gives what could
    not be read, for the log.
    """
    complaints = []
    for one in known_ones:
        try:
            known, zone = cron.parse(one.cron), zone_of(one.zone)
        except Invalid as error:
            complaints.append(f"{one.file}: {error}")
            continue
        with tx() as open_:
            _strike(open_, one, known, zone)
    return complaints


def _strike(tx: Tx, one: Schedule, known: cron.Cron, zone: tzinfo) -> None:
    moment = cron.latest(known, zone, one.seen, tx.now)
    if moment is None or not schedules.advance(tx, one, moment):
        return
    count = cron.missed(known, zone, one.seen, tx.now) - 1
    triggers.add(tx, Told(HOOK, f"{one.address} {one.file} {one.cron} {one.zone} {moment:.0f}",
                          event_of(one, zone, moment, _late(count, tx.now - moment))))  # fmt: skip


def _late(missed: int, seconds: float) -> str:
    if seconds <= LATE_SECONDS and not missed:
        return ""
    before = f", {missed} earlier ones were missed" if missed else ""
    return f"{seconds:.0f} s late{before}"


def event_of(one: Schedule, zone: tzinfo, moment: float, late: str) -> TriggerEvent:
    """The event `schedule`, on the branch as it is when the event is worked on."""
    told = {"schedule": one.cron, "scheduled_at": cron.shown(moment, zone)}
    return TriggerEvent(
        name="schedule",
        type=one.cron,
        repo=one.repo,
        ref=f"{HEADS}{one.branch}",
        sha="",
        source="schedule",
        address=one.address,
        default_branch=one.branch,
        workflow=one.file,
        delivery=f"{one.cron} {one.zone} {moment:.0f}",
        payload=told | ({"late": late} if late else {}),
    )


def zone_of(name: str) -> tzinfo:
    """The time zone; UTC for "". Raises Invalid (`unknown-zone`)."""
    try:
        return ZoneInfo(name) if name and name != "UTC" else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Invalid(f"there is no time zone `{name[:60]}`", code="unknown-zone") from error
