"""What programs may at the doors that are older than the API: git, metrics, dispatches, logs of
runs. Each asks the token, as bearer or as the password of HTTP Basic. Used by api/app.py.
"""

import re
from collections.abc import Callable, Mapping

from starlette.requests import Request

from headway.access.principal import Principal, anywhere, may
from headway.api.access import from_here
from headway.api.guard import see
from headway.api.problems import Missing
from headway.api.refusals import Refusals
from headway.api.who import Doorkeeper
from headway.flows import pipeline
from headway.flows.run_list import service_of
from headway.wiring import Headway

_REPOSITORY = re.compile(r"/(?:repos/)?([^/]+?)(?:\.git)?/")
_NOWHERE = "?"

Writes = Callable[[Mapping[str, str]], bool]
"""Whether a sample with these labels may be written."""


class Programs:
    """The questions. All of them read the database."""

    def __init__(self, headway: Headway, door: Doorkeeper) -> None:
        self._headway, self._door = headway, door
        self._refusals = Refusals(headway)

    def push(self, request: Request) -> bool:
        """Git to and from the repository that the address names; to read is enough to clone."""
        who = self._door.program(request)
        if not who.known and "authorization" in request.headers:
            self._refusals.note(request.scope["path"])
        reads = "upload-pack" in f"{request.url.path}?{request.url.query}"
        return may(who, "service.read" if reads else "repository.push", _repository(request))

    def dispatch(self, request: Request) -> bool:
        """Start workflows of the repository that the address names."""
        return may(self._door.program(request), "event.write", _repository(request))

    def scrape(self, request: Request) -> bool:
        """Read the metrics of all services."""
        return from_here(request) or may(self._door.program(request), "metric.read")

    def measure(self, request: Request) -> Writes | None:
        """Which samples it may write; None: none at all."""
        if from_here(request):
            return lambda _labels: True
        who = self._door.program(request)
        if not anywhere(who, "metric.write"):
            return None
        return lambda labels: _may_write(who, labels)

    def follow(self, request: Request) -> bool:
        """Read the log of a run; browsers by their session too. Raises Missing (`unknown-run`) for
        a run of a service that one may not read, Invalid as if there were none.
        """
        who = self._door.program(request)
        who = who if who.known else self._door.who(request)
        if not anywhere(who, "service.read"):
            return False
        spec = pipeline.show(self._headway.home, request.path_params["run"]).spec
        try:
            see(who, service_of(spec))
        except Missing as error:
            raise Missing(f"there is no run `{spec.id}`", code="unknown-run") from error
        return True


def _may_write(who: Principal, labels: Mapping[str, str]) -> bool:
    """A sample of no service is of all."""
    return may(who, "metric.write", labels.get("service", ""), labels.get("environment", ""))


def _repository(request: Request) -> str:
    """The repository that the address names: `/NAME.git/…`, `/repos/NAME/…`."""
    found = _REPOSITORY.match(request.scope["path"])
    return found[1] if found else _NOWHERE
