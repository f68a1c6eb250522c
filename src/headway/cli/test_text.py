"""What `headway test` shows: tables for people, fields for programs."""

from datetime import UTC, datetime

from headway.model.job import Layer
from headway.store.tests_coverage import Covered
from headway.store.tests_held import Held
from headway.store.tests_shards import Shards
from headway.store.views.tests import Flaky, Known, Told
from headway.testing.quarantine import Quarantine
from headway.wording.text import clock, columns, marked, percent, plain, short, since, span

SIGNS = {"passed": "ok", "failed": "failed", "flaky": "waiting", "skipped": "skipped"}
NONE = "No test yet. Next: headway test import junit.xml"


def moment(at: float) -> str:
    """Local time."""
    return clock(datetime.fromtimestamp(at, UTC)) if at else ""


def ago(at: float) -> str:
    """How long ago."""
    return since(datetime.fromtimestamp(at, UTC), datetime.now(UTC)) if at else ""


def sign(outcome: str) -> str:
    """The outcome with its sign."""
    return f"{marked(SIGNS[outcome])[0]} {outcome}"


def taken(seconds: float | None) -> str:
    """How long; tests are short."""
    if seconds is None:
        return "?"
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else span(seconds)


def fields(known: Known) -> dict[str, object]:
    """A test for programs."""
    return {
        "service": known.service, "test": str(known.test), "suite": known.test.suite,
        "classname": known.test.classname, "name": known.test.name, "file": known.file,
        "runs": known.runs, "failed": known.failed, "flaky": known.flips,
        "seconds": known.seconds, "slowest_seconds": known.slowest, "at": known.at,
        "outcome": known.outcome,
    }  # fmt: skip


def flaky_fields(flaky: Flaky, now: float) -> dict[str, object]:
    """A flaky test for programs."""
    held = flaky.held
    return fields(flaky.known) | {
        "rate": flaky.standing.rate,
        "rate_upper": flaky.bound,
        "blocks_after": flaky.needed,
        "quarantine": held_fields(flaky.known.service, held, now) if held else None,
    }


def held_fields(service: str, held: Quarantine, now: float) -> dict[str, object]:
    """A quarantine for programs."""
    return {
        "service": service, "test": str(held.test), "owner": held.owner, "by": held.by,
        "reason": held.reason, "at": held.at, "until": held.until, "active": held.active(now),
        "rate": held.rate,
    }  # fmt: skip


def listed(found: list[Known], count: int) -> list[str]:
    """The table of tests."""
    if not found:
        return [NONE]
    head = ("LAST", "TEST", "RUNS", "FAILED", "FLAKY", "TIME", "SEEN")
    rows = [
        (sign(k.outcome), str(k.test), str(k.runs), _count(k.failed), _count(k.flips),
         taken(k.seconds), ago(k.at))
        for k in found
    ]  # fmt: skip
    more = [f"… {count - len(found)} more; --limit N"] if count > len(found) else []
    return columns([head, *rows]) + more


def _count(number: int) -> str:
    return str(number) if number else "-"


def pyramid(sizes: tuple[Layer, ...]) -> list[str]:
    """How many tests of each size, and the whole time."""
    if not sizes:
        return []
    parts = ", ".join(f"{x.tests} {x.size} ({taken(x.seconds)})" for x in sizes)
    tests, seconds = sum(x.tests for x in sizes), sum(x.seconds for x in sizes)
    return ["", f"{tests} tests, {taken(seconds)} one after the other: {parts}"]


def slow(found: list[Known], whole: float, count: int) -> list[str]:
    """The table of slow tests."""
    if not found:
        return [NONE]
    head = ("TIME", "PART", "SLOWEST", "TEST")
    rows = [
        (taken(k.seconds), percent((k.seconds or 0) / whole) if whole else "", taken(k.slowest),
         str(k.test))
        for k in found
    ]  # fmt: skip
    part = sum(k.seconds or 0.0 for k in found) / whole if whole else 1.0
    said = f"{len(found)} of {count} tests take {percent(part)} of {taken(whole)}"
    return [*columns([head, *rows]), "", said]


