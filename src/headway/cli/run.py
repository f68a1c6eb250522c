"""`headway run`: runs a workflow of this repository here, on the files as they are."""

import gc
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headway.cli.context import Context, pass_context
from headway.cli.errors import INTERRUPTED
from headway.cli.hints import hint
from headway.cli.options import verb
from headway.model.errors import Invalid

if TYPE_CHECKING:
    from headway.adapters.git.work_tree import WorkTree
    from headway.cli.run_request import Asked
    from headway.cli.running import Known
    from headway.flows.pipeline import Bench
    from headway.pipeline.run.state import RunSpec, RunState
    from headway.pipeline.syntax.ir import Workflow

GREEN = 0
RED = 1
REFUSED = 3
DEMANDING = ("services", "container", "shell")
"""Words of keys that a machine may be unable to obey; a file without them needs no look ahead."""
EXAMPLES = (
    "headway run",
    "headway run --job test",
    "headway run --workflow ci --event pull_request --event-file event.json",
    "headway run --workflow release --input level=minor --secret PYPI_TOKEN",
    "headway run --dry-run",
    "headway run --sandbox",
)


@verb(*EXAMPLES)
@click.argument("path", default=".", type=click.Path())
@click.option("--workflow", default="", metavar="FILE", help="A file, or its name without `.yml`.")
@click.option("--job", "only", multiple=True, metavar="JOB", help="Only this job and its needs.")
@click.option("--event", default="", metavar="NAME", help="What starts it.  [default: push]")
@click.option("--event-file", default="", metavar="F.json", help="The event's payload.")
@click.option("--input", "inputs", multiple=True, metavar="K=V", help="An input of the workflow.")
@click.option("--var", "vars", multiple=True, metavar="K=V", help="A value of `vars`.")
@click.option(
    "--secret", "secrets", multiple=True, metavar="NAME[=ENV]", help="From the environment."
)
@click.option("--secret-file", default="", metavar="F", help="Secrets, one NAME=value a line.")
@click.option(
    "--jobs", type=click.IntRange(1, 256), default=os.cpu_count() or 2, help="At once, at most."
)
@click.option("--no-network", is_flag=True, help="Cut the jobs off from the network.")
@click.option("--reuse", is_flag=True, help="Take results of equal jobs instead of running them.")
@click.option("--substitutes", default="", metavar="FILE", help="What stands in for what.")
@click.option("--substitute", "instead", multiple=True, metavar="NAME=PATH", help="One of them.")
@click.option("--dry-run", is_flag=True, help="Show what would run, and run nothing.")
@click.option("--sandbox", is_flag=True, help="Run it all, change nothing, tell what would change.")
@pass_context
def run(  # noqa: PLR0913  one option each
    context: Context,
    path: str,
    workflow: str,
    only: tuple[str, ...],
    event: str,
    event_file: str,
    inputs: tuple[str, ...],
    vars: tuple[str, ...],
    secrets: tuple[str, ...],
    secret_file: str,
    jobs: int,
    substitutes: str,
    instead: tuple[str, ...],
    *,
    no_network: bool,
    reuse: bool,
    dry_run: bool,
    sandbox: bool,
) -> None:
    """Run a workflow of this repository on this machine.

    PATH is a folder in a Git repository; its files are used as they are, changed ones too. Without
    --workflow it is the one that a push starts. Exit codes: 0 green, 1 red, 2 invalid input, 3 this
    machine lacks something, 130 cancelled. Ctrl-C cancels in order, twice kills.
    """
    from headway import workbench  # noqa: PLC0415  `--help` needs none of it
    from headway.cli import run_secrets  # noqa: PLC0415
    from headway.cli.repository import top_level  # noqa: PLC0415

    tree = _Looking(top_level(path))
    given = run_secrets.pairs(inputs, "--input"), run_secrets.pairs(vars, "--var")
    known = run_secrets.secrets(secrets, secret_file, os.environ)
    with _loading():
        soon = not (dry_run or sandbox)
        bench = workbench.bench(context.home_folder, jobs, known, reuse=reuse, soon=soon)
        from headway.cli import run_request  # noqa: PLC0415
        from headway.flows import pipeline as _flow  # noqa: F401, PLC0415

    asked = run_request.Asked(
        workflow=workflow,
        only=only,
        event=event,
        payload=run_request.payload_of(event_file),
        inputs=given[0],
        vars=given[1],
        network=not no_network,
        substitutes=substitutes,
        instead=instead,
    )
    _go(context, bench, tree.found(), asked, "dry" if dry_run else "sandbox" if sandbox else "")


