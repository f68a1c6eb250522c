"""What a statement of provenance claims: who built, from which commit.

A claim is believed by nobody yet: `admission.judge` weighs it. flows/handover asks it which commit
an artifact is of. Format: slsa.dev/provenance/v1. Builders name the source in one of two ways:
`externalParameters.commit` (Headway), or a `resolvedDependencies` entry with a `gitCommit` digest.
"""

import re
from dataclasses import dataclass

from headway.artifact import strict
from headway.artifact.strict import Unreadable

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_GIT = ("gitCommit", "sha1")


@dataclass(frozen=True, slots=True)
class Claim:
    """`builder`: a URI; `commits`: of the source, none if it does not say."""

    builder: str
    commits: tuple[str, ...]


def claimed(payload: bytes) -> Claim:
    """The claim of an in-toto statement. Raises Unreadable if it is no provenance."""
    fields = strict.mapping(strict.loads(payload), "the statement")
    predicate = strict.mapping(fields.get("predicate"), "`predicate`")
    return Claim(builder_of(predicate), commits_of(predicate))


def builder_of(predicate: dict[str, object]) -> str:
    """The builder's URI. Raises Unreadable."""
    details = strict.mapping(predicate.get("runDetails"), "`runDetails`")
    builder = strict.mapping(details.get("builder"), "`builder`")
    return strict.text(builder.get("id"), "`builder.id`")


def commits_of(predicate: dict[str, object]) -> tuple[str, ...]:
    """Full commit ids of the source: those that come from git, each once. Raises Unreadable."""
    definition = strict.mapping(predicate.get("buildDefinition"), "`buildDefinition`")
    given = strict.mapping(definition.get("externalParameters", {}), "`externalParameters`")
    found = [given.get("commit")]
    listed = strict.sequence(definition.get("resolvedDependencies", []), "`resolvedDependencies`")
    for one in listed:
        dependency = strict.mapping(one, "a dependency")
        if str(dependency.get("uri", "")).startswith("git+"):
            digest = strict.mapping(dependency.get("digest", {}), "the digest of a dependency")
            found += [digest.get(kind) for kind in _GIT]
    return tuple(dict.fromkeys(c for c in found if isinstance(c, str) and _COMMIT.fullmatch(c)))


def named(payload: bytes) -> str:
    """The builder that a statement names, "" if it cannot be read: for the log only."""
    try:
        return claimed(payload).builder
    except Unreadable:
        return ""
