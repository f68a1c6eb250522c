"""What runs beside a job's steps: its services, and the container that the steps run in.

Called by course: started before the first part, stopped after the last. All of it lives in the
job's sandbox; after a crash it is started again.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from headway import expression
from headway.adapters.linux.hands import StepHands
from headway.adapters.linux.job import Job, Level
from headway.adapters.linux.output import Output
from headway.expression import ExpressionError, Scope
from headway.model.errors import HeadwayError, Refused
from headway.model.job import StepSpec

if TYPE_CHECKING:
    from headway.adapters.linux.actions.job_container import Places
    from headway.adapters.linux.actions.pod import Pod
    from headway.adapters.linux.actions.services import Services


class Aside:
    """The services and the container of one job, if it has any."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._services: Services | None = None
        self._hands = _Hands()
        self._pod: Pod | None = None
        self._fault: HeadwayError | ExpressionError | None = None
        job.pod = self._found_pod

    @property
    def owed(self) -> bool:
        """Whether there are any that were not started yet."""
        order = self._job.order
        return bool(order.services or order.container) and self._services is None

    def start(self, level: Level, step: StepSpec) -> None:
        """Start them, once, telling so in the log of the step that begins. Raises HeadwayError,
        ExpressionError, Stopped. A job whose container does not start has no step that runs.
        """
        if self._fault is not None:
            raise self._fault
        if not self.owed:
            return
        env = level.variables({}, step)
        self._services = self._made(level.out, env)
        try:
            self._start(level.scope({}), self._services)
        except (HeadwayError, ExpressionError) as error:
            self._fault = error if self._job.order.container else None
            raise

    def _start(self, scope: Scope, services: "Services") -> None:
        job = self._job
        wanted = _filled(job.order.services, scope)
        pod = self._pod_for_services()
        known = job.view.contexts["job"]
        known["services"] = services.start(wanted, pod)
        if job.order.container and pod is not None:
            given = _filled(job.order.container, scope)
            job.within = services.enclose(given, pod, self._places(), wanted)
            if job.within is not None:
                known["container"] = {"id": job.within.id, "network": "job"}
                job.base = job.within.base

    def _pod_for_services(self) -> "Pod | None":
        """None: there are no containers here, and the job's steps need none."""
        try:
            return self._found_pod()
        except Refused:
            if self._job.order.container:
                raise
            return None

    def _found_pod(self) -> "Pod":
        """Where containers of the job are; not opened yet. Raises Refused (`no-podman`)."""
        from headway.adapters.linux.actions.engine import engine  # noqa: PLC0415
        from headway.adapters.linux.actions.pod import Pod  # noqa: PLC0415

        if self._pod is None:
            job = self._job
            order, place = job.order, job.place
            bridged = bool(order.services or order.container)
            home = place.run.parent.parent
            found = engine(home, "the job", network=order.network and bridged)
            lock = place.run / f".{place.folder.name}.lock"
            self._pod = Pod(found, home, lock, dict(job.base), network=order.network)
        return self._pod

    def _places(self) -> "Places":
        from headway.adapters.linux.actions.job_container import Places  # noqa: PLC0415

        place, order = self._job.place, self._job.order
        home = place.run.parent.parent
        repo = Path(order.repo) if order.repo.startswith("/") else home / "none"
        own = (home / "actions", home / "tools", repo)
        github = self._job.view.contexts["github"]
        name = str(github.get("repository") or "work").rpartition("/")[2] or "work"
        files, temp = place.files, place.temp
        return Places(place.box, place.checkout, place.home, temp, files, own, name)

    def stop(self) -> None:
        """Stop them; what they say then stands in a log after that of the last step. Also when the
        run is being stopped. A server that does not stop by itself is killed with the sandbox.
        """
        job = self._job
        if self._services is None and self._pod is None:
            return
        out = Output(job.place.folder, len(job.progress.reports), job.masker, lambda _: None)
        self._hands.hands = StepHands(job, out, float("inf"), heedless=True)
        try:
            if self._services is not None:
                self._services.stop()
            if self._pod is not None:
                self._pod.close(self._hands)
        except HeadwayError as error:
            out.say(f"[headway: {error}]")
        finally:
            out.close()

    def _made(self, out: Output, env: dict[str, str]) -> "Services":
        from headway.adapters.linux.actions.services import Services  # noqa: PLC0415

        job = self._job
        self._hands.hands = StepHands(job, out, float("inf"))
        return Services(job.place.folder / "services", self._hands, env, job.order)


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

    def warn(self, text: str) -> None:
        """A warning."""
        self._now().warn(text)

    def run(self, argv: list[str], env: dict[str, str], cwd: Path) -> int:
        """A process in the sandbox."""
        return self._now().run(argv, env, cwd)

    def enter(self, argv: list[str], env: dict[str, str], cwd: Path) -> int:
        """A process where steps run."""
        return self._now().enter(argv, env, cwd)

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