class _Looking:
    """Git is asked about the folder while the rest of the program is loaded."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._tree: WorkTree | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        from headway.adapters.git.work_tree import look  # noqa: PLC0415

        try:
            self._tree = look(self._folder)
        except BaseException as error:  # noqa: BLE001  raised where it is asked for
            self._error = error

    def found(self) -> "WorkTree":
        """Raises as adapters/git/work_tree.look."""
        self._thread.join()
        if self._tree is None:
            raise self._error or RuntimeError("git was not asked")
        return self._tree


@contextmanager
def _loading() -> Iterator[None]:
    """What is loaded is no garbage; looking for some among it takes a tenth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _go(context: Context, bench: "Bench", tree: "WorkTree", asked: "Asked", how: str) -> None:
    """`how`: empty, `dry` or `sandbox`."""
    from headway import workbench  # noqa: PLC0415
    from headway.cli import run_gates, run_request  # noqa: PLC0415

    chosen, asked = _chosen(context, tree, asked)
    id = workbench.run_id(time.time())
    spec = run_request.spec(id, context.person, tree, chosen, asked)
    if asked.substitutes or asked.instead:
        from headway.cli.run_substitutes import declared  # noqa: PLC0415

        found = declared(Path(tree.folder), asked.substitutes, asked.instead)
        spec = replace(spec, substitutes=found)
    spec = run_gates.with_gates(run_request.whole(spec, bench.actions))
    if any("vars" in text.casefold() for text in spec.texts.values()):
        from headway.cli.run_variables import with_variables  # noqa: PLC0415

        spec = with_variables(context, spec, tree.origin)
    for one in spec.substitutes.names():
        context.note(f"substitute: {one}")
    for name, sha in run_request.unlocked(spec).items():
        context.note(f"{name} is not in headway.lock: now it means {sha[:12]}")
    if tree.changed:
        context.note(f"on {tree.sha[:7]} and the files as they are: {tree.changed} differ")
    if how == "dry":
        _show_plan(context, bench, spec)
        return
    _refuse(bench, spec)
    if how == "sandbox":
        from headway.cli import run_sandbox  # noqa: PLC0415

        def follow(inside: "Bench", made: "RunState") -> "tuple[RunState, int]":
            state = followed(context, inside, made)
            return state, exit_code(state)

        click.get_current_context().exit(run_sandbox.play(context, spec, bench, follow))
    run_gates.refuse(context, bench, spec)
    from headway.flows import pipeline  # noqa: PLC0415

    finish(context, bench, pipeline.create(bench, spec, sync=False))


def finish(context: Context, bench: "Bench", found: "RunState") -> None:
    """Run what was created to its end, shown as it goes; leave with its exit code."""
    from headway.cli.run_tests import LateTests  # noqa: PLC0415

    bench = replace(bench, history=LateTests(context.place))
    state = followed(context, bench, found)
    _report(context, state)
    context.hard_exit = True  # everything is on disk; taking the interpreter apart takes 30 ms
    click.get_current_context().exit(exit_code(state))


def exit_code(state: "RunState") -> int:
    """A job that took too long makes the run cancelled too, but nobody has asked for it."""
    if state.phase == "cancelled":
        return INTERRUPTED if state.cancelled else RED
    return GREEN if state.phase == "success" else RED


def _chosen(context: Context, tree: "WorkTree", asked: "Asked") -> tuple["Workflow", "Asked"]:
    """The workflow file, and what was asked with its event and path filled in."""
    from headway.cli.run_request import check_jobs, event_of, named, text_of  # noqa: PLC0415
    from headway.pipeline.syntax.reader import read  # noqa: PLC0415

    folder = Path(tree.folder)
    path = named(folder, asked.workflow) if asked.workflow else _one(context, folder, asked.event)
    workflow = read(text_of(folder, path), path)
    check_jobs(workflow, asked.only)
    return workflow, replace(asked, workflow=path, event=event_of(workflow, asked.event))


