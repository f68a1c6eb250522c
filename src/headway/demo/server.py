"""The demo's `headway server`: a real one, started as anybody starts it. Called by `show`, `cues`.

After a kill it is started again on the same port, so that the repository's remote stays true.
"""

import sys
import time
from http.client import HTTPConnection, HTTPException

from headway.cli.server import read_state
from headway.demo.child import Child
from headway.demo.stage import Stage, environment
from headway.model.errors import Failed

START_SECONDS = 60.0
STOP_SECONDS = 20.0


class Server:
    """`address` is http://127.0.0.1:PORT once it has started."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._child: Child | None = None
        self._expected_down = False
        self.address = ""

    def start(self, port: int = 0) -> None:
        """Start it and wait until it answers. Raises Failed (`server`)."""
        command = [sys.executable, "-m", "headway", "--home", str(self._stage.home)]
        child = self._child = Child(
            [*command, "server", "--port", str(port)],
            environment(self._stage),
            self._stage.own / "server.log",
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers(child.pid):
            if not child.runs or time.monotonic() > deadline:
                raise Failed("the server did not start", why=child.tail(), code="server")
            time.sleep(0.05)

    def _answers(self, pid: int) -> bool:
        state = read_state(self._stage.home)
        if state is None or state["pid"] != pid:
            return False
        self.address = state["address"]
        connection = HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    @property
    def _port(self) -> int:
        return int(self.address.rpartition(":")[2])

    @property
    def pid(self) -> int:
        """The process id; 0 before the start."""
        return self._child.pid if self._child else 0

    @property
    def well(self) -> bool:
        """False if it has ended and nobody wanted that."""
        return self._expected_down or self._child is None or self._child.runs

    def kill_and_restart(self) -> float:
        """SIGKILL, and start it again; gives the seconds in which there was no server."""
        assert self._child is not None
        self._expected_down = True
        began = time.monotonic()
        self._child.kill()
        self.start(self._port)
        self._expected_down = False
        return time.monotonic() - began

    def stop(self) -> None:
        """End it in order."""
        if self._child is not None:
            self._child.stop(STOP_SECONDS)

    def why_ended(self) -> str:
        """Its last words."""
        return self._child.tail() if self._child else ""
