"""What a run of the server tells while it goes: facts for the log, statuses for the forge.

Both in one transaction, the one that records the change. Called by flows/run_start and
flows/run_workflow.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass

from headway.flows import trigger_status
from headway.flows.job_facts import job_facts
from headway.flows.pipeline_watch import Quiet
from headway.flows.pool_patience import if_it_answers
from headway.flows.world import World
from headway.model.event import Fact
from headway.model.job import JobOrder, JobReport
from headway.pipeline.run.state import RunSpec
from headway.pipeline.syntax import reader
from headway.ports.status_sink import StatusState
from headway.store import connections, log, triggers
from headway.store.database import Tx
from headway.store.log import About, append
from headway.store.place import public_url

MOST_SAID = 140
"""Characters of a status: what GitHub takes."""
_OUTCOMES: dict[str, StatusState] = {
    "success": "success",
    "failure": "failure",
    "cancelled": "cancelled",
    "skipped": "success",
}


@dataclass(frozen=True, slots=True)
class Voice:
    """Speaks for one run. `told`: whether a forge shows it, so that nothing is looked up for runs
    of which nobody is told.
    """

    world: World
    run: str
    title: str
    told: bool

    def status(self, tx: Tx, job: str, state: StatusState, words: str) -> None:
        """Let the forge show it; `job` "": the run itself."""
        if not self.told:
            return
        origin = triggers.started(tx.connection, self.run)
        known = {c.name: c for c in connections.every(self.world.home)}
        connection = known.get(origin.hook) if origin else None
        shown = trigger_status.context(self.title, job)
        base = public_url(self.world.home, os.environ)
        page = f"{base}/runs/{self.run}" if base else ""
        trigger_status.tell(tx, connection, self.run, (shown, state, page, words[:MOST_SAID]))

    def fact(self, tx: Tx, kind: str, data: dict[str, object], turn: int = 0) -> None:
        """One event about the run; the same kind again, of the same turn, changes nothing."""
        about = About(service=log.service_of(tx.connection, self.run))
        append(tx, about, Fact(kind, self.run, turn, data))

    def first(self, tx: Tx, kind: str, data: dict[str, object], service: str) -> None:
        """The first event about the run says whose it is; the later ones take it from there."""
        append(tx, About(service=service), Fact(kind, self.run, 0, data))

    def ended(self, tx: Tx, outcome: str, words: str) -> None:
        """The last word to the forge."""
        self.status(tx, "", _OUTCOMES.get(outcome, "error"), words or outcome)


def voice(world: World, tx: Tx, spec: RunSpec) -> Voice:
    """The voice of the run. A forge is told if its hook started the run and it has a token."""
    origin = triggers.started(tx.connection, spec.id)
    forges = {
        c.name
        for c in (connections.every(world.home) if origin else ())
        if c.kind in trigger_status.FORGES and c.options.get("token")
    }
    told = origin is not None and origin.hook in forges
    return Voice(world, spec.id, _title(spec) if told else "", told)


def _title(spec: RunSpec) -> str:
    """The workflow's name; a file without one is called as the file is."""
    workflow = reader.read(spec.texts[spec.workflow], spec.workflow)
    return workflow.name or spec.workflow.rpartition("/")[2]


class Telling(Quiet):
    """Tells of jobs while the run goes on."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._names: dict[str, str] = {}

    def job_began(self, order: JobOrder) -> None:
        """See RunWatch. Costs a transaction, so only for whom it is shown."""
        self._names[order.key] = order.name
        if self._voice.told:
            self._say(lambda tx: self._voice.status(tx, order.name, "running", "running"))

    def job_ended(self, job: str, report: JobReport) -> None:
        """See RunWatch."""
        name = self._names.get(report.key, report.key)
        self._say(lambda tx: job_ended(tx, self._voice, job, report, name))

    def _say(self, what: Callable[[Tx], None]) -> None:
        """No run is held up by a database that is away: the end of the run tells the rest."""

        def go() -> None:
            with self._voice.world.tx() as tx:
                what(tx)

        if_it_answers(go)


def job_ended(tx: Tx, voice: Voice, job: str, report: JobReport, name: str) -> None:
    """What came of an instance. The same again changes nothing."""
    data = job_facts(job, report)
    voice.fact(tx, f"job.finished:{report.key}", data)
    if report.outcome != "skipped":
        words = report.because or report.outcome
        voice.status(tx, name, _OUTCOMES[report.outcome], words)
