"""A sender killed with SIGKILL in mid-send: the message comes once more, with the same key."""

import subprocess
import sys
from pathlib import Path

from tests.support.receivers import http_receiver
from tests.support.stage import eventually

from headway.model.alert import Message
from headway.model.connection import Connection
from headway.store import connections, messages
from headway.store.place import locate
from headway.wiring import Headway

SENDER = """\
import sys, time
from headway.wiring import Headway
from headway.store.place import locate
from headway.upkeep import Upkeep
headway = Headway(locate(sys.argv[1], {}))
upkeep = Upkeep(headway._ground, headway.samples)
while True:
    upkeep._tell()
    time.sleep(0.2)
"""


def test_a_killed_sender_sends_once_more_with_the_same_key(tmp_path: Path) -> None:
    headway = Headway(locate(str(tmp_path / "h"), {}))
    with http_receiver() as http:
        connections.put(headway.home, Connection("ops", "webhook", http.url))
        with headway.tx() as tx:
            message = Message("alr_1/1/fired", "alr_1", "t", "x", "page", resolved=False, at=tx.now)
            messages.post(tx, "webhook/ops", "alr_1", message)
        http.hanging = True
        first = sender(headway.home)
        try:
            eventually(lambda: len(http.taken) == 1, lambda: f"{first.poll()}")
        finally:
            first.kill()
            first.wait(30)
        http.hanging = False
        second = sender(headway.home)
        try:
            eventually(lambda: sent(headway), lambda: f"{second.poll()} {http.taken}")
        finally:
            second.kill()
            second.wait(30)
        keys = [t.headers["idempotency-key"] for t in http.taken]
    assert keys == ["alr_1/1/fired"] * 2
    headway.db.dispose()


def sender(home: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", SENDER, str(home)])


def sent(headway: Headway) -> bool:
    with headway.reading() as connection:
        return [p.state for p in messages.of_alert(connection, "alr_1")] == ["sent"]
