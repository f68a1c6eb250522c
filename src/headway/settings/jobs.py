"""`pipeline.jobs`: what the file says of jobs of workflows, and whether a workflow has them.

`jobs` and `waivers` are called by `building`, `of` and `unknown` by flows/job_settings.py when a
run is made: only then is the workflow known.
"""

from collections.abc import Iterable
from posixpath import basename
from typing import cast

from headway import document
from headway.document import Node, Scalar, quoted
from headway.model.errors import Problem
from headway.model.job_settings import (
    CoverageReports,
    FindingReports,
    Flaky,
    JobSettings,
    Retry,
    Severity,
    Size,
    TestReports,
    Waiver,
)
from headway.model.service import Service
from headway.settings.block import Block
from headway.settings.sentences import near


def jobs(pipeline: Block, waivers: tuple[Waiver, ...] = ()) -> dict[str, JobSettings]:
    """By name, as written; from the `pipeline` block of a file that the schema has approved.

    `waivers` are for every job that looks for findings.
    """
    written = pipeline.block("jobs").node
    critical = pipeline.texts("critical")
    entries = written.entries if written else ()
    return {key.text: _job(Block(value), critical, waivers) for key, value in entries}


def waivers(top: Block) -> tuple[Waiver, ...]:
    """`waivers` as written, in a file that the schema has approved."""
    return tuple(_waiver(Block(item)) for item in top.items("waivers"))


def _waiver(block: Block) -> Waiver:
    return Waiver(
        rule=block.text("rule", ""),
        owner=block.text("owner", ""),
        reason=block.text("reason", ""),
        expires=block.text("expires", ""),
        at=block.text("at", ""),
    )


def of(service: Service, workflow: str) -> dict[str, JobSettings]:
    """The settings of that workflow file's jobs, by their id in a run."""
    return {
        id: settings
        for name, settings in service.jobs.items()
        for file, id in [_split(name)]
        if file in _files(service, workflow)
    }


def unknown(
    root: document.Mapping, file: str, service: Service, workflow: str, known: Iterable[str]
) -> list[Problem]:
    """A problem for each of these jobs that the workflow does not have. `root`: the file's tree."""
    ids = list(known)
    written = Block(root).block("pipeline").block("jobs").node
    found = []
    for key, _ in written.entries if written else ():
        of_file, id = _split(key.text)
        if of_file in _files(service, workflow) and id not in ids:
            sentence = f"{workflow} has no job {quoted(id)}.{near(id, ids)}"
            found.append(Problem(file, key.at.line, key.at.column, sentence, "unknown-job"))
    return found


def _files(service: Service, workflow: str) -> tuple[str, ...]:
    """What may stand before the names of the workflow's jobs."""
    named = f"{basename(workflow)}/"
    return ("", named) if workflow == service.workflow else (named,)


def _split(name: str) -> tuple[str, str]:
    """`ci.yml/a / b` is `ci.yml/` and `a / b`."""
    head, slash, rest = name.partition("/")
    return (f"{head}/", rest) if slash and not head.endswith(" ") else ("", name)


def _job(block: Block, critical: tuple[str, ...], waivers: tuple[Waiver, ...]) -> JobSettings:
    return JobSettings(
        paths=block.texts("paths"),
        retry=_retry(block.get("retry")),
        tests=_tests(block.block("tests")) if block.get("tests") else None,
        coverage=_coverage(block.block("coverage")) if block.get("coverage") else None,
        findings=_findings(block.block("findings"), waivers) if block.get("findings") else None,
        critical=critical if block.get("coverage") else (),
    )


def _retry(node: Node | None) -> Retry:
    was = Retry()
    if isinstance(node, Scalar):
        return Retry(int(cast("int", node.value)), was.backoff_seconds)
    if node is None:
        return was
    block = Block(node)
    return Retry(block.whole("times", 1), block.seconds("backoff", was.backoff_seconds))


def _tests(block: Block) -> TestReports:
    return TestReports(
        reports=block.texts("reports"),
        flaky=cast("Flaky", block.text("flaky", "judge")),
        size=cast("Size", block.text("size", "")),
    )


def _coverage(block: Block) -> CoverageReports:
    lines = _share(block, "at_least")
    critical = _share(block, "critical")
    return CoverageReports(
        reports=block.texts("reports"),
        lines=lines,
        branches=_share(block, "branches"),
        critical=lines if critical is None else critical,
    )


def _share(block: Block, key: str) -> float | None:
    return block.fraction(key, 0.0) if block.get(key) else None


def _findings(block: Block, waivers: tuple[Waiver, ...]) -> FindingReports:
    level = cast("Severity", block.text("block", "error"))
    return FindingReports(block.texts("reports"), level, waivers)
