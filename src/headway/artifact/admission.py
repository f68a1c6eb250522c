"""May this artifact be deployed? What its signed statements must say, asked before every deploy.

The flow verifies each envelope's signature with the Signer first; only the statements whose
signature held come here. Signed text is still hostile: it is read strictly and shown escaped.
"""

from dataclasses import dataclass

from headway.artifact import strict
from headway.artifact.claims import builder_of, commits_of
from headway.artifact.manifest import digest_of
from headway.artifact.provenance import PAYLOAD_TYPE, PREDICATE_TYPE, STATEMENT_TYPE
from headway.artifact.strict import Unreadable, shown
from headway.model.verdict import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Attested:
    """One envelope whose signature by the trusted key `keyid` was verified. `builders`: for whom
    that key may sign; empty: for any.
    """

    keyid: str
    payload_type: str
    payload: bytes
    builders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Expected:
    """Whose build is trusted (`builders`: URIs), and of what source and workflow.

    `elsewhere`: builders that are no Headway; of them only the commit is asked. `also`: other
    digests of the same content, under which the statement may name it.
    """

    repository: str
    commit: str
    workflow: str
    builders: tuple[str, ...]
    elsewhere: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


class _Fault(Exception):
    """One reason, and how many checks held before it."""

    def __init__(self, held: int, reason: str) -> None:
        super().__init__(reason)
        self.held = held
        self.reason = reason


def judge(digest: str, statements: tuple[Attested, ...], expected: Expected) -> Verdict:
    """PASS if one statement holds in every point, else FAIL with the nearest one's first fault.

    `judge` of the verdict is `signature` if nobody trusted vouches for the digest, else
    `provenance`. Evidence: the digest of the statement that decided.
    """
    if not statements:
        because = f"no trusted signature vouches for {shown(digest)}"
        return Verdict("signature", Outcome.FAIL, because)
    faults: list[tuple[_Fault, Attested]] = []
    for one in statements:
        try:
            by = _check(digest, one, expected)
        except _Fault as fault:
            faults.append((fault, one))
            continue
        how = f"built elsewhere by {shown(by)}" if by in expected.elsewhere else "built"
        because = f"{how} from commit {shown(expected.commit)}, signed by key {one.keyid[:12]}"
        return Verdict("provenance", Outcome.PASS, because, (digest_of(one.payload),))
    nearest, decided = max(faults, key=lambda pair: pair[0].held)
    return Verdict("provenance", Outcome.FAIL, nearest.reason, (digest_of(decided.payload),))


def _check(digest: str, one: Attested, expected: Expected) -> str:
    """Gives who built it."""
    if one.payload_type != PAYLOAD_TYPE:
        what = shown(one.payload_type)
        raise _Fault(0, f"the signed payload is of type {what}, not {PAYLOAD_TYPE}")
    try:
        fields = strict.mapping(strict.loads(one.payload), "the statement")
    except Unreadable as unread:
        raise _Fault(1, f"the signed statement cannot be read: {unread}") from None
    try:
        _check_statement((digest, *expected.also), fields)
        predicate = strict.mapping(fields.get("predicate"), "`predicate`")
        _check_key(one, builder_of(predicate))
        return _check_predicate(predicate, expected)
    except Unreadable as unread:
        raise _Fault(2, f"the signed statement is incomplete: {unread}") from None


def _check_statement(known: tuple[str, ...], fields: dict[str, object]) -> None:
    if fields.get("_type") != STATEMENT_TYPE:
        raise _Fault(2, f"the signed statement is no {STATEMENT_TYPE}")
    stated = strict.text(fields.get("predicateType"), "`predicateType`")
    if stated != PREDICATE_TYPE:
        raise _Fault(3, f"the statement is {shown(stated)}, not provenance ({PREDICATE_TYPE})")
    subjects = strict.sequence(fields.get("subject"), "`subject`")
    if len(subjects) != 1:
        raise _Fault(4, f"the provenance names {len(subjects)} artifacts, not one")
    digests = strict.mapping(
        strict.mapping(subjects[0], "the subject").get("digest"), "the digest of the subject"
    )
    sha256 = strict.text(digests.get("sha256"), "the sha256 of the subject")
    if f"sha256:{sha256}" not in known:
        what = shown(f"sha256:{sha256}")
        raise _Fault(5, f"the provenance is for another artifact, {what}, not {shown(known[0])}")


def _check_key(one: Attested, builder: str) -> None:
    if one.builders and builder not in one.builders:
        because = f"the key {one.keyid[:12]} may not sign for {shown(builder)}"
        raise _Fault(6, because)


def _check_predicate(predicate: dict[str, object], expected: Expected) -> str:
    name = builder_of(predicate)
    if name in expected.elsewhere:
        _check_elsewhere(predicate, expected)
        return name
    if name not in expected.builders:
        raise _Fault(6, f"it was built by {shown(name)}, which is not a trusted builder")
    definition = strict.mapping(predicate.get("buildDefinition"), "`buildDefinition`")
    given = strict.mapping(definition.get("externalParameters"), "`externalParameters`")
    wanted = (
        ("repository", expected.repository),
        ("commit", expected.commit),
        ("workflow", expected.workflow),
    )
    for held, (key, want) in enumerate(wanted, start=7):
        stated = strict.text(given.get(key), f"`{key}`")
        if stated != want:
            raise _Fault(held, f"it was built from {key} {shown(stated)}, expected {shown(want)}")
    return name


def _check_elsewhere(predicate: dict[str, object], expected: Expected) -> None:
    """Other builders name repository and workflow in ways of their own; a commit is its content."""
    commits = commits_of(predicate)
    if not commits:
        raise _Fault(7, "the provenance does not say of which commit it is")
    if expected.commit not in commits:
        named = shown(commits[0])
        raise _Fault(8, f"it was built from commit {named}, expected {shown(expected.commit)}")
