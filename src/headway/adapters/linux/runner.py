"""Runs jobs as processes of this Linux machine. Serves ports/job_runner; called by flows/pipeline.

Each job gets a workspace, a closed environment and a sandbox of its own; course runs its steps.
"""

import os
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from headway import expression
from headway.adapters.linux.actions.acting import Finder
from headway.adapters.linux.boxes import Boxes, Nursery, nursery
from headway.adapters.linux.course import Course, Means
from headway.adapters.linux.environment import (
    base_environment,
    github_context,
    runner_context,
    search_path,
)
from headway.adapters.linux.hashing import hash_files
from headway.adapters.linux.job import Job, deadline, prepare
from headway.adapters.linux.patience import Patience
from headway.adapters.linux.records import Records, Seal
from headway.adapters.linux.sandbox import Limits
from headway.adapters.linux.trash import Trash
from headway.adapters.linux.workspace import (
    Workspace,
    fresh_names,
    keep_try,
    locked,
    make,
    make_anew,
    workspace,
)
from headway.model.errors import Invalid, Refused
from headway.model.job import JobOrder, JobReport
from headway.pipeline.step import shells
from headway.pipeline.step.contexts import View, job_contexts
from headway.pipeline.step.masking import Masker
from headway.pipeline.step.state import Progress, fold
from headway.ports.blob_store import BlobStore
from headway.ports.job_runner import JobRunner, JobWatch
from headway.ports.source_host import SourceHost

_DEFAULTS = Limits()

OTHER_SYSTEMS = ("windows", "macos")


class LinuxRunner(JobRunner):
    """Workspaces and logs below `home`/runs. `finder` tells what a `uses` means, `source` when a
    commit was made; `blobs` is where reports go, and what actions of any finder may count on.
    """

    def __init__(
        self,
        home: Path,
        source: SourceHost,
        finder: Finder,
        blobs: BlobStore,
        limits: Limits | Nursery = _DEFAULTS,
    ) -> None:
        """Instead of limits, a nursery that is starting already."""
        self._home = home.resolve()
        self._source, self._finder, self._blobs = source, finder, blobs
        self._programs: dict[tuple[str, str], str] = {}
        self._epochs: dict[tuple[str, str], dict[str, str]] = {}
        self._nursery = limits if isinstance(limits, Nursery) else nursery(self._home, limits)
        self._trash = Trash(self._home / "runs" / ".trash")

    def run(self, order: JobOrder, secrets: Mapping[str, str], watch: JobWatch) -> JobReport:
        """As the port says. Raises Refused, Invalid (before anything ran), Failed (`storage-full`),
        Drifted (`job-running`, `secrets-changed`).
        """
        place = workspace(self._home, order.run, order.key)
        with locked(place) as lock:
            masker = Masker(secrets.values())
            seal = Seal(self._home, secrets, f"{order.run}/{order.key}/{order.attempt}")
            records = Records(place.records, seal, masker)
            progress = fold(records.read(order.attempt))
            if progress.report is not None:
                return progress.report
            masker.add(*progress.masks)
            # What deploys gets a sandbox that no other job of the run has ever been in.
            again = "" if order.environment else order.run
            boxes = Boxes(self._nursery, lock, network=order.network, again=again)
            job = Job(
                order=order,
                place=place,
                masker=masker,
                progress=progress,
                patience=_patience(order, progress, watch),
                finder=self._finder,
                sandbox=boxes.open,
                view=_view(self._home, order, place, secrets),
                base=base_environment(self._home, place) | self._epoch(order),
            )
            self.check(order)
            prepare(job)
            if not progress.started_at:
                keep_try(place, order.tries - 1)
                make_anew(place)
            else:
                make(place)
            job.names = fresh_names(place)
            try:
                return Course(job, Means(records, boxes, self._trash, self._blobs), watch).run()
            finally:
                boxes.close()
                records.close()

    def check(self, order: JobOrder) -> None:
        """As the port says."""
        _check_labels(order)
        if order.services or order.container:
            from headway.adapters.linux.actions import services  # noqa: PLC0415  few jobs have any

            services.check(order, self._home)
        if not order.network and not self._nursery.able().network:
            raise Refused(
                f"job `{order.name or order.id}` is to run without network",
                why="this machine does not allow a network namespace",
                code="no-network-namespace",
            )
        written = {step.shell or order.shell for step in order.steps if step.run is not None}
        for shell in () if order.container else written:
            self._check_shell(shell)

    def _check_shell(self, shell: str) -> None:
        if "${{" in shell:
            return
        try:
            program = shells.program(shell)
        except Invalid as error:
            raise Refused(str(error), code="bad-shell") from error
        if "/" not in program and not self._there(program, search_path()):
            raise Refused(f"there is no `{program}` on this machine", code="no-shell")

    def _there(self, program: str, path: str) -> bool:
        """Whether it is in the path; looked for in all its folders only once."""
        known = self._programs.get((program, path), "")
        if not known or not os.access(known, os.X_OK):
            known = shutil.which(program, path=path) or ""
            self._programs[program, path] = known
        return bool(known)

    def _epoch(self, order: JobOrder) -> dict[str, str]:
        """SOURCE_DATE_EPOCH, so that the same commit builds the same bytes again
        (reproducible-builds.org/specs/source-date-epoch); none for files that are no commit's.
        """
        if not order.repo or not order.sha.strip("0"):
            return {}
        asked = (order.repo, order.sha)
        if asked not in self._epochs:
            try:
                made = self._source.commit(*asked).committed_at
            except Invalid:
                return {}
            seconds = int(datetime.fromisoformat(made).timestamp())
            self._epochs = {asked: {"SOURCE_DATE_EPOCH": str(seconds)}}
        return self._epochs[asked]

    def warm(self) -> None:
        """As the port says."""
        self._nursery.warm()

    def close(self) -> None:
        """End every process that is left. The runner can be used again."""
        self._nursery.close()
        self._trash.close()


def _patience(order: JobOrder, progress: Progress, watch: JobWatch) -> Patience:
    """What an interrupted job had used of its times is used; the interruption does not count."""
    return Patience(
        watch.cancelled,
        deadline(order.timeout_seconds - progress.worked()),
        max(0.0, order.tidy_seconds - progress.tidied()),
        progress.stopped,
    )


def _view(home: Path, order: JobOrder, place: Workspace, secrets: Mapping[str, str]) -> View:
    debug = "true" in (secrets.get("ACTIONS_STEP_DEBUG"), _vars(order).get("ACTIONS_STEP_DEBUG"))
    github = github_context(order, place, dict(secrets))
    runner = runner_context(home, place, debug=debug)
    contexts = job_contexts(order, github, runner, secrets)

    def hashed(*patterns: expression.Value) -> expression.Value:
        return hash_files(place.checkout, *patterns)

    return View(contexts, "success", {"hashFiles": hashed})


def _vars(order: JobOrder) -> dict[str, object]:
    return order.contexts.get("vars") or {}


def _check_labels(order: JobOrder) -> None:
    """Other labels ask for no more than a machine; these for a system that this one is not."""
    other = next((x for x in order.runs_on if x.casefold().startswith(OTHER_SYSTEMS)), None)
    if other is not None:
        raise Refused(
            f"job `{order.name or order.id}` is to run on `{other}`",
            why="jobs run on Linux here",
            next="give the job a Linux label, or run the others: headway run --job JOB",
            code="no-such-system",
        )
