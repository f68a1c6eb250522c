"""A program that the demo started: it is ended by its id, and its end is noticed. Used by `server`
and `crowd`.
"""

import os
import signal
import subprocess
from pathlib import Path


class Child:
    """One process in a session of its own, so that Ctrl-C reaches the demo alone."""

    def __init__(self, command: list[str], env: dict[str, str], log: Path) -> None:
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                command,
                env=env,
                cwd=log.parent,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self.log = log

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def stop(self, within_seconds: float) -> None:
        """SIGTERM, and SIGKILL when the time is over. Ended already: nothing to do."""
        if self.runs:
            os.kill(self.pid, signal.SIGTERM)
            try:
                self._process.wait(within_seconds)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """SIGKILL: no word of farewell."""
        if self.runs:
            os.kill(self.pid, signal.SIGKILL)
        self._process.wait()

    def tail(self, lines: int = 5) -> str:
        """The last lines it wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
