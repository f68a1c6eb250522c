"""Whatever happens, whenever, and whoever is killed: every notice is in exactly one message."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.postgres import postgres

from headway.flows import alert_rounds, notify_rounds
from headway.model.event import Fact
from headway.notice.preference import Party, Rule, hours
from headway.store import database, log, messages, notices
from headway.store.database import Tx, lock
from headway.store.log import About, append
from headway.store.notice_tables import told
from headway.store.tables import alert_messages, cursors, events

BERLIN = ZoneInfo("Europe/Berlin")
# Saturday evening; the clocks go back in this night
BEGIN = datetime(2026, 10, 24, 20, 0, tzinfo=BERLIN).timestamp()
DAY = 86400.0
PARTIES = (
    Party("ana", ("slack/ana", "slack/both"), (hours("22:00-07:00"),), "Europe/Berlin"),
    Party("bo", ("slack/bo", "slack/both"), (hours("Sat,Sun 00:00-24:00"),), "UTC", pages=False),
    Party("cy", ("slack/cy",)),
)
KINDS: dict[str, dict[str, Any]] = {
    "rollout.held": {"because": "why", "step": 1},
    "rollout.resume": {"by": "bo", "reason": "look"},
    "release.released": {"because": "well", "seconds": 60.0},
    "rollout.recovered": {"outcome": "FAIL", "requests": 9, "errors": 7, "stable": "shop-1"},
    "rollout.shifted": {"share": 0.5},
}


class Log:
    """An event log, preferences, and the round that reads it, at times of a test."""

    def __init__(self, url: str) -> None:
        database.prepare(url)
        self.db, self.now = database.connect(url), BEGIN
        self.begin()

    def begin(self) -> None:
        with self.tx() as tx:
            for table in (events, alert_messages, told, cursors):
                tx.connection.execute(table.delete())
            messages.move_cursor(tx, notify_rounds.CURSOR, 0)
            for party in PARTIES:
                notices.put_party(tx, party, "ana")
                rule = Rule(f"ntr_{party.who}", party.who, ("every",))
                notices.put_rule(tx, rule, "ana")

    @contextmanager
    def tx(self) -> Iterator[Tx]:
        with self.db.begin() as connection:
            lock(connection)
            yield Tx(connection, self.now)

    def happen(self, kind: str, which: int, times: int = 1) -> None:
        about = About(f"del_{which}", "shop", "production", f"shop-{which}")
        with self.tx() as tx:
            first = log.last_seq(tx.connection)
            for number in range(first, first + times):
                append(tx, about, Fact(kind, f"rol_{which}", number, KINDS[kind]))
            messages.move_cursor(tx, alert_rounds.CURSOR, first + times)

    def round(self) -> None:
        with self.db.connect() as connection:
            more = notify_rounds.something_to_do(connection, self.now)
        if more:
            with self.tx() as tx:
                notify_rounds.read_log(tx, "https://headway.example.com")

    def later(self, seconds: float, every: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + every)
            self.round()

    def posted(self) -> list[Any]:
        with self.db.connect() as connection:
            return list(connection.execute(sa.select(alert_messages)))

    def kept(self) -> list[notices.Kept]:
        with self.db.connect() as connection:
            return notices.latest(connection, 10_000)


@pytest.fixture(scope="module")
def log_(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    found = Log(sqlite(tmp_path_factory.mktemp("notices")))
    yield found
    found.db.dispose()


def sqlite(folder: Path) -> str:
    return f"sqlite:///{folder / 'headway.db'}"


STEPS = st.lists(
    st.tuples(st.sampled_from([0, 1, 5, 29, 31, 200]), st.sampled_from([*KINDS]),
              st.integers(0, 2), st.integers(1, 12)),
    min_size=1,
    max_size=6,
)  # fmt: skip


@given(STEPS)
@settings(max_examples=10, deadline=None, suppress_health_check=[*HealthCheck])
def test_nothing_is_lost_and_nothing_is_told_twice(
    log_: Log, steps: list[tuple[int, str, int, int]]
) -> None:
    log_.now, happened = BEGIN, 0
    log_.begin()
    for minutes, kind, which, times in steps:
        log_.later(60.0 * minutes, 600.0)
        log_.happen(kind, which, times)
        happened += times * (kind != "rollout.shifted")
        log_.round()
    log_.later(9 * DAY, DAY / 8)
    check(log_, happened)


def check(log_: Log, happened: int) -> None:
    kept, posted = log_.kept(), log_.posted()
    per_channel = Counter(k.channel for k in kept)
    channels = {c for p in PARTIES for c in p.channels}
    assert per_channel == (dict.fromkeys(channels, happened) if happened else {})
    keys = Counter((m.key, m.channel) for m in posted)
    assert set(keys.values()) <= {1}
    assert {(k.message, k.channel) for k in kept} == set(keys), "each is told by a message"
    for message in posted:
        mine = [k for k in kept if (k.message, k.channel) == (message.key, message.channel)]
        assert f'"notices":"{len(mine)}"' in message.message or len(mine) == 1
        urgent = all(k.notice.urgency == "page" for k in mine)
        at = datetime.fromtimestamp(message.created_at, BERLIN)
        if message.channel == "slack/ana" and not urgent:
            assert 7 <= at.hour < 22, "not in quiet hours"
        if message.channel == "slack/bo":
            assert at.astimezone(ZoneInfo("UTC")).weekday() < 5


CHILD = """\
import os, signal, sys
from pathlib import Path
from tests.flows.test_notice_exactly_once import Log
from headway.flows import notify_rounds
from headway.store import messages, notices

left = int(sys.argv[3])

def dying(name, module):
    known = getattr(module, name)
    def call(*given):
        global left
        made = known(*given)
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return made
    setattr(module, name, call)

log = Log.__new__(Log)
from headway.store import database
log.db = database.connect(f"sqlite:///{Path(sys.argv[1]) / 'headway.db'}")
log.now = float(sys.argv[2])
dying("post", messages); dying("keep", notices); dying("say", notices)
dying("move_cursor", messages)
log.round()
"""


@pytest.mark.parametrize("at", [1, 8, 40])
def test_who_is_killed_in_mid_round_told_nothing_and_the_next_tells_all(
    tmp_path: Path, at: int
) -> None:
    log_ = Log(sqlite(tmp_path))
    log_.now = BEGIN - 4 * 3600  # nobody but bo is quiet
    for n in range(3):
        log_.happen("rollout.held", n)
        log_.happen("release.released", n)
    command = [sys.executable, "-c", CHILD, str(tmp_path), str(log_.now), str(at)]
    killed = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert killed.returncode == -9, killed.stderr
    assert (log_.posted(), log_.kept()) == ([], [])
    log_.round()
    log_.later(9 * DAY, DAY / 2)
    check(log_, 6)
    log_.db.dispose()


def test_postgres_tells_the_same() -> None:
    with postgres() as url:
        log_ = Log(url)
        for n in range(14):
            log_.happen("release.released", n)
            log_.happen("rollout.held", n % 2)
        log_.round()
        with log_.tx() as tx:
            notices.wake(tx, "ana")
        log_.later(9 * DAY, DAY / 2)
        check(log_, 28)
        log_.now += 365 * DAY
        with log_.tx() as tx:
            notices.prune(tx)
        assert log_.kept() == []
        log_.db.dispose()
