"""Drives one run to its end: asks the schedule what follows, writes it down, does it.

One loop in the calling thread decides and writes; jobs run in threads of their own and come back
over a queue, so that nothing is polled between two jobs. What a boundary of a job means (its end,
what follows from it, the starts of the next) is one write and one sync of the log. What it knows is
in pipeline_book, who may begin in pipeline_door, what runs in pipeline_jobs. Called by
flows/pipeline.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from headway.flows import pipeline_park as parking
from headway.flows.pipeline_book import TICK_SECONDS, Book, Launch
from headway.flows.pipeline_door import Door
from headway.flows.pipeline_jobs import Jobs
from headway.model.job import JobOrder
from headway.pipeline.run.schedule import Words
from headway.pipeline.run.state import RunState, Started
from headway.store import run_ticket
from headway.store.run_ticket import Ticket


class Drive:
    """One run, driven by this process."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self._door = Door(book)

    def go(self, *, park: bool = False) -> RunState:
        """To the end of the run; with `park` also to where only people can make it go on, one of
        the server also to where it waits for its group or the next try, with a ticket. Whatever is
        raised, no job is left running.
        """
        book = self.book
        book.park = park
        places = max(book.bench.jobs, len(book.state.running))
        with ThreadPoolExecutor(places, "job") as pool, ThreadPoolExecutor(1, "keep") as keeper:
            self._jobs = Jobs(book, self._door, pool, keeper)
            try:
                self._go()
            except BaseException:
                for stop in book.active.values():
                    stop.set()
                raise
            finally:
                if not book.away:
                    book.groups.leave_all()
        return book.state

    def _go(self) -> None:
        self._take_ticket()
        if not self._enter_own_group() or not self._resume():
            return
        self._advance()
        while self.book.state.phase == "running" and not self._comes_back():
            self._jobs.wait()
            self._advance()

    # Waiting without a process.

    def _comes_back(self) -> bool:
        """Whether nothing can happen here until somebody else has done something."""
        book = self.book
        if not book.park or book.active:
            return False
        if not book.state.spec.served:
            return self._waits_for_people()
        while book.state.phase == "running" and not book.active and not self._near():
            if not book.look():
                return self._leaves()
            self._advance()
        return False

    def _near(self) -> bool:
        """Whether a try is due too soon to leave for it, or nothing is known to wait for."""
        book = self.book
        soon = book.bench.clock.now() + parking.SOON_SECONDS
        owed = book.owed()
        known = owed or book.held or book.passed or book.stopped
        return any(due < soon for due in owed.values()) or not known

    def _waits_for_people(self) -> bool:
        """Whether nothing can happen until somebody decides."""
        book = self.book
        while book.state.phase == "running" and book.held:
            if book.active or book.passed:
                return False
            if not book.look():
                return True
            self._advance()
        return False

    def _leaves(self) -> bool:
        """The run waits without a process from here on, if it may; its groups stay its own."""
        book = self.book
        if book.park and book.state.spec.served:
            self._jobs.flush()
            due = parking.due(book.state, book.owed())
            waiting = book.groups.waiting()
            stopped = tuple(sorted(set(book.stopped.values())))
            ticket = Ticket(len(book.seen), book.state.spec.repo, due, waiting, stopped)
            run_ticket.leave(book.bench.home, book.state.spec.id, ticket)
            book.away = True
        return book.away

    def _take_ticket(self) -> None:
        """What the process before this one waited for is waited for; what came since is heard."""
        book = self.book
        ticket = run_ticket.take(book.bench.home, book.state.spec.id)
        if ticket is not None:
            book.groups.wait_on(ticket.groups)
            book.look()

    # What follows.

    def _advance(self) -> None:
        """Everything that follows from the state, until something that runs has to end."""
        book = self.book
        moved = True
        while moved:
            book.settle()
            moved = book.state.phase == "running" and self._begin()
        self._jobs.flush()
        for key in book.schedule.stopping(book.state):
            if key in book.active:
                book.active[key].set()

    def _begin(self) -> bool:
        """Begin what may; True if anything happened."""
        book = self.book
        before = len(book.batch)
        for key in (
            *self._waiting(),
            *book.schedule.ready(book.state, self._free(), self._skip()),
        ):
            try:
                self._begin_one(key)
            except Words as error:
                book.end(key, book.red(key, str(error)))
        return len(book.batch) > before

    def _free(self) -> int:
        book = self.book
        return book.bench.jobs - len(book.active) - len(book.launches)

    def _skip(self) -> frozenset[str]:
        book = self.book
        return frozenset((*book.passed, *book.held, *book.stopped, *book.resting()))

    def _waiting(self) -> tuple[str, ...]:
        """Those who wait for their group and may ask again."""
        book = self.book
        calls = (k for k in book.passed if book.schedule.is_call(book.state, k))
        jobs = (k for k in book.passed if not book.schedule.is_call(book.state, k))
        return (*calls, *islice(jobs, max(self._free(), 0)))

    def _begin_one(self, key: str) -> None:
        """Begin an instance, unless it has to wait: for a person, for its group. Raises Words."""
        book = self.book
        if not self._door.admitted(key) or not self._door.in_groups(key):
            return
        if book.schedule.is_call(book.state, key):
            book.note(book.schedule.call(book.state, key, book.bench.clock.now()))
            return
        order = book.schedule.order(book.state, key)
        secrets = book.schedule.secrets(book.state, key, book.given)
        mark = self._mark(order)
        report = book.results.find(mark, key)
        if report is not None:
            book.end(key, report)
            self._jobs.recall(order, report)
            return
        book.note(Started(order, book.bench.clock.now(), mark))
        book.launches.append(Launch(order, secrets))

    def _mark(self, order: JobOrder) -> str:
        """The content key, "" where nothing is ever reused."""
        book = self.book
        if book.bench.trees is None:
            return ""
        sources = book.schedule.sources(book.state, order.key)
        above = book.schedule.above(book.state, order.key)
        return book.results.key(book.state, order, sources, above)

    # From where it stood.

    def _enter_own_group(self) -> bool:
        """The run's own turn. One that loses its place before it began runs nothing at all. False:
        it waits for it without a process.
        """
        book = self.book
        group = book.schedule.own_group()
        while group is not None:
            answer = book.groups.enter((group,))
            if answer == "held":
                return True
            news = book.look()
            if answer != "wait" and not book.state.cancelled:
                because = f"the concurrency group `{group.name}` has no place for it"
                book.cancel("the concurrency group", because, "", forced=True)
            if book.state.cancelled:
                book.cancel("", book.state.cancelled, "", forced=True)
                return True
            if not news and self._leaves():
                return False
            time.sleep(TICK_SECONDS)
        return True

    def _resume(self) -> bool:
        """What had begun when the process before this one ended goes on, in its groups. False: it
        waits for them without a process.
        """
        book = self.book
        book.settle()
        open_calls = [key for key in book.state.calls if key not in book.state.ended]
        for key in (*open_calls, *book.state.running):
            while not (self._door.in_groups(key) or self._shall_end(key)):
                if not book.look() and self._leaves():
                    return False
                time.sleep(TICK_SECONDS)
        for key in book.state.running:
            secrets = book.schedule.secrets(book.state, key, book.given)
            book.launches.append(Launch(book.state.orders[key], secrets))
        return True

    def _shall_end(self, key: str) -> bool:
        return bool(self.book.state.cancelled) or key in self.book.state.stopped
