"""Results of tests in the real database, SQLite and Postgres: kept once, read back, forgotten."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from headway.model.errors import Drifted, Invalid
from headway.model.verdict import Outcome
from headway.store import database, log, tests, tests_coverage, tests_held, tests_shards
from headway.store.database import Tx
from headway.store.tables import releases
from headway.store.tests import KEEP_SECONDS, Origin
from headway.store.views import tests as views
from headway.testing.coverage import Coverage, CoverageGate, FileCoverage, Least
from headway.testing.judge import Gates, judge
from headway.testing.result import Case, Report, TestId

NOW = 1_750_000_000.0
DAY = 86400.0
FLAPS, STEADY = TestId("", "cart", "flaps"), TestId("", "cart", "steady")


@pytest.fixture(params=["sqlite", "postgres"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    file = f"sqlite:///{tmp_path / 'headway.db'}"
    url = file if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    database.prepare(url)
    engine = database.connect(url)
    yield engine
    engine.dispose()


def case(test: TestId, failures: int, passes: int) -> Case:
    outcome = "failed" if failures and not passes else "passed"
    return Case(test, outcome, 0.5, failures, passes, "late\0" if failures else "", "cart.py")


def report(failures: int, passes: int) -> Report:
    steady = tuple(case(TestId("", "cart", f"s{i}"), 0, 1) for i in range(12))
    return Report("r.xml", "pytest", (case(FLAPS, failures, passes), case(STEADY, 0, 1), *steady))


def keep(db: sa.Engine, origin: Origin, made: Report, at: float, digest: str = "") -> bool:
    with db.begin() as connection:
        database.lock(connection)
        return tests.record(Tx(connection, at), origin, made, digest or f"sha256:{at}")


def run(db: sa.Engine, service: str, number: int, failures: int, passes: int = 1) -> Origin:
    origin = Origin(service, f"run{number}", "unit", f"{number:040x}")
    assert keep(db, origin, report(failures, passes), NOW + number)
    return origin


def verdict(db: sa.Engine, origin: Origin, at: float) -> tuple[Outcome, str]:
    with db.connect() as connection:
        said = judge(tests.stage(connection, origin, at), Gates(), at)
    return said.outcome, said.because


def test_a_report_is_kept_once(db: sa.Engine) -> None:
    origin = Origin("once", "r1", "unit", "a" * 40)
    assert keep(db, origin, report(1, 0), NOW, "sha256:1")
    assert not keep(db, origin, report(1, 0), NOW + 5, "sha256:1")
    with db.connect() as connection:
        (flaps,) = [t for t in tests.tried(connection, origin) if t.id == FLAPS]
        assert (flaps.failures, flaps.message) == (1, "late\N{REPLACEMENT CHARACTER}")
        facts = [e for e in log.after(connection, 0, service="once") if e.kind == "tests.recorded"]
    assert [(f.data["tests"], f.data["failed"]) for f in facts] == [(14, 1)]


def test_pass_and_fail_on_one_commit_is_a_flake_and_on_two_is_not(db: sa.Engine) -> None:
    one = Origin("flips", "r1", "unit", "a" * 40)
    keep(db, one, report(1, 0), NOW)
    assert verdict(db, one, NOW)[0] is Outcome.FAIL
    other_job = Origin("flips", "r1", "unit-3.12", "a" * 40)
    keep(db, other_job, report(0, 1), NOW + 1)
    keep(db, Origin("flips", "r2", "unit", "b" * 40), report(0, 1), NOW + 2)
    assert verdict(db, one, NOW + 2)[0] is Outcome.FAIL, "nothing ran again on that commit and job"
    keep(db, Origin("flips", "r1/2", "unit", "a" * 40), report(0, 1), NOW + 3)
    outcome, because = verdict(db, one, NOW + 3)
    assert outcome is Outcome.PASS
    assert "1 of them flaky" in because
    with db.connect() as connection:
        (flaky,) = views.flaky(connection, "flips", NOW + 4)
    assert (flaky.known.test, flaky.standing.flips, flaky.standing.runs) == (FLAPS, 1, 3)


def test_a_broken_machine_proves_nothing(db: sa.Engine) -> None:
    origin = Origin("machine", "r1", "unit", "a" * 40)
    broken = Report("r", "pytest", tuple(case(c.id, 1, 0) for c in report(0, 1).cases))
    keep(db, origin, broken, NOW)
    assert "the machine" in verdict(db, origin, NOW)[1]
    keep(db, Origin("machine", "r1/2", "unit", "a" * 40), report(0, 1), NOW + 1)
    assert verdict(db, origin, NOW + 1) == (Outcome.PASS, "14 tests passed")
    with db.connect() as connection:
        assert views.flaky(connection, "machine", NOW + 2) == []


@pytest.mark.seed("S-035", "S-265", "S-275", "S-281")
def test_a_30_percent_flake_is_found_quarantined_and_still_watched(db: sa.Engine) -> None:
    for number in range(30):
        run(db, "thirty", number, int(number % 10 in {0, 3, 7}))
    red = run(db, "thirty", 30, 1, 0)
    assert verdict(db, red, NOW + 31)[0] is Outcome.FAIL
    with db.begin() as connection:
        database.lock(connection)
        tx = Tx(connection, NOW + 31)
        number = tests.number_of(connection, "thirty", FLAPS)
        assert number is not None
        told = tests.episodes(connection, [number], 0)[number]
        wish = tests_held.Wish("ana", "ben", "clock", NOW + 14 * DAY)
        held = tests_held.put(tx, number, wish, told)
        assert (held.runs, held.bad) == (31, 10)
    assert verdict(db, red, NOW + 32)[0] is Outcome.PASS
    later = run(db, "thirty", 40, 1, 0)
    outcome, because = verdict(db, later, NOW + 41)
    assert outcome is Outcome.PASS
    assert "quarantined, owner ana" in because
    with db.connect() as connection:
        (listed,) = views.flaky(connection, "thirty", NOW + 41)
        assert (listed.standing.rate, listed.held) == (9 / 32, held)
        (event,) = [e for e in log.after(connection, 0, service="thirty")
                    if e.kind == "test.quarantined"]  # fmt: skip
    assert event.data["owner"] == "ana"
    assert verdict(db, later, NOW + 14 * DAY)[0] is Outcome.FAIL, "its time is over"
    for number in range(50, 59):
        later = run(db, "thirty", number, 1, 0)
    outcome, because = verdict(db, later, NOW + 60)
    assert outcome is Outcome.FAIL
    assert "failed in 10 of its last 10 runs" in because


def test_a_quarantine_is_lifted_with_a_name_and_a_reason(db: sa.Engine) -> None:
    run(db, "lift", 1, 1)
    with db.begin() as connection:
        database.lock(connection)
        tx = Tx(connection, NOW + 5)
        number = tests.number_of(connection, "lift", FLAPS)
        assert number is not None
        with pytest.raises(Invalid, match="not in quarantine"):
            tests_held.lift(tx, number, "ana", "x")
        for owner in ("ana", "eve"):
            wish = tests_held.Wish(owner, "ben", "why", NOW + DAY)
            tests_held.put(tx, number, wish, [])
        (held,) = tests_held.every(connection, "lift")
        assert held.quarantine.owner == "eve"
        tests_held.lift(tx, number, "ben", "mended")
        assert tests_held.every(connection, "lift") == []
        kinds = [e.kind for e in log.after(connection, 0, service="lift")]
    assert kinds == ["tests.recorded", "test.quarantined", "test.quarantined", "test.unquarantined"]


def test_the_list_knows_times_and_outcomes(db: sa.Engine) -> None:
    for number in range(3):
        run(db, "list", number, int(number == 1), int(number != 1))
    with db.connect() as connection:
        known = {k.test: k for k in views.known(connection, "list", NOW + 10)}
        told = views.history(connection, known[FLAPS].number, 10)
    flaps = known[FLAPS]
    assert (flaps.runs, flaps.failed, flaps.flips, flaps.outcome) == (3, 1, 0, "passed")
    assert flaps.seconds == pytest.approx(0.5)
    assert [t.outcome for t in told] == ["passed", "failed", "passed"]


def test_old_results_are_forgotten(db: sa.Engine) -> None:
    keep(db, Origin("old", "r1"), report(1, 1), NOW - KEEP_SECONDS - DAY)
    gone = Origin("old", "r2")
    keep(db, gone, Report("r", "pytest", (case(STEADY, 0, 1),)), NOW)
    with db.connect() as connection:
        assert [k.test for k in views.known(connection, "old", NOW)] == [STEADY]
        assert tests.tried(connection, Origin("old", "r1")) == ()


def test_the_past_of_a_run_leaves_out_its_own_tries_and_no_other(db: sa.Engine) -> None:
    sha = "a" * 40
    for number, (run, bad) in enumerate([("r1", 1), ("r2", 0), ("r3", 1), ("r3/2", 0)]):
        keep(db, Origin("own", run, "unit", sha, "key"), report(bad, 1 - bad), NOW + number)
    origin = Origin("own", "r3/2", "unit", sha, "key")
    with db.connect() as connection:
        all_but_r3 = tests.past(connection, origin, [FLAPS], NOW + 9, run="r3")[FLAPS]
        but_its_fingerprint = tests.past(connection, origin, [FLAPS], NOW + 9)[FLAPS]
    assert (all_but_r3.standing.runs, all_but_r3.standing.flips) == (1, 1)
    assert but_its_fingerprint.standing.runs == 0


def test_branch_and_layer_of_a_report_are_known(db: sa.Engine) -> None:
    origin = Origin("layers", "r1", "web", "a" * 40, branch="topic", size="e2e")
    keep(db, origin, report(0, 1), NOW)
    with db.connect() as connection:
        known = {k.test: k for k in views.known(connection, "layers", NOW + 1)}
        (told,) = views.history(connection, known[FLAPS].number, 5)
    assert (known[FLAPS].size, told.branch) == ("e2e", "topic")


@pytest.mark.seed("S-025", "S-197")
def test_coverage_of_critical_paths_is_shown_by_release(db: sa.Engine) -> None:
    sha = "c" * 40
    files = (FileCoverage("src/pay/a.py", 10, 9, 4, 1), FileCoverage("src/b.py", 30, 11, 0, 0))
    gate = CoverageGate(Least(lines=0.5), (Least("src/pay/**", 0.95),))
    with db.begin() as connection:
        database.lock(connection)
        tx = Tx(connection, NOW)
        for at in (sha, "d" * 40):
            origin = Origin("covered", "r1", "unit", at)
            tests_coverage.keep(tx, origin, Coverage("c.xml", files), gate)
            tests_coverage.keep(tx, origin, Coverage("c.xml", files), gate)
        connection.execute(
            releases.insert().values(
                name="covered-7", service="covered", number=7, digest="x", sha=sha, author="a",
                delivery="", config="", config_digest="", created_at=NOW,
            )
        )  # fmt: skip
        found = tests_coverage.listed(connection, "covered", "covered-7", 10)
        assert [(c.release, c.path, c.line_share, c.branch_share, c.least) for c in found] == [
            ("covered-7", "", 0.5, 0.25, 0.5), ("covered-7", "src/pay/**", 0.9, 0.25, 0.95),
        ]  # fmt: skip
        assert tests_coverage.listed(connection, "covered", "cccc", 10) == found
        assert len(tests_coverage.listed(connection, "covered", "", 10)) == 4
        tests_coverage.prune(tx, NOW + DAY)
        assert tests_coverage.listed(connection, "covered", "", 10) == found, "a release's stay"


def test_the_first_to_ask_makes_the_shards_of_a_run(db: sa.Engine) -> None:
    with db.begin() as connection:
        database.lock(connection)
        tx = Tx(connection, NOW)
        made = tests_shards.agreed(tx, "s", "r1", (("a",), ("b", "c")))
        assert tests_shards.agreed(tx, "s", "r1", (("c", "b"), ("a",))) == made
        with pytest.raises(Drifted, match="made for other tests"):
            tests_shards.agreed(tx, "s", "r1", (("a",), ("b",)))
        assert tests_shards.agreed(tx, "s", "r2", (("a",), ("b",))) == (("a",), ("b",))