def flakes(found: list[Flaky], now: float) -> list[str]:
    """The table of flaky tests."""
    if not found:
        return ["No flaky test is known."]
    head = ("TEST", "FLAKY", "RUNS", "RATE", "AT MOST", "BLOCKS AFTER", "QUARANTINE")
    rows = [
        (str(f.known.test), str(f.standing.flips), str(f.standing.runs),
         percent(f.standing.rate), percent(f.bound), f"{f.needed} in a row",
         _held(f.held, now))
        for f in found
    ]  # fmt: skip
    return columns([head, *rows])


def _held(held: Quarantine | None, now: float) -> str:
    if held is None:
        return "-"
    return f"{held.owner}, {'until' if held.active(now) else 'EXPIRED'} {moment(held.until)}"


def covered(found: list[Covered]) -> list[str]:
    """The table of coverage."""
    if not found:
        return ["No coverage yet. Next: headway test import coverage.xml --commit SHA"]
    head = ("COMMIT", "RELEASE", "JOB", "PATH", "LINES", "NEEDS", "BRANCHES", "SEEN")
    rows = [
        (short(c.sha) or "-", c.release or "-", c.job or "-", c.path or "all files",
         _share(c.line_share), _share(c.least), _share(c.branch_share), ago(c.at))
        for c in found
    ]  # fmt: skip
    return columns([head, *rows])


def _share(value: float | None) -> str:
    return "-" if value is None else percent(value)


def quarantined(found: list[Held], now: float) -> list[str]:
    """The table of the quarantine."""
    if not found:
        return ["No test is in quarantine."]
    head = ("TEST", "OWNER", "UNTIL", "RATE", "BY", "REASON")
    rows = [
        (str(q.test), q.owner, moment(q.until) if q.active(now) else "expired: blocks again",
         percent(q.rate), q.by, plain(q.reason, 200))
        for q in (h.quarantine for h in found)
    ]  # fmt: skip
    return columns([head, *rows])


def page(one: Known, flaky: Flaky | None, told: list[Told], now: float) -> list[str]:
    """Everything about one test."""
    about = [
        ("test", str(one.test)),
        ("service", one.service or "-"),
        ("file", one.file or "-"),
        ("runs", f"{one.runs}, {one.failed} with a failure, {one.flips} flaky"),
        ("time", f"{taken(one.seconds)}, at most {taken(one.slowest)}"),
    ]
    if flaky:
        rate = f"{percent(flaky.standing.rate)}, at most {percent(flaky.bound)} (95% sure)"
        about += [("rate", rate), ("blocks", f"after {flaky.needed} failures in a row")]
        about += [("quarantine", _held(flaky.held, now))]
    return [*columns(about), "", *_history(told)]


def _history(told: list[Told]) -> list[str]:
    head = ("WHEN", "OUTCOME", "TRIES", "TIME", "COMMIT", "RUN", "MESSAGE")
    rows = [
        (moment(t.at), sign(t.outcome), _tries(t), taken(t.seconds), short(t.sha) or "-",
         f"{t.run} {t.job}".strip(), plain(t.message, 100))
        for t in told
    ]  # fmt: skip
    return columns([head, *rows])


def _tries(told: Told) -> str:
    ran = told.failures + told.passes
    return f"{told.failures} of {ran} failed" if told.failures else str(ran)


def shard(made: Shards, index: int, loads: list[float], unknown: int) -> str:
    """One line about the shards, for people."""
    mine = f"shard {index} of {len(made)}: {len(made[index - 1])} tests, {taken(loads[index - 1])}"
    rest = f"longest shard {taken(max(loads))}"
    return f"{mine}; {rest}" + (f"; {unknown} of unknown time" if unknown else "")
