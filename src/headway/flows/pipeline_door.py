"""What an instance must pass before it begins: the line, its approval, its concurrency groups.
Called by pipeline_drive.
"""

import time

from headway.flows import pipeline_gates as gates
from headway.flows.pipeline_book import LINE_SECONDS, Book
from headway.model.verdict import Outcome
from headway.pipeline.run.state import Asked


class Door:
    """Of one run."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self._line_asked = 0.0

    def admitted(self, key: str) -> bool:
        """Whether the instance's environment lets it begin; if not, it is held, or red."""
        book = self.book
        if book.schedule.is_call(book.state, key):
            return True
        order = book.schedule.order(book.state, key)
        environment, place = order.environment, order.deploys_to
        if place and (why := book.bench.line(book.state.spec.repo, place)):
            book.stopped[key] = place
            book.watch.job_waits(key, place, why)
            return False
        if not book.state.spec.gates:
            return True
        now = book.bench.clock.now()
        verdict = gates.judged(book.state, environment, now)
        if verdict.outcome is Outcome.WAIT:
            if why := gates.overdue(book.state, key, now):
                book.end(key, book.red(key, f"{environment}: {why}"))
                return False
            if key not in book.state.asked:
                book.note(Asked(key, environment, now))
            book.held[key] = environment, verdict.because
            book.asks.append(key)
        elif verdict.outcome is Outcome.FAIL:
            book.end(key, book.red(key, f"{environment}: {verdict.because}"))
        return verdict.outcome is Outcome.PASS

    def line_runs(self) -> bool:
        """Whether the line runs again for a job that waits for it."""
        book = self.book
        if not book.stopped or time.monotonic() - self._line_asked < LINE_SECONDS:
            return False
        self._line_asked = time.monotonic()
        repo, before = book.state.spec.repo, len(book.stopped)
        book.stopped = {k: e for k, e in book.stopped.items() if book.bench.line(repo, e)}
        return len(book.stopped) < before

    def in_groups(self, key: str) -> bool:
        """Whether the instance holds its concurrency groups; if not, it is passed over for now."""
        book = self.book
        wanted = book.schedule.groups(book.state, key)
        if not wanted:
            return True
        above = ("", *book.schedule.callers(book.state, key))
        if any(book.groups.held_by(group, above) for group in wanted):
            book.cancel("", "it would wait for its own run's concurrency group", key, forced=True)
            return False
        answer = book.groups.enter(wanted, key)
        if answer == "held":
            book.passed.discard(key)
            return True
        if answer == "wait":
            book.passed.add(key)
        else:
            book.look()
            because = "a newer one took its place in the concurrency group"
            book.cancel("", because, key, forced=True)
        return False
