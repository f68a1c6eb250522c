"""The workflows of the corpus under Headway, in this process, through the real runner."""

import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from headway import workbench
from headway.adapters.git.work_tree import WorkTree
from headway.cli import run_request
from headway.flows import pipeline
from headway.flows.pipeline import Bench
from headway.flows.pipeline_preview import preview
from headway.model.errors import Invalid, Refused
from headway.model.job import JobOrder, JobReport, Line, StepReport
from headway.pipeline.run.state import RunSpec, RunState
from headway.pipeline.run.view import job_of
from headway.pipeline.syntax.reader import read
from tests.behaviour.expected import Expected, Facts, Seen, given


@dataclass
class Listener:
    """Listens to a run: which job printed which fact."""

    facts: Facts = field(default_factory=Counter)
    ids: dict[str, str] = field(default_factory=dict)

    def job_began(self, order: JobOrder) -> None:
        self.ids[order.key] = order.id

    def step_began(self, job: str, number: int, name: str) -> None:
        pass

    def line(self, job: str, number: int, line: Line) -> None:
        if line.text.startswith("fact "):
            self.facts[self.ids[job], line.text.removeprefix("fact ").rstrip()] += 1

    def step_ended(self, job: str, number: int, report: StepReport) -> None:
        pass

    def job_ended(self, job: str, report: JobReport) -> None:
        pass

    def cancelled(self) -> bool:
        return False


def run(expected: Expected, tree: WorkTree, bench: Bench) -> Seen:
    """One workflow that lies in the working tree already."""
    start = expected.start
    bench = replace(bench, jobs=int(start.get("jobs", 2)), secrets=given(start, "secret"))
    heard = Listener()
    try:
        made = run_request.whole(_spec(expected, tree), bench.actions)
        if refused := preview(bench, made).refused:
            raise refused[0][1]
        pipeline.create(bench, made)
        state = pipeline.run(bench, made.id, heard)
    except (Invalid, Refused):
        return Seen("refused", facts=heard.facts)
    return _seen(state, heard.facts)


def _spec(expected: Expected, tree: WorkTree) -> RunSpec:
    start = expected.start
    path = f"{run_request.FOLDER}/{expected.file.name}"
    folder = Path(tree.folder)
    asked = run_request.Asked(
        workflow=path,
        only=(start["job"],) if "job" in start else (),
        event=start.get("event", ""),
        payload=start.get("payload", {}),
        inputs=given(start, "input"),
        vars=given(start, "var"),
    )
    workflow = read(run_request.text_of(folder, path), path)
    return run_request.spec(workbench.run_id(time.time()), "ana", tree, workflow, asked)


def _seen(state: RunState, facts: Facts) -> Seen:
    jobs: dict[str, Counter[str]] = {}
    steps: dict[str, Counter[str]] = {}
    for key, report in state.ended.items():
        job = job_of(state, key)
        jobs.setdefault(job, Counter())[report.outcome] += 1
        for step in report.steps:
            found = steps.setdefault(f"{job}.{step.id}", Counter())
            found[f"{step.outcome} > {step.conclusion}"] += 1
    return Seen(state.phase, jobs, steps, facts)


def differences(expected: Expected, seen: Seen) -> list[str]:
    """Everything that is not as the file says."""
    told: list[str] = []
    if expected.run != seen.run:
        told.append(f"run: wanted {expected.run}, found {seen.run}")
    for job, wanted in expected.jobs.items():
        if seen.jobs.get(job) != wanted:
            told.append(f"job {job}: wanted {dict(wanted)}, found {dict(seen.jobs.get(job) or {})}")
    for step, outcome in expected.steps.items():
        if set(seen.steps.get(step) or ()) != {outcome}:
            told.append(f"step {step}: wanted {outcome}, found {dict(seen.steps.get(step) or {})}")
    if seen.facts != expected.facts:
        missing, extra = expected.facts - seen.facts, seen.facts - expected.facts
        told.append(f"facts: missing {dict(missing)}, more {dict(extra)}")
    return told
