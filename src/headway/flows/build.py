"""From a commit to a signed artifact and a numbered release. Called by flows/deliver.py, once per
delivery: whatever happens later, nothing is built again.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from headway.artifact.provenance import PAYLOAD_TYPE, Build, statement
from headway.flows import pipeline
from headway.flows.configuration import service_at
from headway.flows.job_facts import job_facts
from headway.flows.job_settings import of_service
from headway.flows.journal import Journal
from headway.flows.pipeline_gates import gates
from headway.flows.pipeline_pins import with_lock, with_pins
from headway.flows.pipeline_texts import Read, complete
from headway.flows.pipeline_watch import Quiet
from headway.flows.pool_patience import if_it_answers
from headway.flows.variables import of_server
from headway.flows.world import World
from headway.model.artifact import Artifact
from headway.model.commit import Commit
from headway.model.delivery import Order, Release
from headway.model.errors import Failed, Invalid
from headway.model.event import Fact
from headway.model.job import JobReport, Upload
from headway.model.service import Service
from headway.pipeline.run.state import RunPhase, RunSpec, RunState
from headway.pipeline.syntax import reader
from headway.store import planned as seen
from headway.store import records
from headway.store.database import Tx
from headway.store.log import About, append


@dataclass(frozen=True, slots=True)
class Job:
    """One instance of a job: its id in the file, and what came of it."""

    id: str
    report: JobReport


@dataclass(frozen=True, slots=True)
class Built:
    """What the pipeline made, and from what."""

    commit: Commit
    service: Service
    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class Ran:
    """The end of a pipeline run; `jobs` as they ended. `because`: who cancelled it, why."""

    phase: RunPhase
    jobs: tuple[Job, ...]
    because: str = ""


@dataclass(frozen=True, slots=True)
class Signed:
    """The artifact, and the digest of the statement that vouches for it."""

    artifact: Artifact
    statement: str


def build(journal: Journal, world: World, order: Order) -> Release:
    """Raises Invalid (commit, headway.yaml, workflow), Failed (a red job, storage full)."""
    commit = journal.act("read commit", read_commit, world, order)
    service = journal.act("read headway.yaml", read_config, world, order)
    jobs = journal.act("plan pipeline", plan_jobs, world, order, service)
    journal.commit("pipeline planned", planned, order, commit, service, jobs)
    ran = journal.act("run pipeline", run_jobs, world, order, service)
    journal.commit("pipeline ended", jobs_ended, order, service, ran)
    _must_be_green(order, ran)
    built = Built(commit, service, ran.jobs)
    artifact = journal.act("pack", pack, world, built)
    signed = journal.act("sign", sign, world, order, built, artifact)
    return journal.commit("release", create_release, order, built, Signed(artifact, signed))


def read_commit(world: World, order: Order) -> Commit:
    """The commit as the repository has it now; a sha cannot change its meaning."""
    commit = world.source.commit(order.repo, order.sha)
    return Commit(
        commit.sha, order.repo, order.ref, commit.author, commit.subject, commit.committed_at
    )


def read_config(world: World, order: Order) -> Service:
    """headway.yaml of that commit with the OpenSLO files that it names. Raises Invalid, also if it
    names another service. From then on its owner can be told, also if nothing is ever released.
    """
    found = service_at(world.source, order.repo, order.sha, order.service)
    with world.tx() as tx:
        seen.keep(tx, order.delivery, found)
    return found


def plan_jobs(world: World, order: Order, service: Service) -> tuple[str, ...]:
    """Create the run of that commit's workflow; gives the ids of its jobs."""
    spec = RunSpec(
        id=order.delivery,
        workflow=service.workflow,
        texts={service.workflow: _text(world, order, service.workflow)},
        repo=order.repo,
        sha=order.sha,
        ref=full_ref(order.ref),
        served=True,
        gates=gates(service),
    )
    actions, read = world.bench.actions, called(world, order)
    whole = complete(with_lock(spec, read), actions, read)
    whole = of_server(world, of_service(whole, service, read, world.clock.now()))
    pipeline.create(world.bench, with_pins(whole, actions, read))
    return tuple(job.id for job in reader.read(spec.texts[spec.workflow], spec.workflow).jobs)


def full_ref(ref: str) -> str:
    """What workflows see: a push tells the whole ref, a person's delivery only the branch."""
    return ref if not ref or ref.startswith("refs/") else f"refs/heads/{ref}"


def called(world: World, order: Order) -> Read:
    """Reads what the commit's workflow calls: other workflows, local actions, headway.lock."""

    def read(path: str) -> str | None:
        try:
            return _text(world, order, path)
        except Invalid as error:
            if error.code == "missing-file":
                return None
            raise

    return read


