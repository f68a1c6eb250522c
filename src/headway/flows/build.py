"""From a commit to a signed artifact and a numbered release. Called by flows/deliver.py, once per
delivery: whatever happens later, nothing is built again.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from headway import pipeline, settings
from headway.artifact.provenance import PAYLOAD_TYPE, Build, statement
from headway.flows.journal import Journal
from headway.flows.world import World
from headway.model.artifact import Artifact
from headway.model.commit import Commit
from headway.model.delivery import Order, Release
from headway.model.errors import Failed, Invalid
from headway.model.event import Fact
from headway.model.pipeline import JobOrder, JobResult, PlannedJob, Upload
from headway.model.service import Service
from headway.settings import openslo
from headway.store import records
from headway.store.database import Tx
from headway.store.log import About, append


@dataclass(frozen=True, slots=True)
class Built:
    """What the pipeline made, and from what."""

    commit: Commit
    service: Service
    results: tuple[JobResult, ...]


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
    results: list[JobResult] = []
    for job in jobs:
        results.append(journal.act(f"job {job.id}", run_job, world, order, job))
        journal.commit(f"job {job.id} ended", job_ended, order, service, results[-1])
        _must_be_green(order, results[-1])
    built = Built(commit, service, tuple(results))
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
    names another service.
    """
    service = settings.read(_text(world, order, "headway.yaml"), "headway.yaml")
    if order.service and service.name != order.service:
        raise Invalid(
            f"headway.yaml names the service `{service.name}`, this delivery is of "
            f"`{order.service}`",
            next=f"write `service: {order.service}`, or push to `{service.name}.git`",
            code="other-service",
        )
    return openslo.resolved(service, lambda path: _text(world, order, path))


def plan_jobs(world: World, order: Order, service: Service) -> tuple[PlannedJob, ...]:
    """The workflow of that commit, as jobs in an order that respects their needs."""
    text = _text(world, order, service.workflow)
    return pipeline.plan(pipeline.read(text, service.workflow))


def _text(world: World, order: Order, path: str) -> str:
    try:
        return world.source.read(order.repo, order.sha, path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid(f"`{path}` is not UTF-8", why=str(error), code="encoding") from error


def run_job(world: World, order: Order, job: PlannedJob) -> JobResult:
    """One job, from a clean checkout, to its end."""
    return world.runner.run(JobOrder(order.delivery, 1, job, order.repo, order.sha, ref=order.ref))


def planned(
    tx: Tx, order: Order, commit: Commit, service: Service, jobs: tuple[PlannedJob, ...]
) -> None:
    """The commit is known and its pipeline planned."""
    records.update_delivery(
        tx, order.delivery, state="building", author=commit.author, subject=commit.subject
    )
    data: dict[str, object] = {
        "sha": commit.sha,
        "ref": commit.ref,
        "author": commit.author,
        "subject": commit.subject,
        "jobs": [j.id for j in jobs],
        "path": [e.name for e in service.environments],
    }
    append(tx, _about(order, service), Fact("pipeline.started", order.delivery, 0, data))


def job_ended(tx: Tx, order: Order, service: Service, result: JobResult) -> None:
    """A job's result is a fact, green or red."""
    data: dict[str, object] = {
        "job": result.job,
        "outcome": result.outcome,
        "seconds": round(result.finished_at - result.started_at, 3),
        "steps": [
            {"name": s.name, "outcome": s.outcome, "exit": s.exit_code, "log": s.log}
            for s in result.steps
        ],
    }
    fact = Fact(f"job.finished:{result.job}", order.delivery, 0, data)
    append(tx, _about(order, service), fact)


def _must_be_green(order: Order, result: JobResult) -> None:
    if result.outcome == "success":
        return
    red = next((s for s in result.steps if s.outcome not in {"success", "skipped"}), None)
    where = f", step `{red.name}`, exit {red.exit_code}" if red else ""
    raise Failed(
        f"job `{result.job}` failed{where}",
        why=red.tail if red else "",
        next=f"headway delivery show {order.delivery}",
        code="job-failed",
    )


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
    uploads = [u for r in built.results for u in r.uploads]
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
    facts = Build(
        service=built.service.name,
        repository=order.repo,
        ref=built.commit.ref,
        commit=built.commit.sha,
        workflow=built.service.workflow,
        run=order.delivery,
        builder=world.builder,
        started_at=min(r.started_at for r in built.results),
        finished_at=max(r.finished_at for r in built.results),
    )
    outcomes = {r.job: str(r.outcome) for r in built.results}
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
