"""Environments that ask for approval, in a run of this terminal. Used by cli/run.py.

On a terminal, or with --yes, the run comes back when nothing can go on before somebody decides; the
person is asked, and it goes on. Else it waits for `headway pipeline approve`; with --no-input it is
refused before anything runs.
"""

import sys
import time
from typing import TYPE_CHECKING

import click

from headway.cli.context import Context
from headway.cli.hints import hint
from headway.model.errors import Refused
from headway.wording.text import plain

if TYPE_CHECKING:
    from headway.flows.pipeline_bench import Bench
    from headway.pipeline.run.state import RunSpec, RunState


def with_gates(spec: "RunSpec") -> "RunSpec":
    """With the approvals of the folder's headway.yaml. Raises Invalid for a file with faults."""
    if not any("environment" in text for text in spec.texts.values()):
        return spec
    from pathlib import Path  # noqa: PLC0415

    from headway.cli.run_request import text_of  # noqa: PLC0415
    from headway.flows import pipeline_gates  # noqa: PLC0415

    folder = Path(spec.folder)

    def read(path: str) -> str | None:
        return text_of(folder, path) if (folder / path).is_file() else None

    return pipeline_gates.with_gates(spec, read)


def asks(context: Context) -> bool:
    """Whether this process asks its person."""
    quiet = context.no_input or context.json
    terminal = sys.stdin.isatty() and sys.stderr.isatty()
    return context.yes or (terminal and not quiet)


def refuse(context: Context, bench: "Bench", spec: "RunSpec") -> None:
    """With --no-input nobody can be asked: raises Refused (`needs-approval`) if a job will ask."""
    if not spec.gates or not context.no_input or context.yes:
        return
    from headway.flows.pipeline_preview import preview  # noqa: PLC0415

    for job in preview(bench, spec).jobs:
        if job.order.environment.casefold() in spec.gates:
            raise Refused(
                f"job `{job.order.name}` waits for approval of `{job.order.environment}`",
                why="headway.yaml asks for it, and with --no-input nobody is asked",
                next="headway run --yes, or without --no-input",
                code="needs-approval",
            )


def ask(context: Context, home: "Bench", state: "RunState") -> bool:
    """Ask about every environment that the run waits for; whether to ask again later.

    A person whose word does not count is told so, and the run waits for somebody else.
    """
    from headway.flows import pipeline_gates  # noqa: PLC0415
    from headway.pipeline.run.state import Decided  # noqa: PLC0415
    from headway.store import access  # noqa: PLC0415

    run = state.spec.id
    with context.reading() as connection:
        known = access.known(connection, context.person)
    for environment, verdict in pipeline_gates.waiting(state, time.time()).items():
        keys = [k for k, e in state.held.items() if e == environment]
        jobs = plain(", ".join(keys), 200)
        said = f"{plain(environment, 80)} waits for approval, {verdict.because}: job {jobs}"
        context.note(said)
        approved = context.yes or click.confirm("Approve", err=True)
        reason = "headway run --yes" if context.yes else "on the terminal"
        word = Decided(environment, context.person, approved, reason, time.time())
        try:
            pipeline_gates.decide(home.home, run, word, known)
        except Refused as error:
            context.note(f"{plain(str(error), 300)}; it waits for somebody else")
            place = plain(environment, 80)
            context.note(hint(f"next: headway pipeline approve {run} --env {place}"))
            return False
    return True
