"""`headway pipeline`: list, show, logs, rerun and cancel runs of workflows in this home."""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from headway.cli import pipeline_gates, pipeline_start, said
from headway.cli.context import Context, pass_context
from headway.cli.hints import hint
from headway.cli.options import Noun
from headway.cli.pipeline_named import named
from headway.model.errors import HeadwayError, Invalid

if TYPE_CHECKING:
    from headway.adapters.linux.run_logs import Reader, Said
    from headway.flows.pipeline_bench import Bench
    from headway.pipeline.run.state import RunState

Command = TypeVar("Command", bound=Callable[..., Any])
FOLLOW_SECONDS = 0.2
MOST_NAMES = 200


def _runs(ctx: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    """Runs of the home for completion: anything wrong is no names."""
    from headway.store import run_log  # noqa: PLC0415

    context = ctx.find_object(Context) or Context()
    context.home = ctx.params.get("home") or context.home
    try:
        found = run_log.runs(context.home_folder)
    except (HeadwayError, OSError):
        return []
    return [name for name in found if name.startswith(typed)][:MOST_NAMES]


def _jobs(ctx: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    """Instances of the run that is named already, for completion."""
    from headway.flows import pipeline as flow  # noqa: PLC0415

    context = ctx.find_object(Context) or Context()
    context.home = ctx.params.get("home") or context.home
    try:
        state = flow.show(context.home_folder, named(context, str(ctx.params.get("run") or "")))
    except (HeadwayError, OSError):
        return []
    return [key for key in state.orders if key.startswith(typed)][:MOST_NAMES]


def _state(context: Context, given: str) -> "RunState":
    from headway.flows import pipeline as flow  # noqa: PLC0415

    return flow.show(context.home_folder, named(context, given))


def _stands(context: Context, state: "RunState") -> str:
    from headway.flows import pipeline as flow  # noqa: PLC0415

    return flow.stands(context.home_folder, state, time.time())


EXAMPLES = (
    "headway pipeline list",
    "headway pipeline show last",
    "headway pipeline logs last test",
)


@click.group(cls=Noun, examples=EXAMPLES)
def pipeline() -> None:
    """Runs of workflows, and what came of them.

    RUN is an id, a unique beginning of one, or `last`.
    """


@pipeline.verb("headway pipeline list", "headway pipeline list --state failure", name="list")
@click.option("--workflow", default="", metavar="FILE", help="Only of this workflow.")
@click.option(
    "--state", default="", help="success, failure, cancelled, running, waiting or interrupted."
)
@said.limit()
@pass_context
def listing(context: Context, workflow: str, state: str, limit: int) -> None:
    """Newest first."""
    from headway.cli.pipeline_text import table  # noqa: PLC0415
    from headway.flows import pipeline as flow  # noqa: PLC0415
    from headway.pipeline.run.view import summary  # noqa: PLC0415
    from headway.store import run_log  # noqa: PLC0415

    found = []
    for name in run_log.runs(context.home_folder):
        seen = flow.show(context.home_folder, name)
        stands = flow.stands(context.home_folder, seen, time.time())
        if state in {"", stands} and workflow in seen.spec.workflow:
            found.append(summary(seen, stands))
        if len(found) == limit:
            break
    if context.json:
        context.document({"items": found})
    else:
        none = ["No run yet. Next: headway run"]
        context.lines(table(found, datetime.now(UTC)) if found else none)


@pipeline.verb("headway pipeline show last", "headway pipeline show run_01K --json")
@click.argument("run", shell_complete=_runs)
@pass_context
def show(context: Context, run: str) -> None:
    """The tree of what happened: jobs, steps, why not, outputs, uploads."""
    from headway.cli.pipeline_text import shown  # noqa: PLC0415
    from headway.pipeline.run.view import view  # noqa: PLC0415

    state = _state(context, run)
    seen = view(state, _stands(context, state))
    if context.json:
        context.document(seen)
    else:
        context.lines(shown(seen))


@pipeline.verb(
    "headway pipeline logs last",
    "headway pipeline logs last test --follow",
    "headway pipeline logs last test 3 --raw --offset 65536",
)
@click.argument("run", shell_complete=_runs)
@click.argument("job", required=False, default="", shell_complete=_jobs)
@click.argument("step", required=False, default="")
@click.option("--follow", "-f", is_flag=True, help="Go on until the run has ended.")
@click.option("--raw", is_flag=True, help="One step's bytes as they are, escape sequences too.")
@click.option("--offset", type=click.IntRange(min=0), default=0, help="Begin there; with --raw.")
@click.option("--try", "tries", type=click.IntRange(1), default=None, help="An earlier try of JOB.")
@pass_context
def logs(  # noqa: PLR0913  one option each
    context: Context,
    run: str,
    job: str,
    step: str,
    offset: int,
    tries: int | None,
    *,
    follow: bool,
    raw: bool,
) -> None:
    """What the steps printed, secrets hidden.

    JOB is a key, a name or an id; STEP a number from 1, an id or a name. With --json: one line of
    output in each line.
    """
    from headway.adapters.linux.run_logs import Reader, find_job, find_step, folder_of  # noqa: PLC0415

    state = _state(context, run)
    key = find_job(state, job) if job else ""
    number = find_step(state, key, step) if step else None
    if tries and not key:
        raise Invalid("--try is of one job", next="headway pipeline logs RUN JOB", code="usage")
    if raw or offset:
        if number is None:
            raise Invalid(
                "--raw and --offset are of one step",
                next=f"headway pipeline logs {run} JOB STEP --raw",
                code="usage",
            )
        _raw(context, folder_of(context.home_folder, state, key, tries or 0), number, offset)
        return
    only = (key, number) if key else None
    _follow(context, Reader(context.home_folder, state.spec.id, only, tries or 0), wait=follow)


def _raw(context: Context, folder: Path, number: int, offset: int) -> None:
    """Bytes to stdout; where to go on is said on stderr."""
    from headway.adapters.linux import logs as files  # noqa: PLC0415

    while True:
        data, offset = files.read(folder, number, offset)
        if not data:
            break
        sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
    context.note(f"offset {offset}")


def _follow(context: Context, reader: "Reader", *, wait: bool) -> None:
    from headway.flows import pipeline as flow  # noqa: PLC0415

    write = _writer(context, several=reader.only is None)
    while True:
        state = flow.show(reader.home, reader.run)
        stands = flow.stands(reader.home, state, time.time())
        over = stands not in {"running", "waiting"} or not wait
        for one in reader.fresh(state, last=over):
            write(one)
        if over:
            if wait and stands == flow.INTERRUPTED:
                context.note(hint(f"interrupted; next: headway pipeline resume {reader.run}"))
            return
        time.sleep(FOLLOW_SECONDS)


def _writer(context: Context, *, several: bool) -> "Callable[[Said], None]":
    from headway.cli.running import harmless  # noqa: PLC0415
    from headway.wording.text import plain  # noqa: PLC0415

    before: list[tuple[str, int]] = []

    def as_json(one: "Said") -> None:
        line = one.line
        context.json_line(
            {
                "job": one.job,
                "step": one.number + 1,
                "name": one.step,
                "group": line.group,
                "level": line.level,
                "text": line.text,
            }
        )

    def as_text(one: "Said") -> None:
        front = f"{plain(one.name, 60)} | " if several else ""
        if before != [(one.job, one.number)]:
            before[:] = [(one.job, one.number)]
            context.line(f"{front}▸ {plain(one.step, 120)}")
        context.line(f"{front}  {'  ' * one.line.group}{harmless(one.line.text)}")

    return as_json if context.json else as_text


def _given(command: Command) -> Command:
    """Options of whatever runs jobs: how many, and the secrets, which are never kept."""
    options = (
        click.option("--jobs", "width", type=click.IntRange(1, 256), default=None, help="At once."),
        click.option("--secret", "secrets", multiple=True, metavar="NAME[=ENV]", help="See `run`."),
        click.option("--secret-file", default="", metavar="F", help="See `run`."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _bench(
    context: Context, width: int | None, secrets: tuple[str, ...], file: str, *, reuse: bool
) -> "Bench":
    import os  # noqa: PLC0415

    from headway import workbench  # noqa: PLC0415
    from headway.cli import run_secrets  # noqa: PLC0415

    known = run_secrets.secrets(secrets, file, os.environ)
    places = width or os.cpu_count() or 2
    return workbench.bench(context.home_folder, places, known, reuse=reuse, soon=True)


@pipeline.verb("headway pipeline resume last", "headway pipeline resume last --secret TOKEN")
@click.argument("run", shell_complete=_runs)
@_given
@pass_context
def resume(
    context: Context, run: str, width: int | None, secrets: tuple[str, ...], secret_file: str
) -> None:
    """Go on with a run that was interrupted, where it stood.

    What has ended is not run again, neither jobs nor steps. Secrets are not kept: name them as
    before.
    """
    from headway.cli.run import finish  # noqa: PLC0415
    from headway.flows import pipeline as flow  # noqa: PLC0415

    found = flow.resumable(context.home_folder, named(context, run))
    bench = _bench(context, width, secrets, secret_file, reuse=bool(found.fingerprints))
    context.note(f"goes on: {len(found.ended)} jobs had ended, {len(found.running)} had begun")
    finish(context, bench, found)


@pipeline.verb("headway pipeline rerun last --failed", "headway pipeline rerun last --job test")
@click.argument("run", shell_complete=_runs)
@click.option("--failed", is_flag=True, help="Only what was red, and what depends on it.")
@click.option("--job", "jobs", multiple=True, metavar="JOB", help="This job, and what needs it.")
@_given
@pass_context
def rerun(  # noqa: PLR0913  one option each
    context: Context,
    run: str,
    jobs: tuple[str, ...],
    width: int | None,
    secrets: tuple[str, ...],
    secret_file: str,
    *,
    failed: bool,
) -> None:
    """Run it again as its next attempt; without --failed and --job all of it.

    One that was interrupted is ended first; `resume` goes on with it instead.
    """
    from headway.cli.run import finish  # noqa: PLC0415
    from headway.flows import pipeline as flow  # noqa: PLC0415

    bench = _bench(context, width, secrets, secret_file, reuse=False)
    finish(context, bench, flow.rerun(bench, named(context, run), failed_only=failed, jobs=jobs))


@pipeline.verb('headway pipeline cancel last --reason "wrong branch"')
@click.argument("run", shell_complete=_runs)
@said.reason(required=False)
@click.option("--force", is_flag=True, help="Also jobs that `always()` keeps.")
@pass_context
def cancel(context: Context, run: str, reason: str | None, *, force: bool) -> None:
    """Stop a run, from any terminal. Cleanup steps still run."""
    from headway.adapters.system.bell import RUNS, ring  # noqa: PLC0415
    from headway.flows import pipeline as flow  # noqa: PLC0415
    from headway.flows import run_cancel  # noqa: PLC0415

    state = _state(context, run)
    stood = _stands(context, state)
    if state.phase != "running":
        raise Invalid(
            f"run {state.spec.id} has ended: {state.phase}",
            next=f"headway pipeline show {state.spec.id}",
            code="has-ended",
        )
    because = reason or f"cancelled by {context.person}"
    wish = run_cancel.Wish(context.person, because, forced=force)
    if state.spec.served:
        with context.headway.tx() as tx:
            run_cancel.record(tx, state.spec, wish)
    flow.cancel(context.home_folder, state.spec.id, wish.by, wish.because, forced=force)
    ring(context.home_folder, RUNS)
    if context.json:
        context.document({"run": state.spec.id, "command": "cancel", "reason": because})
    elif stood == flow.INTERRUPTED:
        said = f"cancelled; it had been interrupted. headway pipeline show {state.spec.id}"
        context.line(hint(said))
    else:
        context.line(hint(f"asked; headway pipeline show {state.spec.id}"))


pipeline.add_command(pipeline_start.start)
pipeline.add_command(pipeline_gates.approve)
pipeline.add_command(pipeline_gates.reject)