def _text(world: World, order: Order, path: str) -> str:
    try:
        return world.source.read(order.repo, order.sha, path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid(f"`{path}` is not UTF-8", why=str(error), code="encoding") from error


def run_jobs(world: World, order: Order, service: Service) -> Ran:
    """The run to its end; goes on where it stood. The end of each job is told as it comes."""
    return ran(pipeline.run(world.bench, order.delivery, _Telling(world, order, service)))


def ran(state: RunState) -> Ran:
    """What a run came to."""
    ids = {key: job for job, keys in state.planned.items() for key in keys}
    jobs = tuple(Job(ids[key], report) for key, report in state.ended.items())
    return Ran(state.phase, jobs, state.cancelled)


class _Telling(Quiet):
    """The end of every job becomes a fact while the run goes on."""

    def __init__(self, world: World, order: Order, service: Service) -> None:
        self._world, self._order, self._service = world, order, service

    def job_ended(self, job: str, report: JobReport) -> None:
        """See RunWatch. What cannot be told now is told by `jobs_ended`."""

        def go() -> None:
            with self._world.tx() as tx:
                job_ended(tx, self._order, self._service, Job(job, report))

        if_it_answers(go)


def planned(tx: Tx, order: Order, commit: Commit, service: Service, jobs: tuple[str, ...]) -> None:
    """The commit is known and its pipeline planned."""
    records.update_delivery(
        tx, order.delivery, state="building", author=commit.author, subject=commit.subject
    )
    data: dict[str, object] = {
        "sha": commit.sha,
        "ref": commit.ref,
        "author": commit.author,
        "subject": commit.subject,
        "jobs": list(jobs),
        "path": [e.name for e in service.environments],
    }
    append(tx, _about(order, service), Fact("pipeline.started", order.delivery, 0, data))


def jobs_ended(tx: Tx, order: Order, service: Service, ran: Ran) -> None:
    """Whatever could not be told while the run went on."""
    for job in ran.jobs:
        job_ended(tx, order, service, job)


def job_ended(tx: Tx, order: Order, service: Service, job: Job) -> None:
    """What came of a job is a fact, green or red."""
    report, data = job.report, job_facts(job.id, job.report)
    append(tx, _about(order, service), Fact(f"job.finished:{report.key}", order.delivery, 0, data))


def _must_be_green(order: Order, ran: Ran) -> None:
    if ran.phase == "success":
        return
    bad = next((j for j in ran.jobs if j.report.outcome == ran.phase), None)
    raise Failed(
        f"job `{bad.report.key}` {_how(bad.report)}" if bad else f"the pipeline ended: {ran.phase}",
        why=tail(bad.report) if bad else ran.because,
        next=f"headway pipeline logs {order.delivery}",
        code="job-failed",
    )


def _how(report: JobReport) -> str:
    red = next((s for s in report.steps if s.conclusion == report.outcome), None)
    word = "failed" if report.outcome == "failure" else "was cancelled"
    return word + (f", step `{red.name}`, exit {red.exit_code}" if red else "")


def tail(report: JobReport) -> str:
    """The last lines of the first red step; else why the job is red."""
    tails = (s.tail for s in report.steps if s.conclusion == "failure")
    return next(tails, "") or report.because


def pack(world: World, built: Built) -> Artifact:
    """What the workflow uploaded becomes one artifact. The same content gives the same digest.

    Raises Failed (`no-artifact`, `many-artifacts`, `storage-full`).
    """
    annotations = {
        "org.opencontainers.image.title": built.service.name,
        "org.opencontainers.image.revision": built.commit.sha,
    }
    return world.artifacts.pack(_upload(built).path, annotations)


def _upload(built: Built) -> Upload:
    service = built.service
    uploads = [u for job in built.jobs for u in job.report.uploads]
    if service.artifact_from is not None:
        uploads = [u for u in uploads if u.name == service.artifact_from]
    if not uploads:
        raise Failed(
            "the workflow uploaded nothing to deploy",
            why=f"no step of {service.workflow} uploaded `{service.artifact_from or 'anything'}`",
            next="add a step `uses: actions/upload-artifact@v4` with `path: dist`",
            code="no-artifact",
        )
    if len(uploads) > 1:
        raise Failed(
            "the workflow uploaded more than one artifact",
            why=f"found {', '.join(u.name for u in uploads)}",
            next="name the one to deploy: `artifact: {from: NAME}` in headway.yaml",
            code="many-artifacts",
        )
    return uploads[0]


def sign(world: World, order: Order, built: Built, artifact: Artifact) -> str:
    """Signed provenance beside the artifact; gives its digest. Made again only if not there."""
    pinned = pipeline.show(world.bench.home, order.delivery).spec.actions
    facts = Build(
        service=built.service.name,
        repository=order.repo,
        ref=built.commit.ref,
        commit=built.commit.sha,
        workflow=built.service.workflow,
        run=order.delivery,
        builder=world.builder,
        started_at=min(j.report.started_at for j in built.jobs),
        finished_at=max(j.report.finished_at for j in built.jobs),
        actions=tuple(sorted(pinned.items())),
    )
    outcomes = {j.report.key: str(j.report.outcome) for j in built.jobs}
    payload = statement(facts, artifact.digest, outcomes, _upload(built).name)
    if not any(e.payload == payload for e in world.artifacts.attached(artifact.digest)):
        world.artifacts.attach(artifact.digest, world.signer.sign(payload, PAYLOAD_TYPE))
    return _digest(payload)


def create_release(tx: Tx, order: Order, built: Built, signed: Signed) -> Release:
    """The artifact and its configuration get a number."""
    service, artifact = built.service, signed.artifact
    number = records.next_number(tx, service.name)
    release = Release(
        name=f"{service.name}-{number}",
        service=service.name,
        number=number,
        digest=artifact.digest,
        sha=built.commit.sha,
        author=built.commit.author,
        delivery=order.delivery,
        config=service,
        config_digest=_digest(records.dumps(service).encode()),
        created_at=tx.now,
    )
    records.add_release(tx, release)
    records.update_delivery(
        tx, order.delivery, state="delivering", release=release.name, digest=artifact.digest
    )
    about = About(order.delivery, service.name, "", release.name)
    data: dict[str, object] = {
        "digest": artifact.digest,
        "sha": release.sha,
        "size_bytes": artifact.size_bytes,
        "statement": signed.statement,
        "config_digest": release.config_digest,
    }
    append(tx, about, Fact("artifact.packed", artifact.digest, number, data))
    append(tx, about, Fact("release.created", release.name, 0, data))
    return release


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _about(order: Order, service: Service) -> About:
    return About(order.delivery, service.name)


def content_folder(home: Path, digest: str) -> Path:
    """Where an artifact is unpacked for running; one folder per digest, shared by instances."""
    return home / "content" / digest.removeprefix("sha256:")
