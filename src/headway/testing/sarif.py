"""SARIF 2.1.0 into `findings`. Called by `kind`. Unknown properties are allowed by the format."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from headway import typed
from headway.document.problems import invalid, quoted
from headway.model.errors import Invalid, Problem
from headway.testing.findings import Finding, Scan, Severity
from headway.testing.markup import MOST_BYTES, Chunks

MOST_FINDINGS = 500_000
MOST_MESSAGE = 2_000
DEFAULT: Severity = "warning"
Kind = Literal["notApplicable", "pass", "fail", "review", "open", "informational"]


class _Model(msgspec.Struct, rename="camel"):
    """Base of what is read; names are SARIF's."""


class _Text(_Model):
    text: str = ""
    id: str = ""


class _Configuration(_Model):
    level: Severity = DEFAULT


class _Rule(_Model):
    id: str
    default_configuration: _Configuration | None = None


class _Component(_Model):
    name: str
    rules: list[_Rule] = []


class _Tool(_Model):
    driver: _Component
    extensions: list[_Component] = []


class _ComponentReference(_Model):
    index: int = -1


class _RuleReference(_Model):
    id: str = ""
    index: int = -1
    tool_component: _ComponentReference | None = None


class _Artifact(_Model):
    uri: str = ""
    index: int = -1


class _Region(_Model):
    start_line: int = 0
    start_column: int = 0


class _Physical(_Model):
    artifact_location: _Artifact | None = None
    region: _Region | None = None


class _Location(_Model):
    physical_location: _Physical | None = None


class _Suppression(_Model):
    status: Literal["accepted", "underReview", "rejected"] = "accepted"


class _Result(_Model):
    message: _Text
    kind: Kind = "fail"
    level: Severity | None = None
    rule_id: str = ""
    rule_index: int = -1
    rule: _RuleReference | None = None
    locations: list[_Location] = []
    suppressions: list[_Suppression] | None = None
    baseline_state: Literal["new", "unchanged", "updated", "absent"] | None = None


class _Invocation(_Model):
    execution_successful: bool


class _ListedArtifact(_Model):
    location: _Artifact | None = None


class _Run(_Model):
    tool: _Tool
    results: list[_Result] | None = None
    invocations: list[_Invocation] = []
    artifacts: list[_ListedArtifact] = []


class _Log(_Model):
    version: str
    runs: list[_Run]


def read(data: Chunks, file: str) -> Scan:
    """The scan. Raises Invalid: `not-sarif` (with the path in the document), `too-large`."""
    log = _decoded(_whole(data, file), file)
    if log.version != "2.1.0":
        raise _fault(file, f"version {quoted(log.version)} is not read; 2.1.0 is", "not-sarif")
    if sum(len(run.results or ()) for run in log.runs) > MOST_FINDINGS:
        raise _fault(file, f"there are more than {MOST_FINDINGS} results", "too-large")
    findings = tuple(f for run in log.runs for f in _findings(run))
    tools = tuple(run.tool.driver.name for run in log.runs)
    silent = tuple(why for run in log.runs for why in _silent(run))
    return Scan(file, tools, findings, silent)


def _whole(data: Chunks, file: str) -> bytes:
    kept, size = [], 0
    for chunk in data:
        size += len(chunk)
        if size > MOST_BYTES:
            raise _fault(file, f"the file has more than {MOST_BYTES >> 20} MiB", "too-large")
        kept.append(chunk)
    return b"".join(kept).removeprefix(b"\xef\xbb\xbf")


def _decoded(data: bytes, file: str) -> _Log:
    try:
        return typed.loads(data, _Log)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise _fault(file, f"this is no SARIF: {quoted(error)}", "not-sarif") from error


def _fault(file: str, sentence: str, code: str) -> Invalid:
    return invalid([Problem(file, 0, 0, sentence, code)])


def _silent(run: _Run) -> list[str]:
    """Why the run says nothing about the code."""
    if any(not one.execution_successful for one in run.invocations):
        return [f"{run.tool.driver.name} did not succeed"]
    return [f"{run.tool.driver.name} looked for nothing"] if run.results is None else []


def _findings(run: _Run) -> list[Finding]:
    here = [r for r in run.results or () if r.kind == "fail" and r.baseline_state != "absent"]
    rules = {r.id: r for c in (*run.tool.extensions, run.tool.driver) for r in c.rules}
    return [_finding(run, result, _rule(run, result, rules)) for result in here]


def _finding(run: _Run, result: _Result, rule: _Rule | None) -> Finding:
    usual = rule.default_configuration if rule else None
    given = result.suppressions or []
    place = next((x.physical_location for x in result.locations if x.physical_location), None)
    region = place.region if place and place.region else _Region()
    return Finding(
        tool=run.tool.driver.name,
        rule=result.rule_id or (result.rule.id if result.rule else "") or (rule.id if rule else ""),
        level=result.level or (usual.level if usual else DEFAULT),
        message=(result.message.text or result.message.id)[:MOST_MESSAGE],
        file=_file(run, place.artifact_location if place else None),
        line=max(0, region.start_line),
        column=max(0, region.start_column),
        suppressed=bool(given) and all(s.status == "accepted" for s in given),
    )


def _file(run: _Run, artifact: _Artifact | None) -> str:
    if artifact is None:
        return ""
    if not artifact.uri and 0 <= artifact.index < len(run.artifacts):
        listed = run.artifacts[artifact.index].location
        return listed.uri if listed else ""
    return artifact.uri


def _rule(run: _Run, result: _Result, every: Mapping[str, _Rule]) -> _Rule | None:
    """The rule by its index in the component that is meant, else by its id (or the id before the
    last slash, 3.27.5).
    """
    reference = result.rule or _RuleReference()
    index = result.rule_index if result.rule_index >= 0 else reference.index
    rules = _component(run.tool, reference).rules
    if 0 <= index < len(rules):
        return rules[index]
    wanted = result.rule_id or reference.id
    return every.get(wanted) or every.get(wanted.rpartition("/")[0])


def _component(tool: _Tool, reference: _RuleReference) -> _Component:
    index = reference.tool_component.index if reference.tool_component else -1
    return tool.extensions[index] if 0 <= index < len(tool.extensions) else tool.driver
