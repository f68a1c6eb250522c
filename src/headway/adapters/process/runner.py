"""Runs jobs as processes of this machine. Serves ports/runner; called by flows.

Each job gets a workspace of its own with the commit's files, a closed environment and a sandbox; a
step is a script or one of the built-in actions.
"""

import os
import re
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from headway.adapters.process.environment import (
    added_paths,
    added_variables,
    base_environment,
    search_path,
    step_files,
)
from headway.adapters.process.sandbox import Command, Ended, Sandbox, sandbox
from headway.adapters.process.uploads import Say, download, forget, upload
from headway.adapters.process.workspace import (
    Workspace,
    clear_away,
    locked,
    make_anew,
    open_regular,
    workspace,
)
from headway.model.errors import Failed, HeadwayError, Refused
from headway.model.pipeline import (
    JobOrder,
    JobOutcome,
    JobResult,
    PlannedStep,
    StepResult,
    Upload,
)
from headway.pipeline.expression import Context, fill, fill_script
from headway.pipeline.supported import ACTIONS, SHELLS, VERSIONS
from headway.ports.runner import Runner
from headway.ports.source_host import SourceHost

LOG_BYTES = 16 * 1024**2
GRACE_SECONDS = 5.0
_TAIL_BYTES, _TAIL_LINES = 8192, 20
_SHELLS = {
    "bash": ("bash", "--noprofile", "--norc", "-eo", "pipefail"),
    "sh": ("sh", "-e"),
}
_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)")


@dataclass(slots=True)
class _Job:
    """What the steps of one job have done so far."""

    order: JobOrder
    place: Workspace
    base: dict[str, str]
    until: float
    added: dict[str, str] = field(default_factory=dict)
    uploads: list[Upload] = field(default_factory=list)

    def context(self, env: dict[str, str]) -> Context:
        inputs = {**self.order.job.inputs, **self.order.inputs}
        github = {"sha": self.order.sha, "ref_name": self.base["GITHUB_REF_NAME"]}
        return Context(inputs, github, env)


class ProcessRunner(Runner):
    """Workspaces below `home`/runs; commits come from `source`."""

    def __init__(self, home: Path, source: SourceHost) -> None:
        self._home = home
        self._source = source

    def run(self, order: JobOrder) -> JobResult:
        """Run the job to its end; a red step skips the rest. The same job again starts anew.

        Raises Refused (`planned`, `no-shell`) before anything ran, Failed (`storage-full`),
        Drifted (`job-running`), and what the source host raises.
        """
        started_at = time.time()
        _check(order)
        place = workspace(self._home, order.run, order.job.id)
        with locked(place) as lock:
            base = self._prepare(place, order)
            until = time.monotonic() + order.job.timeout_seconds
            with sandbox(lock) as processes:
                job = _Job(order, place, base, until)
                steps = _run_steps(job, processes)
            green = all(step.outcome == "success" for step in steps)
            if green:
                clear_away(place)
        outcome: JobOutcome = "success" if green else "failure"
        uploads = tuple(job.uploads)
        return JobResult(order.job.id, outcome, steps, uploads, started_at, time.time())

    def _prepare(self, place: Workspace, order: JobOrder) -> dict[str, str]:
        commit = self._source.commit(order.repo, order.sha)
        try:
            make_anew(place)
            forget(place)
        except OSError as error:
            raise Failed(
                f"the workspace of job `{order.job.id}` cannot be made",
                why=str(error),
                code="storage-full",
            ) from error
        self._source.checkout(order.repo, order.sha, str(place.checkout))
        return base_environment(self._home, place, order, commit)


def _check(order: JobOrder) -> None:
    """Refuse what cannot be run here before anything runs."""
    for step in order.job.steps:
        if step.run is not None:
            if step.shell not in SHELLS:
                raise Refused(f"the shell {step.shell!r} is planned", code="planned")
            if not shutil.which(step.shell, path=search_path()):
                raise Refused(f"there is no {step.shell} on this machine", code="no-shell")
        else:
            action, _, version = (step.uses or "").partition("@")
            done = {n for n, key in ACTIONS.get(action, {}).items() if key.state == "here"}
            if version not in VERSIONS.get(action, ()) or set(step.inputs) - done:
                raise Refused(f"the action {step.uses!r} is planned", code="planned")


