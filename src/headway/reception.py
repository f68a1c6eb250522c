"""How what happens outside reaches the flows: pushes become deliveries; events, schedules and
polled repositories become runs. Rounds of the server, built by wiring.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from headway.adapters.git.hosting import GitHosting
from headway.adapters.system.bell import EVENTS, NOTES, Bell, ring
from headway.flows import (
    handover_push,
    intake,
    trigger_poll,
    trigger_push,
    trigger_schedule,
    trigger_status,
    trigger_work,
)
from headway.flows.affected import affected
from headway.flows.rounds import Rounds, going
from headway.flows.trigger_work import Desk
from headway.model.connection import Connection
from headway.model.errors import Invalid, Unreachable
from headway.pipeline.run.state import RunSpec
from headway.store import commit_statuses, connections, schedules, triggers
from headway.upkeep import PRUNE_SECONDS, TELL_SECONDS, Ground

# the bell rings for what is new; this is for a ring that was lost, and for other servers
INTAKE_SECONDS = 0.5
COMPARE_SECONDS = 60.0
STRIKE_SECONDS = 5.0
POLL_SECONDS = 2.0


class Reception:
    """What the server takes in."""

    def __init__(self, ground: Ground, hosting: GitHosting) -> None:
        self.home, self.world, self.hosting = ground.home, ground.world, hosting
        self.tx, self.reading, self.complain = ground.tx, ground.reading, ground.complain

    @contextmanager
    def pushes(self, bell: Bell | None = None) -> Iterator[None]:
        """Turn pushes into deliveries and events until the block ends; first those that a lost hook
        missed. `bell`: woken by the hook.
        """
        self._take()
        self._missed()
        self._compare()
        taking = Rounds("intake", INTAKE_SECONDS, self._take, self.complain)
        comparing = Rounds("refs", COMPARE_SECONDS, self._compare, self.complain)
        if bell:
            bell.hear(NOTES, taking.wake)
        with going([taking, comparing]):
            yield

    @contextmanager
    def triggers(
        self, start: Callable[[RunSpec], object], bell: Bell | None = None
    ) -> Iterator[None]:
        """Turn stored events, schedules and polled repositories into runs until the block ends.

        `start` makes a run exist and go, and changes nothing when it comes again with the same id.
        """
        desk = Desk(self.world, self.tx, self.reading, self._known, start)
        working = Rounds(
            "triggers", INTAKE_SECONDS, partial(trigger_work.work, desk), self.complain
        )
        rounds = [
            Rounds("schedules", STRIKE_SECONDS, self._strike, self.complain),
            Rounds("polling", POLL_SECONDS, self._poll, self.complain),
            working,
            Rounds("statuses", TELL_SECONDS, self._report, self.complain),
            Rounds("old triggers", PRUNE_SECONDS, self._forget, self.complain),
        ]
        if bell:
            bell.hear(EVENTS, working.wake)
        with going(rounds):
            yield

    def _missed(self) -> None:
        """Branches whose newest commit was never delivered."""
        for service in self.hosting.names():
            repo = str(self.hosting.create(service))
            for ref, sha in self.hosting.heads(service).items():
                self._ask_for(intake.Push(service, repo, ref, sha))

    def _compare(self) -> None:
        """Refs that moved without a note: their hook was lost."""
        for service in self.hosting.names():
            repo = str(self.hosting.path(service))
            heads = self.world.repositories.heads(repo)
            heads.pop("HEAD", None)
            with self.reading() as connection:
                same = trigger_push.left(connection, repo) == heads
            if not same:
                self._tell_of(service, repo, heads)

    def _tell_of(self, service: str, repo: str, heads: dict[str, str]) -> None:
        with self.tx() as tx:
            found = trigger_push.missed(tx, repo, heads)
        ring(self.home, EVENTS)
        for event in found:
            self._ask_for(intake.Push(service, repo, event.ref, event.sha or intake.NO_COMMIT))

    def _take(self) -> None:
        """Every note: the event first, because a run shall begin soon; then the delivery. A note
        goes when both are written down.
        """
        for file, push in intake.read_notes(self.home / "pushes"):
            event = trigger_push.read_note(file.read_text(), file.name)
            if event:
                with self.tx() as tx:
                    trigger_push.take(tx, event)
                ring(self.home, EVENTS)
            try:
                self._ask_for(push)
            except Invalid as error:
                file.rename(file.with_suffix(".refused"))
                self.complain(f"a push that cannot be delivered: {file.stem}: {error}")
            else:
                file.unlink()

    def _ask_for(self, push: intake.Push) -> None:
        wanted = intake.wanted(self.world, push)
        found = affected(self.world, self.reading, push.repo, push.new, wanted)
        for one in found:
            with self.tx() as tx:
                intake.take(tx, self.world, push, one.name)

    def _known(self, name: str) -> Connection | None:
        """The connection, if there is one of that name."""
        return next((c for c in connections.every(self.home) if c.name == name), None)

    def _strike(self) -> None:
        with self.reading() as connection:
            known = schedules.every(connection)
        _complain_of(trigger_schedule.strike(self.tx, known))

    def _forget(self) -> None:
        with self.tx() as tx:
            triggers.forget(tx)

    def _poll(self) -> None:
        known = connections.every(self.home)
        asked = [(handover_push.poll, c) for c in known if handover_push.polled(c)]
        asked += [(trigger_poll.poll, c) for c in known if trigger_poll.polled(c)]
        _complain_of([poll(self.tx, self.reading, self.world, c) for poll, c in asked])

    def _report(self) -> None:
        with self.reading() as connection:
            due = commit_statuses.due(connection, time.time())
        _complain_of(trigger_status.send(self.tx, self.world, due))


def _complain_of(complaints: Sequence[str]) -> None:
    """Raises Unreachable with those that say something; Rounds tells them once."""
    said = [text for text in complaints if text]
    if said:
        raise Unreachable("; ".join(said))
