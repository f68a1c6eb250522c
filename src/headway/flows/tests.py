"""A job that has ended, judged by the reports that it declared. Called by flows/pipeline_jobs in
the job's own thread, so that nobody else waits.

Reads the reports, keeps their results if there is somebody to keep them (`History`), and asks
testing/decision. Silence is never a pass: what was declared and is not there makes the job red.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from headway.flows.pipeline_bench import Bench
from headway.flows.tests_history import Kept
from headway.model.errors import HeadwayError
from headway.model.job import Checks, JobOrder, JobReport, ReportFile
from headway.model.job_settings import JobSettings
from headway.pipeline.run.retries import settings_of
from headway.pipeline.run.state import RunSpec
from headway.ports.blob_store import BlobStore
from headway.testing import coverage as covering
from headway.testing import decision, kind, pyramid
from headway.testing import findings as finding
from headway.testing.coverage import Coverage, CoverageGate, Least
from headway.testing.decision import Asked, Decision
from headway.testing.findings import FindingsGate, Scan
from headway.testing.judge import Gates, Stage
from headway.testing.kind import Read
from headway.testing.origin import Origin
from headway.testing.result import Attempts, Report, TestId, attempts, merged

CHUNK = 1 << 16
SHOWN = 3
_KINDS: tuple[tuple[str, type[Read], str], ...] = (
    ("tests", Report, "results of tests"),
    ("coverage", Coverage, "coverage"),
    ("findings", Scan, "findings"),
)


@dataclass(frozen=True, slots=True)
class Trial:
    """A try of a job that came back. `content`: its content key, "" if it has none; `before`: the
    reports of the tries before it, oldest first.
    """

    spec: RunSpec
    order: JobOrder
    report: JobReport
    content: str = ""
    before: tuple[JobReport, ...] = ()

    @property
    def settings(self) -> JobSettings:
        """What headway.yaml says of the job."""
        return settings_of(self.spec, self.order.id)

    @property
    def origin(self) -> Origin:
        """Where its results come from. Files of a folder that differ are of no commit: then only
        tries of the same run can prove a flake.
        """
        spec, order = self.spec, self.order
        tests = self.settings.tests
        run = spec.id if order.attempt == 1 else f"{spec.id}/{order.attempt}"
        branch = spec.ref.removeprefix("refs/heads/").removeprefix("refs/")
        own = self.content or (f"{spec.id}/{order.key}" if spec.changed else "")
        size = tests.size if tests else ""
        return Origin(spec.service, run, order.key, spec.sha, own, branch, size)


@dataclass(frozen=True, slots=True)
class _Found:
    """The reports of one try. `wrong`: what is missing or cannot be read, in words."""

    reports: tuple[tuple[str, Report], ...] = ()
    covered: tuple[Coverage, ...] = ()
    scans: tuple[Scan, ...] = ()
    wrong: tuple[str, ...] = ()


def judged(bench: Bench, trial: Trial) -> JobReport:
    """The report of the try with what its reports say of it: its outcome may change either way.

    A fork's results are judged like any other and never kept. Raises HeadwayError if what is
    remembered cannot be read or written.
    """
    settings, report = trial.settings, trial.report
    if not settings.reports or report.outcome not in {"success", "failure"} or report.checks:
        return report
    found = _read(bench.blobs, report, settings)
    covered, history = _joined(found), bench.history
    gates = _gates(settings)
    if history is not None and trial.spec.trusted:
        of_commit = None if trial.spec.changed else covered
        history.keep(trial.origin, Kept(found.reports, of_commit, gates.coverage))
    if found.wrong:
        return _without(trial, found)
    tries = _tries(found)
    stage = Stage(_together(bench.blobs, trial, tries), {}, covered, found.scans)
    if history is not None:
        bad = [a.id for a in stage.tests if a.failures]
        stage = replace(stage, past=history.past(trial.origin, bad) if bad else {})
    tests = settings.tests
    asked = Asked(
        stage, tries, gates,
        block=tests is not None and tests.flaky == "block",
        known_only=bool(trial.spec.folder),
    )  # fmt: skip
    written = [step.id for step in trial.order.steps]
    end = decision.end_of(report, written, {r.tool for _, r in found.reports})
    return _told(trial, asked, decision.decide(end, asked, now := bench.clock.now()), now)


def recalled(bench: Bench, trial: Trial) -> None:
    """The job was not run again: the coverage that its report shows is this commit's, too. Raises
    HeadwayError if it cannot be read any more, or not be kept.
    """
    settings, spec = trial.settings, trial.spec
    if bench.history is None or settings.coverage is None or not spec.trusted or spec.changed:
        return
    covered = _joined(_read(bench.blobs, trial.report, settings))
    bench.history.keep(trial.origin, Kept((), covered, _gates(settings).coverage))


def _gates(settings: JobSettings) -> Gates:
    coverage, findings = settings.coverage, settings.findings
    covered = None
    if coverage is not None:
        critical = tuple(Least(glob, lines=coverage.critical) for glob in settings.critical)
        covered = CoverageGate(Least("", coverage.lines, coverage.branches), critical)
    return Gates(
        least_tests=1 if settings.tests else 0,
        coverage=covered,
        findings=FindingsGate(findings.block, findings.waivers) if findings else None,
    )


# Reading.


def _read(blobs: BlobStore, report: JobReport, settings: JobSettings) -> _Found:
    wrong: list[str] = []
    reports: list[tuple[str, Report]] = []
    covered: list[Coverage] = []
    scans: list[Scan] = []
    for name, wanted, words in _KINDS:
        declared = getattr(settings, name)
        for file in _files(report, declared.reports if declared else (), words, wrong):
            try:
                read = kind.read(_chunks(blobs, file.digest), file.path)
            except HeadwayError as error:
                wrong.append(str(error))
                continue
            if not isinstance(read, wanted):
                wrong.append(f"{file.path} holds no {words}")
            elif isinstance(read, Report):
                reports.append((file.digest, read))
            elif isinstance(read, Coverage):
                covered.append(read)
            else:
                scans.append(read)
    return _twice(_Found(tuple(reports), tuple(covered), tuple(scans), tuple(wrong)))


def _files(
    report: JobReport, globs: Sequence[str], words: str, wrong: list[str]
) -> Iterator[ReportFile]:
    """The files of these globs, each once; what is not there is added to `wrong`."""
    there = {glob for file in report.reports for glob in file.globs}
    missing = [glob for glob in globs if glob not in there]
    wrong += [f"no file matches `{glob}`, where {words} are to be" for glob in missing]
    for file in report.reports:
        if not set(globs) & set(file.globs):
            continue
        if file.problem:
            wrong.append(f"{file.path}: {file.problem}")
        else:
            yield file


def _chunks(blobs: BlobStore, digest: str) -> Iterator[bytes]:
    with blobs.open(digest) as stream:
        while chunk := stream.read(CHUNK):
            yield chunk


def _joined(found: _Found) -> Coverage | None:
    return None if found.wrong else covering.joined(found.covered)


def _twice(found: _Found) -> _Found:
    """Coverage of the same file in two reports cannot be added up."""
    try:
        covering.joined(found.covered)
    except HeadwayError as error:
        return replace(found, wrong=(*found.wrong, f"{error}. {error.next}"))
    return found


def _tries(found: _Found) -> tuple[Attempts, ...]:
    return attempts(case for _, report in found.reports for case in report.cases)


def _together(blobs: BlobStore, trial: Trial, last: tuple[Attempts, ...]) -> tuple[Attempts, ...]:
    """All tries of the job in this run as one entry a test; what only an earlier one told of still
    counts.
    """
    earlier = [_tries(_read(blobs, report, trial.settings)) for report in trial.before]
    by_test: dict[TestId, list[Attempts]] = {}
    for one in (a for tests in (*earlier, last) for a in tests):
        by_test.setdefault(one.id, []).append(one)
    return tuple(merged(several) for several in by_test.values())


# Telling.


def _told(trial: Trial, asked: Asked, made: Decision, now: float) -> JobReport:
    gate = asked.gates.findings
    checks = replace(
        _counted(trial, asked),
        because=made.because,
        forgiven=tuple(f"{one.test.id}: {one.why}" for one in made.forgiven),
        explained=made.explained,
        again=made.again,
        waivers=finding.uses(asked.stage.scans, gate, now) if gate else (),
    )
    report = trial.report
    if made.green:
        return replace(report, outcome="success", because="", checks=checks)
    because = made.because if made.explained or not report.because else report.because
    return replace(report, outcome="failure", because=because, checks=checks)


def _counted(trial: Trial, asked: Asked) -> Checks:
    tests, coverage = trial.settings.tests, asked.stage.coverage
    scans = asked.stage.scans
    seen = asked.tries
    sizes = ((tests.size if tests else "") or pyramid.size(a.id, a.file) for a in seen)
    layers = pyramid.sized(zip(sizes, (a.seconds for a in seen), strict=True))
    lines = sum(f.lines for f in coverage.files) if coverage else 0
    lines_run = sum(f.lines_run for f in coverage.files) if coverage else 0
    return Checks(
        because="",
        tests=len(seen),
        failed=sum(a.bad for a in seen),
        skipped=sum(not a.failures and not a.passes for a in seen),
        seconds=sum(a.seconds for a in seen),
        layers=layers,
        line_share=covering.share(lines_run, lines),
        findings=sum(len(s.findings) for s in scans) if trial.settings.findings else None,
    )


def _without(trial: Trial, found: _Found) -> JobReport:
    """The job cannot be judged. A green one is red; of a red one nothing is forgiven."""
    more = f"; and {len(found.wrong) - SHOWN} more" if len(found.wrong) > SHOWN else ""
    said = f"its reports are incomplete: {'; '.join(found.wrong[:SHOWN])}{more}"
    report = trial.report
    if report.outcome == "success":
        return replace(report, outcome="failure", because=said, checks=Checks(said, explained=True))
    return replace(report, because=report.because or said, checks=Checks(said))