def _run_steps(job: _Job, processes: Sandbox) -> tuple[StepResult, ...]:
    results: list[StepResult] = []
    red = False
    for number, step in enumerate(job.order.job.steps, start=1):
        if red:
            results.append(StepResult(step.id, step.name, "skipped", None, 0.0, ""))
            continue
        results.append(_run_step(job, processes, step, number))
        red = results[-1].outcome != "success"
    return tuple(results)


def _run_step(job: _Job, processes: Sandbox, step: PlannedStep, number: int) -> StepResult:
    log = job.place.logs / f"{number}.log"
    start = time.monotonic()
    try:
        log.touch()
        ended = _do(job, processes, step, number)
        faults = [ended.problem] if ended.problem else []
        if ended.timed_out:
            faults.append(f"stopped: the job's {job.order.job.timeout_seconds:g} s are over")
        green = ended.code == 0 and not faults
        code = ended.code
    except (HeadwayError, OSError) as error:
        faults, green, code = [str(error)], False, None
    tail, whole = _told(log, faults)
    outcome: JobOutcome = "success" if green and whole else "failure"
    seconds = time.monotonic() - start
    return StepResult(step.id, step.name, outcome, code, seconds, str(log), tail)


def _told(log: Path, faults: list[str]) -> tuple[str, bool]:
    """Write the faults to the log; gives its tail and whether the log is still in order."""
    try:
        for fault in faults:
            _say(log, f"[headway: {fault}]")
        return _tail(log), True
    except OSError as error:
        return "\n".join([*faults, f"the log is damaged: {error}"]), False


def _do(job: _Job, processes: Sandbox, step: PlannedStep, number: int) -> Ended:
    """Run the step. Raises HeadwayError or OSError if it cannot be done."""
    outer = job.base | _filled(job.order.job.env, job.context({})) | job.added
    env = outer | _filled(step.env, job.context(outer))
    context = job.context(env)
    if step.run is None:
        _act(job, step, _filled(step.inputs, context), number)
        return Ended(0, timed_out=False, problem="")
    script = job.place.files / f"{number}.sh"
    script.write_text(fill_script(step.run, context), "utf-8")
    files = step_files(job.place, number)
    argv = (*_SHELLS[step.shell], str(script))
    left = max(job.until - time.monotonic(), 0.0)
    log = str(job.place.logs / f"{number}.log")
    folder = str(_folder(job.place, step.working_directory))
    ended = processes.run(Command(argv, folder, env | files, log, LOG_BYTES, left, GRACE_SECONDS))
    _take_additions(job, files, env)
    return ended


def _act(job: _Job, step: PlannedStep, inputs: dict[str, str], number: int) -> None:
    say: Say = lambda line: _say(job.place.logs / f"{number}.log", line)  # noqa: E731
    match (step.uses or "").partition("@")[0]:
        case "actions/checkout":
            say(f"commit {job.order.sha} is checked out")
        case "actions/upload-artifact":
            job.uploads.append(upload(job.place, inputs, say))
        case "actions/download-artifact":
            download(job.place, inputs, say)


def _take_additions(job: _Job, files: dict[str, str], env: dict[str, str]) -> None:
    """What the step wrote to GITHUB_ENV and GITHUB_PATH is there for the steps after it."""
    job.added |= added_variables(files["GITHUB_ENV"])
    if folders := added_paths(files["GITHUB_PATH"]):
        job.added["PATH"] = ":".join([*folders, job.added.get("PATH", env["PATH"])])


def _folder(place: Workspace, name: str | None) -> Path:
    folder = (place.checkout / (name or ".")).resolve()
    if not folder.is_relative_to(place.checkout):
        raise Failed(f"{name!r} is outside the workspace", code="outside")
    if not folder.is_dir():
        raise Failed(f"there is no folder {name!r} in the workspace", code="no-folder")
    return folder


def _filled(values: dict[str, str], context: Context) -> dict[str, str]:
    return {name: fill(value, context) for name, value in values.items()}


def _say(log: Path, line: str) -> None:
    with open_regular(log, os.O_WRONLY | os.O_APPEND) as file:
        file.write(f"{line}\n".encode("utf-8", "replace"))


def _tail(log: Path) -> str:
    """The log's last lines for people: printable, no terminal commands."""
    with open_regular(log) as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
        text = file.read().decode("utf-8", "replace")
    lines = _ESCAPES.sub("", text.replace("\r\n", "\n")).split("\n")
    clean = ["".join(c if c.isprintable() or c == "\t" else "?" for c in line) for line in lines]
    return "\n".join("\n".join(clean).rstrip("\n").split("\n")[-_TAIL_LINES:])
