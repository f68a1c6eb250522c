"""A run in words: how it ended, what was red and why, what to type next. Used by `headway run` and
`headway pipeline`.
"""

import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from headway.cli.hints import hint
from headway.cli.pipeline_checks import forgiven, idle, named, pyramid, waived, words
from headway.cli.running import last_lines
from headway.model.job import Annotation, Checks
from headway.pipeline.run.view import GREEN, JobView, RunView, StepView
from headway.wording.text import clock, columns, marked, plain, since, span, symbol

MOST_RED = 12
MOST_ANNOTATIONS = 20
TAIL_LINES = 12
SUMMARY_LINES = 60
EXITED = "Process completed with exit code"
ORDER = ("failure", "cancelled", "interrupted", "running", "waiting", "success", "skipped")
UNENDED = frozenset({"running", "waiting", "interrupted"})


def ended(run: RunView, *, kept: bool = True) -> list[str]:
    """The end of a run, for the person who waited for it; without commands if it is not `kept`."""
    told = [f"{marked(run.state)}: {_what(run)}{_took(run)}"]
    told.append(f"  jobs  {_counted(run)}")
    if run.because:
        told.append(f"  why   {plain(run.because)}")
    told += _special(run)
    told += _skipped(run)
    told += _red_jobs(run, kept=kept)
    told += _addresses(run)
    told += _tested(run)
    told += _annotations(run)
    told += _summaries(run)
    return [*told, *(_next(run) if kept else ())]


def shown(run: RunView) -> list[str]:
    """The tree of everything that happened."""
    told = [f"{marked(run.state)}  {run.run}  {_what(run)}{_took(run)}"]
    told.append(
        f"  begun {clock(datetime.fromtimestamp(run.created_at, UTC))} by {plain(run.actor)}"
    )
    if run.of:
        told.append(f"  again {run.of}, attempt {run.attempt}")
    if run.because:
        told.append(f"  why   {plain(run.because)}")
    told += (f"  warning: {plain(one, 300)}" for one in run.warned)
    told += _special(run)
    for job in run.jobs:
        told += _job(job)
    whole = pyramid(j.checks for j in run.jobs if j.checks is not None)
    told += [f"  sizes {whole}"] if whole else []
    told += idle(run.idle_waivers)
    return [*told, *_annotations(run), *_summaries(run), *_next(run)]


def _special(run: RunView) -> Iterator[str]:
    """What stood in for what, and who is waited for."""
    if run.substitutes:
        yield "  ran with substitutes"
        yield from (f"    {plain(one, 300)}" for one in run.substitutes)
    for key, environment in run.held.items() if not run.outcome else ():
        place = shlex.quote(plain(environment, 80))
        command = hint(f"headway pipeline approve {run.run} --env {place}")
        yield f"  waits {plain(key, 80)}: {command}"


def _addresses(run: RunView) -> Iterator[str]:
    """Where what was deployed can be seen."""
    for job in run.jobs:
        if job.url:
            yield f"  url   {plain(job.name, 80)}: {plain(job.url, 2000)}"


def _tested(run: RunView) -> Iterator[str]:
    """What the reports of jobs said, and all their tests by size."""
    checked = [(j, j.checks) for j in run.jobs if j.checks is not None]
    for job, checks in checked:
        yield f"  tests {named(plain(job.name, 80), job.tries)}: {words(checks)}"
        yield from (f"        {line}" for line in (*forgiven(checks), *waived(checks)))
    yield from idle(run.idle_waivers)
    whole = pyramid(checks for _, checks in checked)
    if whole:
        yield f"  sizes {whole}"


