"""Where one service of a job runs. Made by services, used by native and containers."""

from pathlib import Path

from headway.adapters.linux.actions.acting import Hands
from headway.record import dataclass


@dataclass(frozen=True, slots=True)
class Room:
    """`folder` is the service's own, `env` the variables that its processes get."""

    folder: Path
    hands: Hands
    env: dict[str, str]

    def run(self, argv: list[str], env: dict[str, str] | None = None) -> int:
        """A process in the job's sandbox, to its end; the exit code."""
        return self.hands.run(argv, {**self.env, **(env or {})}, self.folder)
