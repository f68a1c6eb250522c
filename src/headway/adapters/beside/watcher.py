"""The program that compares: takes copies of users' requests on a Unix socket, one at a time.

Run by differ as `python -m headway.adapters.beside.watcher FOLDER`. A copied GET or HEAD is sent to
one stable instance, one candidate, and the stable one again, straight to the instances, so that the
proxy's counts stay those of users. The second stable answer is the control: what differs between
two answers of the same version says nothing about the other. While it compares, and until its pause
is over, the proxy drops further copies: that is what bounds the load. Bodies and headers are
forgotten at once.
"""

import http.client
import http.server
import itertools
import os
import socketserver
import sys
import threading
import time
from collections import Counter, deque
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from headway.adapters.beside.compare import Got, Where, differences, first
from headway.adapters.beside.process import Json, Wanted, epoch, replace
from headway.ports.shadow_differ import Difference

PAUSE_SECONDS = 0.05
TIMEOUT_SECONDS = 5.0
MOST_BYTES = 1024**2
EXAMPLES = 20
_SAFE = ("GET", "HEAD")
# RFC 9110 section 7.6.1; and nothing compressed, because the same text may be packed in two ways.
_HOP = {
    *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"),
    *("upgrade", "content-length", "accept-encoding", "expect", "x-request-id"),
}


class Tally:
    """What was compared for one pair of releases."""

    def __init__(self, pair: tuple[str, str]) -> None:
        self.pair = pair
        self.epoch = f"{epoch()}-{time.monotonic_ns()}"
        self.compared = self.candidate = self.control = 0
        self.kinds: Counter[str] = Counter()
        self.examples: deque[Difference] = deque(maxlen=EXAMPLES)

    def add(self, request: tuple[str, str], answers: tuple[Got, Got, Got], ignore: Any) -> None:
        """`answers`: stable, candidate, stable again. Both sides are counted alike."""
        stable, candidate, again = answers
        theirs = differences(stable, candidate, ignore)
        own = differences(stable, again, ignore)
        self.compared += 1
        self.control += bool(own - theirs)
        if found := theirs - own:
            self.candidate += 1
            self.kinds.update({kind for kind, _ in found})
            self.examples.append(_example(request, first(found), candidate, stable))

    def told(self) -> Json:
        """As ports/shadow_differ's Differences."""
        return {
            "epoch": self.epoch,
            "candidate_release": self.pair[0],
            "stable_release": self.pair[1],
            "compared": self.compared,
            "candidate": self.candidate,
            "control": self.control,
            "kinds": dict(self.kinds),
            "examples": [asdict(e) for e in self.examples],
        }


def _example(request: tuple[str, str], where: Where, candidate: Got, stable: Got) -> Difference:
    method, target = request
    path = urlsplit(target).path[:200]
    kind, field = where
    return Difference(time.time(), method, path, kind, field, candidate.status, stable.status)


class Watcher:
    """Compares one request at a time."""

    def __init__(self, folder: Path) -> None:
        self.wanted = Wanted(folder)
        self._folder = folder
        self._turn = itertools.count()
        self._one_at_a_time = threading.Lock()
        self._tally: Tally | None = None

    def compare(self, method: str, target: str, headers: list[tuple[str, str]]) -> None:
        """Ask both versions and count."""
        wanted = self.wanted.now()
        if wanted is None or not self._one_at_a_time.acquire(blocking=False):
            return
        try:
            self._compare(wanted, (method, target), headers)
            time.sleep(PAUSE_SECONDS)
        finally:
            self._one_at_a_time.release()

    def _compare(
        self, wanted: Json, request: tuple[str, str], headers: list[tuple[str, str]]
    ) -> None:
        turn = next(self._turn)
        stable, candidate = (
            _of(wanted[f"{side}_endpoints"], turn) for side in ("stable", "candidate")
        )
        if stable is None or candidate is None:
            return
        before = ask(stable, request, headers)
        if before.status == 0:
            return  # nothing to compare with
        answers = (before, ask(candidate, request, headers), ask(stable, request, headers))
        pair = (wanted["candidate"], wanted["stable"])
        if self.wanted.now() != wanted:
            return  # an instance may have gone meanwhile
        if self._tally is None or self._tally.pair != pair:
            self._tally = Tally(pair)
        self._tally.add(request, answers, wanted["ignore"])
        replace(self._folder / "told.json", self._tally.told())


def _of(endpoints: list[list[Any]], turn: int) -> tuple[str, int] | None:
    if not endpoints:
        return None
    host, port = endpoints[turn % len(endpoints)]
    return str(host), int(port)


def ask(where: tuple[str, int], request: tuple[str, str], headers: list[tuple[str, str]]) -> Got:
    """One answer; status 0 for none in time."""
    connection = http.client.HTTPConnection(*where, timeout=TIMEOUT_SECONDS)
    method, target = request
    try:
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in headers:
            if name.lower() not in _HOP:
                connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read(MOST_BYTES)
        return Got(answer.status, answer.getheader("content-type", ""), body)
    except (OSError, http.client.HTTPException, ValueError):
        return Got(0)
    finally:
        connection.close()


class _Door(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    watcher: Watcher


class _Copy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    server: _Door

    def handle_expect_100(self) -> bool:
        return True

    def _take(self) -> None:
        if self.command in _SAFE and "content-length" not in self.headers:
            self.server.watcher.compare(self.command, self.path, self.headers.items())
        else:
            self.close_connection = True  # a body that nobody wants to read
        self.send_response_only(204)
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _take  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Nothing of a request is kept."""


def main(folder: Path) -> None:
    """Until told to end."""
    watcher = Watcher(folder)
    wanted = watcher.wanted.now()
    if wanted is None:
        return
    socket = Path(wanted["socket"])
    socket.unlink(missing_ok=True)
    os.umask(0o077)
    door = _Door(str(socket), _Copy)
    door.watcher = watcher
    threading.Thread(target=door.serve_forever, daemon=True).start()
    (folder / "ready").touch()
    while watcher.wanted.now() is not None:
        time.sleep(0.1)
    socket.unlink(missing_ok=True)
    os._exit(0)  # a comparison that waits for an answer must not keep it


if __name__ == "__main__":
    main(Path(sys.argv[1]))
