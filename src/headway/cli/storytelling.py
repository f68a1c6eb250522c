"""One delivery's whole story as lines: `trace` and `delivery show`."""

from headway.store.views.delivery import DeliveryView, JobSeen, Visit
from headway.wording.text import clock, columns, marked, percent, plain, span


def told(view: DeliveryView) -> list[str]:
    """Commit, pipeline, artifact, environments, outcome."""
    ref = f" of {plain(view.ref)}" if view.ref else ""
    lines = [
        f"delivery {view.id}",
        f"  commit    {view.sha}{ref}  {plain(view.subject, 100)}",
        f"            by {plain(view.author)}, in {plain(view.repo)}",
        f"  asked     {clock(view.requested_at)} by {plain(view.by)}",
    ]
    if view.built_by:
        lines.append(f"  built     elsewhere by {plain(view.built_by)}")
    for job in view.jobs:
        lines += _job(job)
    if any(job.outcome == "failure" for job in view.jobs):
        lines.append(f"  logs      headway pipeline logs {view.id}")
    if view.digest:
        size = f", {view.size_bytes:,} bytes" if view.size_bytes is not None else ""
        lines.append(f"  artifact  {view.digest}{size}")
        if view.statement:
            lines.append(f"            signed statement {view.statement}")
        lines.append(f"  release   {view.release}")
    for visit in view.visits:
        lines += _visit(visit)
    took = f" after {span(view.seconds)}" if view.seconds is not None else ""
    if view.waits:
        lines.append(f"  waits     {plain(view.waits)}")
    why = f": {plain(view.because)}" if view.because and not view.waits else ""
    return [*lines, f"  outcome   {marked(view.outcome or view.state)}{took}{why}"]


def _job(job: JobSeen) -> list[str]:
    lines = [
        f"  job       {marked(job.outcome)} {plain(job.name)} in {span(job.seconds)}{_reused(job)}"
    ]
    if job.outcome != "success":
        lines += [
            f"            {marked(s.outcome)} {plain(s.name)}"
            + (f", exit {s.exit}" if s.exit else "")
            for s in job.steps
        ]
    return lines


def _reused(job: JobSeen) -> str:
    return f", the result of {job.reused}" if job.reused else ""


def _visit(visit: Visit) -> list[str]:
    lines = [f"  {plain(visit.environment):<9} {marked(visit.state)}{_times(visit)}"]
    if visit.rollout:
        steps = " ".join(percent(s) for s in visit.shares)
        against = f" against {visit.stable}" if visit.stable else ""
        lines.append(f"    {visit.strategy} {steps}{against}  {visit.rollout}")
    if visit.because:
        lines.append(f"    because  {plain(visit.because)}")
    rows = [(f"    {marked(g.outcome)}", g.judge, g.because) for g in visit.gates]
    if visit.admission:
        admission = visit.admission
        rows.append((f"    {marked(admission.outcome)}", "artifact", admission.because))
    rows += [(f"    {marked(t.outcome)}", f"test {t.test}", t.problem) for t in visit.tests]
    if visit.verdict:
        rows.append((f"    {marked(visit.verdict.outcome)}", "analysis", visit.verdict.because))
    if visit.recovery:
        rows.append((f"    {marked(visit.recovery)}", "recovery", f"{visit.stable} afterwards"))
    lines += _indented(rows)
    lines += [
        f"    {clock(s.at)}  {s.verb} by {plain(s.by)}: {plain(s.reason)}" for s in visit.said
    ]
    return lines


def _indented(rows: list[tuple[str, str, str]]) -> list[str]:
    return [f"    {line}" for line in columns(rows)]


def _times(visit: Visit) -> str:
    told = f"  {clock(visit.entered_at)}" if visit.entered_at else ""
    if visit.ended_at:
        told += f" to {clock(visit.ended_at)}"
    if visit.milliseconds is not None:
        told += f", back in {visit.milliseconds:.0f} ms"
    return told
