"""How what happens outside reaches the flows: pushes become deliveries; events, schedules and
polled repositories become runs. Rounds of the server, built by wiring.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from headway.adapters.git.hosting import GitHosting
from headway.flows import intake, trigger_poll, trigger_schedule, trigger_status, trigger_work
from headway.flows.rounds import Rounds, going
from headway.flows.trigger_work import Desk
from headway.model.connection import Connection
from headway.model.errors import Unreachable
from headway.pipeline.run.state import RunSpec
from headway.store import commit_statuses, connections, schedules, triggers
from headway.upkeep import PRUNE_SECONDS, TELL_SECONDS, Ground

INTAKE_SECONDS = 0.2
STRIKE_SECONDS = 5.0
POLL_SECONDS = 2.0


class Reception:
    """What the server takes in."""

    def __init__(self, ground: Ground, hosting: GitHosting) -> None:
        self.home, self.world, self.hosting = ground.home, ground.world, hosting
        self.tx, self.reading, self.complain = ground.tx, ground.reading, ground.complain

    @contextmanager
    def pushes(self) -> Iterator[None]:
        """Turn pushes into deliveries until the block ends; first those that a lost hook missed."""
        self._missed()
        with going([Rounds("intake", INTAKE_SECONDS, self._take, self.complain)]):
            yield

    @contextmanager
    def triggers(self, start: Callable[[RunSpec], None]) -> Iterator[None]:
        """Turn stored events, schedules and polled repositories into runs until the block ends.

        `start` makes a run exist and go, and changes nothing when it comes again with the same id.
        """
        desk = Desk(self.world, self.tx, self.reading, self._known, start)
        rounds = [
            Rounds("schedules", STRIKE_SECONDS, self._strike, self.complain),
            Rounds("polling", POLL_SECONDS, self._poll, self.complain),
            Rounds("triggers", INTAKE_SECONDS, partial(trigger_work.work, desk), self.complain),
            Rounds("statuses", TELL_SECONDS, self._report, self.complain),
            Rounds("old triggers", PRUNE_SECONDS, self._forget, self.complain),
        ]
        with going(rounds):
            yield

    def _missed(self) -> None:
        for service in self.hosting.names():
            repo = str(self.hosting.create(service))
            for ref, sha in self.hosting.heads(service).items():
                self._ask_for(intake.Push(service, repo, ref, sha))

    def _take(self) -> None:
        for file, push in intake.read_notes(self.home / "pushes"):
            self._ask_for(push)
            file.unlink()

    def _ask_for(self, push: intake.Push) -> None:
        if intake.wanted(self.world, push):
            with self.tx() as tx:
                intake.take(tx, self.world, push)

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
        asked = [c for c in connections.every(self.home) if trigger_poll.polled(c)]
        _complain_of([trigger_poll.poll(self.tx, self.reading, self.world, c) for c in asked])

    def _report(self) -> None:
        with self.reading() as connection:
            due = commit_statuses.due(connection, time.time())
        _complain_of(trigger_status.send(self.tx, self.world, due))


def _complain_of(complaints: Sequence[str]) -> None:
    """Raises Unreachable with those that say something; Rounds tells them once."""
    said = [text for text in complaints if text]
    if said:
        raise Unreachable("; ".join(said))
