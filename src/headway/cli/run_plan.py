"""What `headway run --dry-run` shows: jobs in the order in which they would run; why not all."""

from typing import Any

from headway.flows.pipeline_preview import Planned, Preview
from headway.pipeline.run.state import RunSpec
from headway.wording.text import marked, plain, symbol


def lines(spec: RunSpec, found: Preview) -> list[str]:
    """The plan for people."""
    waves = max((job.wave for job in found.jobs), default=0)
    told = [
        f"{plain(spec.workflow, 120)} on {plain(spec.event, 40)}, {spec.sha[:7]}: "
        f"{len(found.jobs)} jobs in {waves} waves"
    ]
    shown = 0
    for job in found.jobs:
        asks = job.order.environment.casefold() in spec.gates
        told.append(f"  {job.wave if job.wave != shown else ' ':>3}  {_job(job, asks=asks)}")
        shown = job.wave
    told += [f"       {marked('skipped')}  {plain(k)}: {plain(why)}" for k, why in found.skipped]
    told += [f"       ?  {plain(k)}: known later: {plain(why)}" for k, why in found.later]
    for key, error in found.refused:
        told.append(f"       ✗ {plain(key)} cannot run here: {plain(error.what)}")
        told += [f"         {plain(t)}" for t in (error.why, error.next) if t]
    told += [f"       substitute: {plain(one, 300)}" for one in spec.substitutes.names()]
    return [*told, "Nothing was run."]


def _job(job: Planned, *, asks: bool) -> str:
    order = job.order
    needs = ", ".join(order.contexts.get("needs") or ())
    after = f", after {plain(needs, 200)}" if needs else ""
    reused = f", reused from {job.reused}" if job.reused else ""
    place = f", environment {plain(order.environment, 80)}" if order.environment else ""
    place += ", deploys nothing" if order.environment and not order.deploys else ""
    place += ", asks for approval" if asks else ""
    what = f"{len(order.steps)} steps{after}{place}{reused}"
    return f"{symbol('later')[0]} {plain(order.name, 80)}  {what}"


def document(spec: RunSpec, found: Preview) -> dict[str, Any]:
    """The plan for programs."""
    return {
        "workflow": spec.workflow,
        "event": spec.event,
        "sha": spec.sha,
        "jobs": [
            {
                "key": job.order.key,
                "id": job.order.id,
                "name": job.order.name,
                "wave": job.wave,
                "needs": list(job.order.contexts.get("needs") or ()),
                "steps": [step.name or step.uses or step.run or "" for step in job.order.steps],
                "reused": job.reused,
                "environment": job.order.environment,
                "deploys": bool(job.order.deploys_to),
                "asks_approval": job.order.environment.casefold() in spec.gates,
            }
            for job in found.jobs
        ],
        "skipped": [{"key": key, "because": why} for key, why in found.skipped],
        "substitutes": list(spec.substitutes.names()),
        "later": [{"key": key, "because": why} for key, why in found.later],
        "refused": [
            {"key": key, "code": e.code, "what": e.what, "why": e.why, "next": e.next}
            for key, e in found.refused
        ],
    }
