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
            hint = suggestion(need.text, ids)
            sentence = f"{quoted(job.id)} needs an unknown job {quoted(need.text)}. {hint}"
            page.fault(need.at, sentence, "unknown-job")


def _rings(jobs: tuple[Job, ...]) -> Iterator[tuple[Job, Text]]:
    """Each need between jobs that wait for each other."""
    ids = {job.id for job in jobs}
    needs = {job.id: {n.text for n in job.needs} & ids - {job.id} for job in jobs}
    stuck = _trimmed(needs) & _trimmed(_turned(needs))
    for job in jobs:
        for need in job.needs:
            if job.id in stuck and need.text in stuck and need.text != job.id:
                yield job, need


def _trimmed(needs: dict[str, set[str]]) -> set[str]:
    """The jobs that are left when those without needs are taken away, again and again."""
    after = _turned(needs)
    open_needs = {id: len(names) for id, names in needs.items()}
    free = [id for id, count in open_needs.items() if not count]
    while free:
        id = free.pop()
        del open_needs[id]
        for later in after[id]:
            open_needs[later] -= 1
            free += [] if open_needs[later] else [later]
    return set(open_needs)


def _turned(needs: dict[str, set[str]]) -> dict[str, set[str]]:
    after: dict[str, set[str]] = {id: set() for id in needs}
    for id, names in needs.items():
        for name in names:
            after[name].add(id)
    return after
