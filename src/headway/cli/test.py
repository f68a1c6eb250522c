"""`headway test`: what tests did, which are flaky, which are slow, and how to spread them."""

import sys
import time

import click

from headway.cli import said
from headway.cli import test_text as text
from headway.cli.context import Context, pass_context
from headway.cli.duration import Duration
from headway.cli.options import Noun
from headway.cli.test_import import importing
from headway.model.errors import Invalid
from headway.store import tests, tests_coverage, tests_files, tests_held, tests_shards
from headway.store.views import tests as views
from headway.store.views.tests import Known
from headway.testing import quarantine as holding
from headway.testing import shard as sharding
from headway.testing.pyramid import sized
from headway.testing.result import Case, Report, TestId, attempts
from headway.testing.tripwire import standing

MOST_ITEMS = 500_000
SHOWN = 5
ORDER = ("failed", "flaky", "passed", "skipped")
TEST = click.argument("test", metavar="TEST")
RUN = click.option(
    "--run", default="", envvar="GITHUB_RUN_ID", metavar="ID", help="The run they belong to."
)


@click.group(cls=Noun, examples=("headway test import junit.xml", "headway test flaky"))
def test() -> None:
    """What tests did: flaky ones, slow ones, shards."""


test.add_command(importing)


@test.verb("headway test list", "headway test list --service shop --json", name="list")
@said.service()
@said.limit()
@pass_context
def listing(context: Context, service: str, limit: int) -> None:
    """Every test: its last outcome, runs, failures, time; red ones first."""
    found = _known(context, service)
    found.sort(key=lambda k: (ORDER.index(k.outcome), k.service, k.test))
    sizes = sized((k.size, k.seconds or 0.0) for k in found)
    if context.json:
        items = [text.fields(k) for k in found[:limit]]
        context.document({"items": items, "count": len(found), "pyramid": sizes})
        return
    context.lines(text.listed(found[:limit], len(found)))
    context.lines(text.pyramid(sizes))


@test.verb("headway test slowest", "headway test slowest --limit 10")
@said.service()
@said.limit()
@pass_context
def slowest(context: Context, service: str, limit: int) -> None:
    """The tests that take longest, and their part of the whole time."""
    found = [k for k in _known(context, service) if k.seconds is not None]
    found.sort(key=lambda k: (-(k.seconds or 0.0), k.test))
    whole = sum(k.seconds or 0.0 for k in found)
    if context.json:
        items = [text.fields(k) for k in found[:limit]]
        context.document({"items": items, "seconds": whole, "count": len(found)})
    else:
        context.lines(text.slow(found[:limit], whole, len(found)))


@test.verb("headway test flaky", "headway test flaky --json")
@said.service()
@pass_context
def flaky(context: Context, service: str) -> None:
    """Tests that failed and passed on the same commit, the worst first."""
    now = time.time()
    with context.reading() as connection:
        found = views.flaky(connection, service, now)
    if context.json:
        context.document({"items": [text.flaky_fields(f, now) for f in found]})
    else:
        context.lines(text.flakes(found, now))


@test.verb("headway test show tests.unit.test_cart::test_total", "headway test show test_total")
@TEST
@said.service()
@said.limit()
@pass_context
def show(context: Context, test: str, service: str, limit: int) -> None:
    """Show what a test did, run by run.

    TEST is its name as the lists show it, or a part of it that only one test has.
    """
    now = time.time()
    with context.reading() as connection:
        one = _one(views.known(connection, service, now), test)
        told = views.history(connection, one.number, limit)
        again = [f for f in views.flaky(connection, one.service, now) if f.known.test == one.test]
    if context.json:
        flaked = text.flaky_fields(again[0], now) if again else None
        context.document({"test": text.fields(one), "flaky": flaked, "items": told})
    else:
        context.lines(text.page(one, again[0] if again else None, told, now))


@test.verb("headway test coverage", "headway test coverage shop-43", "headway test coverage 1f3c")
@click.argument("what", metavar="[COMMIT|RELEASE]", default="")
@said.service()
@said.limit()
@pass_context
def coverage(context: Context, what: str, service: str, limit: int) -> None:
    """How much of each commit or release its tests ran: all files, and each critical path."""
    with context.reading() as connection:
        found = tests_coverage.listed(connection, service, what, limit)
    if context.json:
        context.document({"items": found})
    else:
        context.lines(text.covered(found))


@test.verb(
    "headway test quarantine",
    'headway test quarantine test_cart --owner ana --for 14d --reason "waits for the clock"',
    'headway test quarantine test_cart --lift --reason "mended"',
)
@click.argument("test", metavar="[TEST]", default="")
@click.option("--owner", default="", metavar="NAME", help="Who mends it.")
@click.option(
    "--for", "seconds", type=Duration(), default="14d", show_default=True, help="At most 90d."
)
@click.option("--lift", is_flag=True, help="End it.")
@said.reason(required=False)
@said.service()
@pass_context
def quarantine(  # noqa: PLR0913  one option each
    context: Context,
    test: str,
    owner: str,
    seconds: float,
    *,
    lift: bool,
    reason: str | None,
    service: str,
) -> None:
    """List the quarantine, or put a flaky test there.

    A test in quarantine still runs and is still judged: its usual failures do not block, but if it
    gets worse it does. After its time it blocks again by itself.
    """
    if not test:
        _held(context, service)
        return
    if not (reason or "").strip():
        raise Invalid("why?", next="--reason TEXT", code="reason")
    now = time.time()
    with context.reading() as connection:
        one = _one(views.known(connection, service, now), test)
    if lift:
        with context.headway.tx() as tx:
            tests_held.lift(tx, one.number, context.person, str(reason))
        _said(context, f"{one.test} blocks again", {"test": str(one.test), "lifted": True})
        return
    with context.headway.tx() as tx:
        told = tests.episodes(tx.connection, [one.number], tx.now - tests.KEEP_SECONDS)[one.number]
        holding.check(standing(told), owner, seconds)
        wish = tests_held.Wish(owner, context.person, str(reason), tx.now + seconds)
        made = tests_held.put(tx, one.number, wish, told)
    words = f"{one.test} is in quarantine until {text.moment(made.until)}; {owner} mends it"
    _said(context, words, text.held_fields(one.service, made, now))


