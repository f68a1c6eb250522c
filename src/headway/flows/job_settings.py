"""What headway.yaml says of a run's jobs, put into the run's spec when it is made.

Called wherever a RunSpec is made: by deliveries (flows/build), by triggers, and by `headway run`.
From then on the run is what its spec says, whatever the file says later.
"""

from dataclasses import replace

from headway.flows.pipeline_texts import Read
from headway.model.job_settings import utc_day
from headway.model.service import Service
from headway.pipeline.run.state import RunSpec
from headway.pipeline.syntax import reader

FILE = "headway.yaml"
MOST_DEEP = 4
"""How deep workflows may call each other."""


def with_settings(spec: RunSpec, read: Read, now: float) -> RunSpec:
    """The spec with the settings of its workflow's jobs, from the headway.yaml that `read` gives.

    A file that says nothing of jobs is not looked at any further, nor is that of a workspace: only
    a delivery is of one of its services (`of_service`). `now`: Unix seconds, for the ends of
    waivers. Raises Invalid for a file with faults, for a job that the workflow does not have
    (`unknown-job`) and for a waiver that lasts too long (`range`), with its place.
    """
    text = read(FILE)
    if text is None or "jobs" not in text:
        return spec
    from headway.settings import workspace  # noqa: PLC0415  most runs need no schema
    from headway.settings.reading import parse  # noqa: PLC0415

    if "services" in text and workspace.read(text, FILE) is not None:
        return spec
    return of_service(spec, parse(text, FILE)[1], read, now)


def of_service(spec: RunSpec, service: Service, read: Read, now: float) -> RunSpec:
    """The same for a service that is known already; `read` gives the files that describe it."""
    if not service.jobs:
        return replace(spec, service=service.name)
    from headway import document  # noqa: PLC0415  most runs need no schema
    from headway.settings import jobs  # noqa: PLC0415
    from headway.settings.checks import waivers  # noqa: PLC0415

    found = jobs.of(service, spec.workflow)
    known, closed = _known(spec, spec.workflow, 0)
    ids = known | {id for id in found if id.startswith(tuple(f"{c} / " for c in closed))}
    problems = []
    for file in dict.fromkeys((f"{service.folder}/{FILE}".lstrip("/"), FILE)):
        root = document.read(read(file) or "{}", file)
        if isinstance(root, document.Mapping):
            problems += jobs.unknown(root, file, service, spec.workflow, sorted(ids))
            problems += waivers.too_long(root, file, utc_day(now))
    if problems:
        raise document.invalid(problems)
    sources = {id: settings.paths for id, settings in found.items() if settings.paths}
    return replace(spec, service=service.name, settings=found, sources={**spec.sources, **sources})


def _known(spec: RunSpec, path: str, depth: int) -> tuple[set[str], set[str]]:
    """The ids of the jobs of a workflow, those of workflows that it calls too; and of those the
    callers whose workflow is not at hand yet, so that nobody can say what it has.
    """
    ids: set[str] = set()
    closed: set[str] = set()
    for job in reader.read(spec.texts[path], path).jobs:
        ids.add(job.id)
        if job.uses is None:
            continue
        called = job.uses.text.removeprefix("./")
        if called not in spec.texts or depth >= MOST_DEEP:
            closed.add(job.id)
            continue
        inner, far = _known(spec, called, depth + 1)
        ids |= {f"{job.id} / {id}" for id in inner}
        closed |= {f"{job.id} / {id}" for id in far}
    return ids, closed
