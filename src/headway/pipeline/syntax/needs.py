"""The order of jobs: needs of jobs that do not exist, and rings of needs. Called by `rules`."""

from collections.abc import Iterator

from headway.document import Mark, quoted
from headway.pipeline.syntax.ir import Job, Text, Workflow
from headway.pipeline.syntax.page import Page, suggestion


def check(page: Page, workflow: Workflow, at: Mark) -> None:
    """Note what keeps jobs from ever starting. `at`: where the jobs are written."""
    ids = {job.id for job in workflow.jobs}
    if not workflow.jobs:
        page.fault(at, "`jobs` is empty: what is to be done?", "missing-key")
    for job in workflow.jobs:
        _check_known(page, job, ids)
    for job, need in _rings(workflow.jobs):
        sentence = f"{quoted(job.id)} and {quoted(need.text)} wait for each other. Remove one need"
        page.fault(need.at, sentence, "cycle")


def _check_known(page: Page, job: Job, ids: set[str]) -> None:
    for need in job.needs:
        if need.text == job.id:
            page.fault(need.at, f"{quoted(job.id)} cannot need itself", "cycle")
        elif need.text and need.text not in ids:
            hint = suggestion(need.text, ids - {job.id})
            sentence = f"{quoted(job.id)} needs an unknown job {quoted(need.text)}. {hint}"
            page.fault(need.at, sentence, "unknown-job")


def _rings(jobs: tuple[Job, ...]) -> Iterator[tuple[Job, Text]]:
    """Each need that is part of a ring: what it names comes back to its job."""
    needs = {job.id: {n.text for n in job.needs} for job in jobs}
    before = {id: _reach(id, needs) for id in needs}
    for job in jobs:
        for need in job.needs:
            if need.text != job.id and job.id in before.get(need.text, ()):
                yield job, need


def _reach(id: str, needs: dict[str, set[str]]) -> set[str]:
    """Every job that must end before this one."""
    found: set[str] = set()
    waiting = [*needs[id]]
    while waiting:
        if (one := waiting.pop()) not in found:
            found.add(one)
            waiting += needs.get(one, ())
    return found