def _said(context: Context, words: str, document: object) -> None:
    if context.json:
        context.document(document)
    else:
        context.line(words)


def _held(context: Context, service: str) -> None:
    now = time.time()
    with context.reading() as connection:
        found = tests_held.every(connection, service)
    if context.json:
        items = [text.held_fields(h.service, h.quarantine, now) for h in found]
        context.document({"items": items})
    else:
        context.lines(text.quarantined(found, now))


@test.verb(
    "headway test shard --index 2 --total 4 tests/unit/*.py | xargs -r pytest",
    "go list ./... | headway test shard --index 1 --total 3 | xargs -r go test",
    "ls tests/*.py | headway test shard --index 1 --total 3 --from last/junit.xml",
)
@click.argument("items", nargs=-1, metavar="[TEST]...")
@click.option("--index", type=click.IntRange(1), required=True, help="This shard, from 1.")
@click.option("--total", type=click.IntRange(1, 10_000), required=True, help="How many there are.")
@click.option("--from", "given", multiple=True, metavar="FILE", help="JUnit XML with the times.")
@RUN
@said.service()
@pass_context
def shard(  # noqa: PLR0913  one option each
    context: Context,
    items: tuple[str, ...],
    index: int,
    total: int,
    given: tuple[str, ...],
    run: str,
    service: str,
) -> None:
    """Print this shard's tests, one a line, the longest first.

    Tests (files, classes, packages, pytest nodes) are arguments, or lines of stdin. They are spread
    by their recorded times; an unknown one counts as the median. With a run, all of its shards are
    made by the first that asks, so that none misses a test. With --from the times are those of
    report files, and nothing else is asked: so it works inside a job, which sees no records.
    """
    if index > total:
        raise Invalid(f"there is no shard {index} of {total}", code="shards")
    wanted = dict.fromkeys(items or _from_stdin(context))
    recorded = _recorded(given) if given else views.timings(_known(context, service))
    timings = sharding.Timings(recorded)
    seconds = {item: timings.seconds(item) for item in wanted}
    made = sharding.shards(seconds, total)
    if run and not given:
        with context.headway.tx() as tx:
            made = tests_shards.agreed(tx, service, run, made)
    _tell_shard(context, made, index, seconds)


def _tell_shard(
    context: Context, made: tests_shards.Shards, index: int, seconds: dict[str, float | None]
) -> None:
    mine = made[index - 1]
    unknown = sum(s is None for s in seconds.values())
    loads = [sum(seconds[t] or 0.0 for t in part) for part in made]
    if context.json:
        context.document(
            {"index": index, "total": len(made), "items": mine, "seconds": loads[index - 1],
             "unknown": unknown, "shards": [{"count": len(p), "seconds": s}
                                            for p, s in zip(made, loads, strict=True)]}
        )  # fmt: skip
        return
    for item in mine:
        click.echo(item)
    context.note(text.shard(made, index, loads, unknown))


def _recorded(files: tuple[str, ...]) -> list[tuple[TestId, str, float]]:
    """The times in reports. Raises Invalid (`no-timings`, and as tests_files.read)."""
    cases: list[Case] = []
    for path in files:
        found = tests_files.read(path).read
        if not isinstance(found, Report):
            raise Invalid(f"{path} holds no results of tests", code="no-timings")
        cases += found.cases
    return [(a.id, a.file, a.seconds) for a in attempts(cases)]


def _from_stdin(context: Context) -> list[str]:
    """The lines of stdin. Raises Invalid (`no-tests`)."""
    lines = [] if sys.stdin.isatty() else [line.strip() for line in sys.stdin]
    found = [line for line in lines if line]
    if not found or len(found) > MOST_ITEMS:
        raise Invalid(
            "which tests?" if not found else f"more than {MOST_ITEMS} tests",
            why="a list made of what was recorded would miss new tests",
            next="name files or tests, or pipe their list in: headway test shard --help",
            code="no-tests",
        )
    return found


def _known(context: Context, service: str) -> list[Known]:
    with context.reading() as connection:
        return views.known(connection, service, time.time())


def _one(found: list[Known], name: str) -> Known:
    """The test that is meant. Raises Invalid (`unknown-test`, `ambiguous`)."""
    exact = [k for k in found if str(k.test) == name]
    mine = exact or [k for k in found if sharding.words(str(k.test)) == sharding.words(name)]
    mine = mine or [k for k in found if name in str(k.test)]
    if len(mine) == 1:
        return mine[0]
    if mine:
        some = ", ".join(f"{k.service} {k.test}".strip() for k in mine[:SHOWN])
        more = f" and {len(mine) - SHOWN} more" if len(mine) > SHOWN else ""
        raise Invalid(
            f"`{name}` names {len(mine)} tests", why=f"say which: {some}{more}", code="ambiguous"
        )
    raise Invalid(f"no test `{name}` is known", next="headway test list", code="unknown-test")