def _one(context: Context, folder: Path, event: str) -> str:
    """The only workflow that the event starts; of several the person chooses one."""
    from headway.cli.run_request import FOLDER, candidates, files  # noqa: PLC0415

    found = candidates(folder, event or "push")
    if len(found) == 1:
        return found[0]
    if found:
        return _choice(context, found, event or "push")
    known = files(folder)
    raise Invalid(
        f"no workflow of {folder} is started by `{event or 'push'}`",
        why=f"workflows: {', '.join(known)}" if known else f"there is no file in {FOLDER}",
        next=f"headway run --workflow {known[0]}" if known else "headway init",
        code="no-workflow",
    )


def _choice(context: Context, found: list[str], event: str) -> str:
    asks = sys.stdin.isatty() and sys.stderr.isatty() and not (context.no_input or context.json)
    if not asks:
        raise Invalid(
            f"`{event}` starts {len(found)} workflows: {', '.join(found)}",
            why="one run is of one workflow",
            next=f"headway run --workflow {found[0]}",
            code="which-workflow",
        )
    for number, path in enumerate(found, 1):
        context.complain(f"  {number}  {path}")
    number = click.prompt("Which one", type=click.IntRange(1, len(found)), default=1, err=True)
    return found[number - 1]


def _show_plan(context: Context, bench: "Bench", spec: "RunSpec") -> None:
    from headway.cli import run_plan  # noqa: PLC0415
    from headway.flows.pipeline_preview import preview  # noqa: PLC0415

    found = preview(bench, spec)
    if context.json:
        context.document(run_plan.document(spec, found))
    else:
        context.lines(run_plan.lines(spec, found))
    if found.refused:
        click.get_current_context().exit(REFUSED)


def _refuse(bench: "Bench", spec: "RunSpec") -> None:
    """Raises Refused before anything runs if a job certainly cannot run here."""
    asks = any(word in text for text in spec.texts.values() for word in DEMANDING)
    if asks or not spec.network:
        from headway.flows.pipeline_preview import preview  # noqa: PLC0415

        for _, error in preview(bench, spec).refused:
            raise error


def followed(context: Context, bench: "Bench", found: "RunState") -> "RunState":
    """To the end; where only the person can make it go on, they are asked in between."""
    from headway.cli import run_gates  # noqa: PLC0415
    from headway.wording.text import plain  # noqa: PLC0415

    context.note(f"run {found.spec.id}")
    for one in found.warned:
        context.note(f"warning: {plain(one, 300)}")
    park = run_gates.asks(context)
    found = _run_on(context, bench, found, park=park)
    while found.phase == "running":
        park = run_gates.ask(context, bench, found)
        found = _run_on(context, bench, found, park=park)
    return found


def _run_on(context: Context, bench: "Bench", found: "RunState", *, park: bool) -> "RunState":
    from headway.cli.run_screen import interruptible, screen  # noqa: PLC0415
    from headway.cli.running import Begun, Known, Stop  # noqa: PLC0415
    from headway.flows import pipeline  # noqa: PLC0415
    from headway.pipeline.syntax.reader import read  # noqa: PLC0415

    spec = found.spec
    chosen = read(spec.texts[spec.workflow], spec.workflow)
    known = tuple(Known(j.id, tuple(n.text for n in j.needs)) for j in chosen.jobs)
    needed = _with_needs(known, spec.only)
    wanted = tuple(k for k in known if k.id in needed)
    stop = Stop()

    def cancel() -> None:
        pipeline.cancel(bench.home, spec.id, context.person, "Ctrl-C")

    say = (lambda _text: None) if sys.stderr.isatty() else context.note  # the tree says it itself
    ended = {key: report for key, report in found.ended.items() if key not in found.calls}
    begun = Begun(wanted, found.orders, ended)
    last = hint(f"killed; next: headway pipeline show {spec.id}")
    with screen(context, begun, stop) as watch, interruptible(stop, cancel, say, last):
        return pipeline.run(bench, spec.id, watch, park=park)


def _with_needs(known: "tuple[Known, ...]", only: tuple[str, ...]) -> set[str]:
    """The jobs of `only` and all that they need; all jobs for none."""
    needs = {k.id: k.needs for k in known}
    waiting = list(only or needs)
    found: set[str] = set()
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += needs.get(one, ())
    return found


def _report(context: Context, state: "RunState") -> None:
    """How it ended, on stdout."""
    from headway.cli.pipeline_text import ended  # noqa: PLC0415
    from headway.pipeline.run.view import view  # noqa: PLC0415

    seen = view(state)
    if context.json:
        context.document(seen)
    else:
        context.lines(ended(seen))
