"""The signed statement of how an artifact was built: in-toto Statement v1, SLSA provenance v1.

Formats: in-toto attestation spec v1 (statement.md) and slsa.dev/provenance/v1. Written once after a
build; `admission.judge` reads it back before every deploy.
"""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime

from headway.artifact import strict
from headway.artifact.manifest import checked_digest

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:headway:build:workflow:v1"


@dataclass(frozen=True, slots=True)
class Build:
    """One run of a workflow at a commit.

    `run` names the pipeline run, `builder` is the URI of who ran it, `started_at` and
    `finished_at` are Unix seconds. `actions`: `owner/name@ref` and the commit it was pinned to.
    """

    service: str
    repository: str
    ref: str
    commit: str
    workflow: str
    run: str
    builder: str
    started_at: float
    finished_at: float
    actions: tuple[tuple[str, str], ...] = ()


def statement(build: Build, digest: str, results: dict[str, str], upload: str) -> bytes:
    """Canonical JSON of the statement that `build` made the artifact `digest`.

    `results`: outcome of each job by its name; `upload`: which upload became the artifact.
    Raises Unreadable if `digest` is no sha256 digest.
    """
    hexes = checked_digest(digest).removeprefix("sha256:")
    return strict.dumps(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": build.service, "digest": {"sha256": hexes}}],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "buildDefinition": _definition(build),
                "runDetails": _details(build, results, upload),
            },
        }
    )


def _definition(build: Build) -> dict[str, object]:
    source = {"uri": f"git+{build.repository}@{build.ref}", "digest": {"gitCommit": build.commit}}
    return {
        "buildType": BUILD_TYPE,
        "externalParameters": {
            "repository": build.repository,
            "ref": build.ref,
            "workflow": build.workflow,
            "commit": build.commit,
        },
        "resolvedDependencies": [source, *(_action(*pinned) for pinned in build.actions)],
    }


def _action(uses: str, commit: str) -> dict[str, object]:
    """As a package URL of type githubactions (github.com/package-url/purl-spec)."""
    return {"uri": f"pkg:githubactions/{uses}", "digest": {"gitCommit": commit}}


def _details(build: Build, results: dict[str, str], upload: str) -> dict[str, object]:
    outcome = strict.dumps({"jobs": results, "upload": upload})
    return {
        "builder": {"id": build.builder},
        "metadata": {
            "invocationId": build.run,
            "startedOn": _rfc3339(build.started_at),
            "finishedOn": _rfc3339(build.finished_at),
        },
        "byproducts": [
            {
                "name": "results",
                "mediaType": "application/json",
                "content": base64.standard_b64encode(outcome).decode("ascii"),
            }
        ],
    }


def _rfc3339(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
