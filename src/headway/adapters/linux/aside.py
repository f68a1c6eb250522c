"""The services that run beside a job's steps: started before the first, stopped after the last.

Called by course. Their servers live in the job's sandbox; after a crash they are started again.
"""

from pathlib import Path
from typing import Any

from headway import expression
from headway.adapters.linux.actions.services import Services
from headway.adapters.linux.hands import StepHands
from headway.adapters.linux.job import Job, Level
from headway.adapters.linux.output import Output
from headway.expression import Scope
from headway.model.errors import HeadwayError
from headway.model.job import StepSpec


class Aside:
    """The services of one job, if it has any."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._services: Services | None = None
        self._hands = _Hands()

    @property
    def owed(self) -> bool:
        """Whether there are any that were not started yet."""
        return bool(self._job.order.services) and self._services is None

    def start(self, level: Level, step: StepSpec) -> None:
        """Start them, once, telling so in the log of the step that begins. Raises HeadwayError,
        ExpressionError, Stopped.
        """
        job = self._job
        if not self.owed:
            return
        self._services = self._made(level.out, level.variables({}, step))
        wanted = _filled(job.order.services, level.scope({}))
        job.view.contexts["job"]["services"] = self._services.start(wanted)

    def stop(self) -> None:
        """Stop them; what they say then stands in a log after that of the last step. Also when the
        run is being stopped. A server that does not stop by itself is killed with the sandbox.
        """
        if self._services is None:
            return
        job = self._job
        number = len(job.progress.reports)
        out = Output(job.place.folder, number, job.masker, lambda _: None)
        self._hands.hands = StepHands(job, out, float("inf"), heedless=True)
        try:
            self._services.stop()
        except HeadwayError as error:
            out.say(f"[headway: {error}]")
        finally:
            out.close()

    def _made(self, out: Output, env: dict[str, str]) -> Services:
        job = self._job
        self._hands.hands = StepHands(job, out, float("inf"))
        folder = job.place.folder / "services"
        return Services(folder, self._hands, env, network=job.order.network)


class _Hands:
    """Those of the step that runs now, because services live longer than one step's log."""

    def __init__(self) -> None:
        self.hands: StepHands | None = None

    def _now(self) -> StepHands:
        assert self.hands is not None
        return self.hands

    def say(self, line: str) -> None:
        """One line in the log, masked."""
        self._now().say(line)

    def run(self, argv: list[str], env: dict[str, str], cwd: Path) -> int:
        """A process in the sandbox."""
        return self._now().run(argv, env, cwd)

    def mask(self, secret: str) -> None:
        """Never show this text again."""
        self._now().mask(secret)


def _filled(value: Any, scope: Scope) -> Any:
    match value:
        case str():
            return expression.fill(value, scope)
        case dict():
            return {name: _filled(each, scope) for name, each in value.items()}
        case list():
            return [_filled(each, scope) for each in value]
    return value