def table(runs: list[dict[str, Any]], now: datetime) -> list[str]:
    """Runs as rows, in the order given; after them how to go on with one that was interrupted."""
    head = ("RUN", "STATE", "WORKFLOW", "EVENT", "COMMIT", "JOBS", "TOOK", "BEGUN")
    rows = [
        (
            run["run"],
            marked(run["state"]),
            plain(run["workflow"], 80),
            plain(run["event"], 40),
            _commit(run["sha"], run["changed"]),
            ", ".join(f"{run['counts'][word]} {word}" for word in sorted(run["counts"], key=_rank)),
            span(run["seconds"]) if run["seconds"] is not None else "",
            since(datetime.fromtimestamp(run["created_at"], UTC), now),
        )
        for run in runs
    ]
    stopped = [r["run"] for r in runs if r["state"] == "interrupted" and not r["served"]]
    more = f", and {len(stopped) - 1} more" if len(stopped) > 1 else ""
    told = [hint(f"next   headway pipeline resume {run}{more}") for run in stopped[:1]]
    return [*columns([head, *rows]), *told]


def _commit(sha: str, changed: int) -> str:
    """`1a2b3c4`, `1a2b3c4+` if files differed from it, `no commit`."""
    return (sha[:7] if sha.strip("0") else "no commit") + "+" * bool(changed)


def _what(run: RunView) -> str:
    files = "file differs" if run.changed == 1 else "files differ"
    where = f" ({run.changed} {files} from it)" if run.changed else ""
    ref = plain(run.ref.removeprefix("refs/heads/").removeprefix("refs/tags/"), 60)
    on = f"{plain(run.workflow, 120)} on {plain(run.event)}"
    return f"{on}, {f'{ref} {_commit(run.sha, 0)}'.strip()}{where}"


def _took(run: RunView) -> str:
    return f", {span(run.seconds)}" if run.seconds is not None else ""


def _counted(run: RunView) -> str:
    counts = {**run.counts}
    reused = sum(bool(j.reused) for j in run.jobs)
    told = [f"{counts[word]} {word}" for word in sorted(counts, key=_rank)]
    return ", ".join(told) + (f" ({reused} reused)" if reused else "") if told else "none"


def _rank(word: str) -> int:
    return ORDER.index(word) if word in ORDER else len(ORDER)


def _skipped(run: RunView) -> Iterator[str]:
    """Why jobs were not run; those that wait for a red one say so."""
    skipped = [j for j in run.jobs if j.outcome == "skipped" and j.because]
    for job in skipped[:MOST_RED]:
        yield f"  {symbol('skipped')[0]} {plain(job.name, 80)}: {plain(job.because, 200)}"
    if len(skipped) > MOST_RED:
        yield f"  … {len(skipped) - MOST_RED} skipped jobs more"


def _red_jobs(run: RunView, *, kept: bool) -> Iterator[str]:
    red = [j for j in run.jobs if j.outcome not in GREEN | UNENDED and (j.because or not j.calls)]
    red.sort(key=lambda j: j.tolerated)
    for job in red[:MOST_RED]:
        yield from _red(run, job)
        if kept:
            yield "  logs   " + hint(f"headway pipeline logs {run.run} ") + shlex.quote(job.key)
    if len(red) > MOST_RED:
        names = ", ".join(plain(j.name, 60) for j in red[MOST_RED : MOST_RED + 10])
        yield f"… and {len(red) - MOST_RED} red jobs more: {names}"


def _red(run: RunView, job: JobView) -> Iterator[str]:
    steps = [s for s in job.steps if s.conclusion not in GREEN]
    yield ""
    if not steps:
        why = f": {plain(job.because, 400)}" if job.because else ""
        yield f"{marked(job.outcome)}  {plain(job.name, 80)}{why}"
    for step in steps:
        yield f"{marked(step.outcome)}  {plain(job.name, 80)} > {_named(run, step)}"
        yield from (f"    {t}" for t in _tail(step))


def _tail(step: StepView) -> list[str]:
    lines = last_lines(step.tail, TAIL_LINES + 1)
    said = bool(lines) and lines[-1].startswith(EXITED)
    return lines[:-1] if said else lines[-TAIL_LINES:]


def _named(run: RunView, step: StepView) -> str:
    code = f"  exit {step.exit_code}," if step.exit_code is not None else " "
    place = f"  {plain(run.workflow, 120)}:{step.line}" if step.line else ""
    return f"{plain(step.name, 120)}{code} {span(step.seconds)}{place}"


