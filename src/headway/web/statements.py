"""The signed statements of an artifact, read for people: by whose key, of which build.

What they say is shown as claimed: whether it is trusted is decided at every deploy
(artifact/admission.py), and shown as that verdict.
"""

from dataclasses import dataclass

from headway.artifact import strict
from headway.artifact.claims import builder_of, commits_of
from headway.model.artifact import Envelope


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. `kind`: its predicate type; `problem`: why it cannot be read, or empty."""

    kind: str
    keys: tuple[str, ...]
    builder: str
    commits: tuple[str, ...]
    workflow: str
    problem: str = ""


def read(envelope: Envelope) -> Statement:
    """What the envelope claims."""
    keys = tuple(s.keyid for s in envelope.signatures)
    try:
        fields = strict.mapping(strict.loads(envelope.payload), "the statement")
        predicate = strict.mapping(fields.get("predicate"), "`predicate`")
        kind = strict.text(fields.get("predicateType"), "`predicateType`")
        return Statement(
            kind, keys, builder_of(predicate), commits_of(predicate), _workflow(predicate)
        )
    except strict.Unreadable as error:
        return Statement(envelope.payload_type, keys, "", (), "", str(error))


def _workflow(predicate: dict[str, object]) -> str:
    definition = strict.mapping(predicate.get("buildDefinition"), "`buildDefinition`")
    given = strict.mapping(definition.get("externalParameters", {}), "`externalParameters`")
    return str(given.get("workflow", ""))
