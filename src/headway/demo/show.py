"""The demo from beginning to end: a server, a repository, users, three pushes, and what came of it.

It does what any team would do with Headway, through the same doors: `headway server`, `headway
remote`, `git push`. What it tells is read from the event log and from the users' own counts.
Called by `command`.
"""

import random
import time
from collections.abc import Iterator

import sqlalchemy as sa

from headway.cli.context import Context
from headway.cli.follow import Terms, follow
from headway.demo.course import Course, course
from headway.demo.crowd import Crowd
from headway.demo.cues import Cue, Cues
from headway.demo.expected import outcomes
from headway.demo.report import Asked, Strike
from headway.demo.server import Server
from headway.demo.stage import Stage
from headway.demo.strike_set import strike_set
from headway.demo.team import Team
from headway.model.errors import Failed
from headway.store import log
from headway.store.tables import deliveries
from headway.store.views.delivery import DeliveryView
from headway.wiring import Place

ASKED_SECONDS = 60.0
LIMIT_SECONDS = 420.0
CALM_SECONDS = 2.0
STRIKE_SECONDS = {"v2": (5.0, 45.0), "v3": (3.0, 8.0)}
"""When the server is killed, in seconds after the version met its first users."""


class Show:
    """One run of the demo. `strikes`: the kills there were."""

    def __init__(self, context: Context, stage: Stage, asked: Asked) -> None:
        context.home = str(stage.home)
        context.place = Place(stage.home, stage.database)
        self._context, self.asked = context, asked
        self.stage = stage
        self.server = Server(stage)
        self.crowd = Crowd(stage, asked.rate, asked.seed)
        self.strikes: list[Strike] = []
        self._team = Team(stage, asked)
        self._cues = Cues(list(self._script()))

    def play(self) -> None:
        """Until the last delivery has ended, or one ended otherwise than it should."""
        self._say(f"home {self.stage.home}")
        self.server.start()
        self._say(f"server at {self.server.address}")
        self._team.write("v1")
        self._team.connect()
        self._push("v1")
        self._cues.start()
        for version, wanted in outcomes(self.asked).items():
            self._follow(version)
            if self.course(version).outcome != wanted:
                return
        time.sleep(CALM_SECONDS)

    def courses(self) -> dict[str, Course]:
        """Every version that was pushed, and what became of it."""
        return {version: self.course(version) for version in self._team.pushed}

    def course(self, version: str) -> Course:
        """What the log tells of the version until now."""
        id = self._delivery(version)
        if id is None:
            return Course()
        with self._context.reading() as connection:
            return course(log.any_of(connection, delivery=[id]))

    def _delivery(self, version: str) -> str | None:
        query = sa.select(deliveries.c.id).where(deliveries.c.sha == self._team.pushed.get(version))
        with self._context.reading() as connection:
            found: str | None = connection.execute(query).scalar()
        return found

    def _push(self, version: str) -> None:
        self._team.push(version)
        self._say(f"{version}: git push headway main")

    def _say(self, text: str) -> None:
        """A line of progress, in step with those of the deliveries; above a live tree."""
        line = f"{time.strftime('%H:%M:%S')}  {'demo':<10}  {text}"
        if self._context.err.is_terminal and not self._context.quiet:
            self._context.err.print(line, soft_wrap=True)
        else:
            self._context.note(line)

    def _follow(self, version: str) -> None:
        deadline = time.monotonic() + ASKED_SECONDS
        while (id := self._delivery(version)) is None:
            self._well()
            if time.monotonic() > deadline:
                raise Failed(f"{version} was pushed, and no delivery began", code="demo")
            time.sleep(0.05)
        ends = _held if self.asked.low_traffic else None
        follow(self._context, id, Terms(LIMIT_SECONDS, self._well, ends=ends, beside=self._beside))

    def _beside(self) -> str:
        return self.crowd.line()

    def _well(self) -> bool:
        """Raises what went wrong beside the delivery that is followed."""
        if self._cues.error is not None:
            raise self._cues.error
        for name, part in (("server", self.server), ("users' process", self.crowd)):
            if not part.well:
                raise Failed(f"the {name} ended", why=part.why_ended(), code="demo")
        return True

    def _script(self) -> Iterator[Cue]:
        yield Cue("users", lambda: self.course("v1").exposed_at > 0, self._open)
        yield Cue("v2", lambda: True, lambda: self._push("v2"))
        yield from self._strike("v2")
        if not self.asked.low_traffic:
            yield Cue("v3", lambda: self.course("v2").whole_at > 0, lambda: self._push("v3"))
            yield from self._strike("v3")

    def _open(self) -> None:
        """Production answers: users may come, while the first release is still being watched."""
        address = self.course("v1").address
        self.crowd.start(address)
        self._say(f"users come to {address}, {self.asked.rate:g} requests/s")

    def _strike(self, version: str) -> Iterator[Cue]:
        if not self.asked.chaos:
            return
        dice = random.Random(f"chaos/{self.asked.seed}/{version}")  # noqa: S311
        after = dice.uniform(*STRIKE_SECONDS[version])

        def ready() -> bool:
            seen = self.course(version)
            aged = seen.exposed_at and time.time() - seen.exposed_at >= after
            return bool(aged or seen.finished_at)

        yield Cue(f"kill in {version}", ready, lambda: self._kill(version))

    def _kill(self, version: str) -> None:
        """SIGKILL to the server, if the canary has not ended by itself before."""
        seen = self.course(version)
        if seen.whole_at or seen.verdict_at or seen.finished_at:
            return
        after = time.time() - seen.exposed_at
        where = f"{after:.1f} s into the canary of {version}"
        self._say(f"SIGKILL to the server (pid {self.server.pid}), {where}")
        down = self.server.kill_and_restart()
        self._say(f"the server is back (pid {self.server.pid}) after {down:.1f} s")
        self.strikes.append(Strike(version, seen.step, seen.share, round(after, 1), round(down, 2)))

    def link(self) -> str:
        """The address at which the first administrator looks around. Raises Failed."""
        return self._team.link()

    def leave(self, *, running: bool) -> None:
        """No more users; unless `running`, nothing is left. Raises Failed (`left-over`)."""
        if self._cues.is_alive():
            self._cues.stop()
        self.crowd.stop()
        if not running:
            self.server.stop()
            strike_set(self.stage.home)


def _held(view: DeliveryView) -> bool:
    return view.state == "held"