def _annotations(run: RunView) -> Iterator[str]:
    """`app.py:12:3: error: undefined name`, as compilers say it."""
    steps = [s for j in run.jobs for s in j.steps]
    found = [a for s in steps for a in s.annotations if not _known(a, s)]
    if found:
        yield ""
    for one in found[:MOST_ANNOTATIONS]:
        line, column = f":{one.line}" * bool(one.line), f":{one.column}" * bool(one.column)
        place = f"{plain(one.file, 200)}{line}{column}: " if one.file else ""
        title = f"{plain(one.title, 120)}: " if one.title else ""
        yield f"{place}{one.level}: {title}{plain(one.message, 400)}"
    if len(found) > MOST_ANNOTATIONS:
        yield f"… {len(found) - MOST_ANNOTATIONS} annotations more"


def _known(one: Annotation, step: StepView) -> bool:
    """What is told at the red step already: its exit code, and words at the end of its output."""
    if one.file or step.conclusion in GREEN:
        return False
    return one.message.startswith(EXITED) or one.message in step.tail


def _summaries(run: RunView) -> Iterator[str]:
    for job in run.jobs:
        if job.summary:
            yield ""
            yield f"summary of {plain(job.name, 80)}"
            yield from (f"    {line}" for line in last_lines(job.summary, SUMMARY_LINES))


def _next(run: RunView) -> Iterator[str]:
    red = [j for j in run.jobs if j.outcome in {"failure", "cancelled"} and not j.tolerated]
    if run.state == "interrupted":
        yield from _interrupted(run)
    elif not run.outcome:
        yield hint(f"  next   headway pipeline logs {run.run} --follow")
    elif red:
        yield ""
        one = red[0].id.split(" / ")[0]
        yield f"  again  {run_again(run.workflow, one)}"
        yield hint(f"         headway pipeline rerun {run.run} --failed")
    else:
        yield hint(f"  next   headway pipeline show {run.run}")


def _interrupted(run: RunView) -> Iterator[str]:
    yield "  why   the process that drove it ended before it did"
    if run.served:
        yield "  next   the server goes on with it as soon as it runs: " + hint("headway server")
        return
    yield hint(f"  next   headway pipeline resume {run.run}")
    yield hint(f"         headway pipeline cancel {run.run}")


def run_again(workflow: str, job: str) -> str:
    """The command that runs just that job."""
    return hint("headway run ") + f"--workflow {shlex.quote(workflow)} --job {shlex.quote(job)}"


def _job(job: JobView) -> Iterator[str]:
    reused = f", reused from {plain(job.reused, 60)}" if job.reused else ""
    reused += ", and the run goes on" if job.tolerated else ""
    took = f", {span(job.seconds)}" if job.seconds is not None and job.outcome != "skipped" else ""
    why = f": {plain(job.because, 300)}" if job.because else ""
    yield f"  {marked(job.outcome)}  {named(plain(job.name, 80), job.tries)}{took}{reused}{why}"
    if job.checks is not None:
        yield from (f"    {line}" for line in _said(job.checks))
    for step in job.steps:
        yield f"    {_sign(step)} {_words(step)}"
        yield from (f"        {k} = {plain(v, 200)}" for k, v in step.outputs.items())
    yield from (f"      output {k} = {plain(v, 200)}" for k, v in job.outputs.items())
    yield from (f"      url {plain(u, 2000)}" for u in (job.url,) if u)
    yield from (f"      upload {plain(u.name, 80)}  {u.digest}" for u in job.uploads)


def _said(checks: Checks) -> Iterator[str]:
    yield words(checks)
    yield from forgiven(checks)
    yield from waived(checks)


def _sign(step: StepView) -> str:
    return symbol(step.conclusion)[0]


def _words(step: StepView) -> str:
    code = f", exit {step.exit_code}" if step.exit_code else ""
    took = f", {span(step.seconds)}, {step.lines} lines" if step.log >= 0 else ""
    on = ", and goes on" if step.outcome != step.conclusion else ""
    return f"{plain(step.name, 120)}: {step.outcome}{code}{on}{took}"
