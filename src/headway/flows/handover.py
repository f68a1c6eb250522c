"""An artifact that another system built, taken over: brought here, proven, numbered.

Called by flows/deliver instead of build; everything after it is the same. Nothing is believed that
a key trusted by this home did not sign, and only builders that the service's headway.yaml names.
"""

import hashlib
import tempfile
from dataclasses import dataclass, replace

from headway.artifact import claims
from headway.artifact.strict import Unreadable, shown
from headway.flows.build import Built, Signed, create_release, read_commit, read_config
from headway.flows.enter import admission, attestations
from headway.flows.journal import Journal
from headway.flows.world import World
from headway.model.artifact import Artifact, Envelope
from headway.model.commit import Commit
from headway.model.delivery import Order, Release
from headway.model.errors import Invalid, Refused
from headway.model.event import Fact
from headway.model.service import Service
from headway.model.verdict import Outcome, Verdict
from headway.ports.artifact_registry import Pulled
from headway.store import records
from headway.store.database import Tx
from headway.store.log import About, append


@dataclass(frozen=True, slots=True)
class Handed:
    """What is taken over: by whom it was built, from what, and what the proof is worth."""

    artifact: Artifact
    builder: str
    commit: Commit
    service: Service
    verdict: Verdict


def take_over(journal: Journal, world: World, order: Order) -> Release:
    """Raises Refused (unsigned; another key, subject, builder or commit; tampered; hostile),
    Invalid (no such artifact, headway.yaml), Unreachable (registry).
    """
    artifact = journal.act("bring artifact", bring, world, order)
    known = journal.act("read claim", of_commit, world, order, artifact)
    commit = journal.act("read commit", commit_of, world, known)
    service = journal.act("read headway.yaml", read_config, world, known)
    handed = journal.act("verify hand-over", prove, world, artifact, commit, service)
    journal.commit("handed over", handed_over, order, handed)
    if handed.verdict.outcome is not Outcome.PASS:
        raise _unproven(handed.verdict.judge, artifact, handed.verdict.because)
    signed = Signed(artifact, handed.verdict.evidence[0])
    return journal.commit("release", create_release, order, Built(commit, service, ()), signed)


def bring(world: World, order: Order) -> Artifact:
    """The artifact, in this home's store from now on. The same again changes nothing."""
    where, _, digest = order.artifact.rpartition("@")
    if not where:
        return world.artifacts.verify(digest)
    connection, _, repository = where.partition("/")
    with tempfile.TemporaryDirectory(prefix="hand-", dir=world.home) as folder:
        found = world.registries(connection).pull(repository, digest, folder)
        return keep(world, found)


def keep(world: World, found: Pulled) -> Artifact:
    """Store what came, with what is said about it."""
    artifact = world.artifacts.take(found.manifest, found.blobs)
    attach(world, artifact, found.statements)
    return artifact


def attach(world: World, artifact: Artifact, statements: tuple[Envelope, ...]) -> None:
    """Keep what is said about the artifact; what is known already is not kept twice."""
    known = world.artifacts.attached(artifact.digest)
    for envelope in statements:
        if envelope not in known:
            world.artifacts.attach(artifact.digest, envelope)


def of_commit(world: World, order: Order, artifact: Artifact) -> Order:
    """The order with the commit that a trusted statement names; if one was asked for, that one.

    Raises Refused (`signature`, `provenance`).
    """
    attested, refused = attestations(world, artifact.digest)
    if not attested:
        why = refused[0] if refused else "nothing is signed about it"
        raise _unproven("signature", artifact, why)
    if order.sha:
        return order
    commits = [c for one in attested for c in _commits(one.payload)]
    if not commits:
        raise _unproven("provenance", artifact, "no signed statement says of which commit it is")
    return replace(order, sha=commits[0])


def _commits(payload: bytes) -> tuple[str, ...]:
    try:
        return claims.claimed(payload).commits
    except Unreadable:
        return ()  # a statement of another kind; `prove` says which if none counts


def commit_of(world: World, order: Order) -> Commit:
    """The commit as this home's repository has it. Raises Refused (`unknown-commit`)."""
    try:
        return read_commit(world, order)
    except Invalid as error:
        if error.code != "unknown-revision":
            raise
        raise Refused(
            f"the artifact is of commit {shown(order.sha)}, which the repository does not have",
            why="only what is under version control here is delivered",
            next="push the commit, then hand the artifact over again",
            code="unknown-commit",
        ) from error


def prove(world: World, artifact: Artifact, commit: Commit, service: Service) -> Handed:
    """What the signed statements are worth, asked as before every deploy."""
    digest = artifact.digest
    verdict = admission(world, commit.repo, digest, commit.sha, service)
    attested, _ = attestations(world, digest)
    decided = [a for a in attested if _digest(a.payload) in verdict.evidence]
    builder = claims.named(decided[0].payload) if decided else ""
    return Handed(artifact, builder, commit, service, verdict)


def handed_over(tx: Tx, order: Order, handed: Handed) -> None:
    """The hand-over is a fact, also when it is refused."""
    commit, verdict = handed.commit, handed.verdict
    named = {"sha": commit.sha, "author": commit.author, "subject": commit.subject}
    digest = handed.artifact.digest
    records.update_delivery(
        tx, order.delivery, state="building", digest=digest, ref=commit.ref, **named
    )
    data: dict[str, object] = {
        "digest": digest,
        "builder": handed.builder,
        "origin": order.artifact,
        "outcome": str(verdict.outcome),
        "judge": verdict.judge,
        "because": verdict.because,
        "path": [e.name for e in handed.service.environments],
        **named,
    }
    about = About(order.delivery, handed.service.name)
    append(tx, about, Fact("artifact.handed_over", order.delivery, 0, data))


def _unproven(judge: str, artifact: Artifact, why: str) -> Refused:
    return Refused(
        f"the artifact {shown(artifact.digest)} is not taken over",
        why=why,
        next="see docs/how-to/hand-over.md for what a hand-over must prove",
        code=judge,
    )


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
