"""The users as the demo sees them: a process of its own (users.py), and what it counted over time.

Called by `show`, which starts it as soon as production answers.
"""

import json
import sys
import threading
from pathlib import Path
from typing import Any

from headway.demo.child import Child
from headway.demo.samples import Samples
from headway.demo.stage import Stage, environment

READ_SECONDS = 0.25
STOP_SECONDS = 20.0


class Crowd:
    """Users at `rate` requests per second, drawn from `seed`."""

    def __init__(self, stage: Stage, rate: float, seed: int) -> None:
        self._stage, self._rate, self._seed = stage, rate, seed
        self._child: Child | None = None
        self._reader: threading.Thread | None = None
        self._over = threading.Event()
        self.samples = Samples()
        self.last: dict[str, Any] = {}

    def start(self, address: str) -> None:
        """Let them come to this address."""
        what = ["--url", address, "--out", str(self._stage.users), "--rate", str(self._rate)]
        self._child = Child(
            [sys.executable, "-m", "headway.demo.users", *what, "--seed", str(self._seed)],
            environment(self._stage),
            self._stage.own / "users.log",
        )
        self._reader = threading.Thread(target=self._read_on, name="users", daemon=True)
        self._reader.start()

    def _read_on(self) -> None:
        while not self._over.wait(READ_SECONDS):
            self._read(self._stage.users)

    def _read(self, file: Path) -> None:
        """The file is replaced at once, so it is whole or not there yet."""
        if file.exists():
            self.last = json.loads(file.read_text())
            self.samples.add(self.last)

    @property
    def well(self) -> bool:
        """False if the users' process has ended by itself."""
        return self._over.is_set() or self._child is None or self._child.runs

    def why_ended(self) -> str:
        """Its last words."""
        return self._child.tail() if self._child else ""

    def stop(self) -> None:
        """Send nobody new, let every request end, and read the last counts."""
        if self._child is None or self._over.is_set():
            return
        self._child.stop(STOP_SECONDS)
        self._over.set()
        if self._reader is not None:
            self._reader.join()
        self._read(self._stage.users)

    def line(self) -> str:
        """One line for people while it goes on; empty before there is anything to tell."""
        seconds = self.last.get("last_seconds", [])
        if len(seconds) < 2:
            return ""
        total, now = self.last["total"], seconds[-2]
        speed = f"{now['requests']}/s, p95 {now['p95_ms']:.0f} ms"
        told = f"users: {speed}; {total['requests']:,} requests, {total['lost']} lost"
        return f"{told}, {total['shop_fault']} errors of the shop" if total["shop_fault"] else told
