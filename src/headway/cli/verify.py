"""`headway verify`: is this digest what it claims to be, and may it run there?"""

from dataclasses import dataclass

import click
import sqlalchemy as sa

from headway.artifact import strict
from headway.artifact.strict import Unreadable
from headway.cli import names, said
from headway.cli.context import Context, pass_context
from headway.cli.options import verb
from headway.flows import enter
from headway.flows.trip import Trip
from headway.gate import quarantine
from headway.model.artifact import Envelope
from headway.model.delivery import Release
from headway.model.errors import Invalid, Refused
from headway.model.verdict import Outcome, Verdict
from headway.store import decisions, records
from headway.store.tables import releases
from headway.store.views import ids
from headway.wording.text import columns, marked


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at."""

    check: str
    outcome: str
    because: str


@verb("headway verify sha256:3f2a --env production", "headway verify shop-43 --env staging --json")
@click.argument("digest", metavar="DIGEST", shell_complete=names.digests)
@said.environment()
@pass_context
def verify(context: Context, digest: str, environment: str) -> None:
    """Check signature, provenance and attestations of an artifact.

    The checks that every deploy makes, one line each. DIGEST is a beginning of it, or a release.
    Exit code 3 if the environment would refuse it.
    """
    with context.reading() as connection:
        release, trip = _trip(connection, ids.digest(connection, digest), environment)
        because = decisions.quarantined(connection, release.digest, release.service, environment)
    lines = [*_content(context, release), *_attestations(context, release)]
    if all(line.outcome == "PASS" for line in lines):
        lines.append(_line("admission", enter.verify(context.headway.world, trip)))
    lines.append(_line("quarantine", quarantine.judge(because, environment)))
    good = all(line.outcome == "PASS" for line in lines)
    if context.json:
        told = {"digest": release.digest, "environment": environment, "admitted": good}
        context.document({**told, "checks": lines})
    else:
        context.line(f"{release.digest}  {release.name} in {environment}")
        context.lines(columns([(marked(n.outcome), n.check, n.because) for n in lines]))
    click.get_current_context().exit(0 if good else Refused.exit_code)


def _trip(connection: sa.Connection, digest: str, name: str) -> tuple[Release, Trip]:
    """The newest release of the digest, on its way into the environment."""
    query = sa.select(releases.c.name).where(releases.c.digest == digest)
    newest = connection.execute(query.order_by(releases.c.created_at.desc())).scalar()
    assert newest is not None
    release = records.release(connection, newest)
    known = {e.name: e for e in release.config.environments}
    if name not in known:
        raise Invalid(
            f"{newest} has no environment `{name}`",
            why=f"its path is {', '.join(known)}",
            code="unknown-name",
        )
    repo = records.delivery(connection, release.delivery).repo
    return release, Trip(release.delivery, repo, release, known[name])


def _content(context: Context, release: Release) -> list[Line]:
    try:
        artifact = context.headway.world.artifacts.verify(release.digest)
    except (Refused, Invalid) as error:
        return [Line("content", "FAIL", str(error))]
    return [Line("content", "PASS", f"every blob hashes right, {artifact.size_bytes:,} bytes")]


def _attestations(context: Context, release: Release) -> list[Line]:
    found = context.headway.world.artifacts.attached(release.digest)
    if not found:
        return [Line("signature", "FAIL", "nothing is signed about this digest")]
    return [_attestation(context, envelope) for envelope in found]


def _attestation(context: Context, envelope: Envelope) -> Line:
    kind = _kind(envelope)
    try:
        key = context.headway.world.signer.verify(envelope)
    except Refused as error:
        return Line("signature", "FAIL", f"{kind}: {error}")
    return Line("signature", "PASS", f"{kind}, by key {key[:12]}")


def _kind(envelope: Envelope) -> str:
    """What a signed statement says it is; hostile text."""
    try:
        fields = strict.mapping(strict.loads(envelope.payload), "the statement")
        return strict.text(fields.get("predicateType"), "`predicateType`")
    except Unreadable as error:
        return f"unreadable ({error})"


def _line(check: str, verdict: Verdict) -> Line:
    word = "PASS" if verdict.outcome is Outcome.PASS else str(verdict.outcome)
    return Line(check, word, verdict.because)
