"""The runner of this machine with all its parts. The entry point `headway.job_runners: linux`.

Called by workbench.py with the other adapters that a run needs. What starts processes is started
before the runner is loaded, and what `uses` needs is loaded with the first step that has one: so a
run begins sooner.
"""

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from headway.adapters.linux.boxes import nursery
from headway.adapters.linux.limits import limits
from headway.model.job import JobOrder
from headway.ports.action_source import ActionSource
from headway.ports.blob_store import BlobStore
from headway.ports.job_runner import JobRunner
from headway.ports.source_host import SourceHost

if TYPE_CHECKING:
    from headway.adapters.linux.actions.acting import Finder, Found


def assembled(
    home: Path, source: SourceHost, actions: ActionSource, blobs: BlobStore, *, soon: bool = False
) -> JobRunner:
    """Workspaces and logs below `home`/runs. `soon`: a job comes at once. Raises Invalid
    (`bad-limit`) for bounds of jobs in the environment that make no sense.
    """
    started = nursery(home, limits(os.environ))
    if soon:
        started.warm()
    from headway.adapters.linux.runner import LinuxRunner  # noqa: PLC0415

    finder = _LateFinder(home, source, actions, blobs)
    return LinuxRunner(home, source, finder, blobs, started)


class _LateFinder:
    """LocalFinder, built when it is first asked."""

    def __init__(
        self, home: Path, source: SourceHost, actions: ActionSource, blobs: BlobStore
    ) -> None:
        self._parts = (home, source, actions, blobs)

    def find(self, order: JobOrder, uses: str, checkout: Path) -> "Found":
        """As LocalFinder."""
        return self._finder.find(order, uses, checkout)

    @cached_property
    def _finder(self) -> "Finder":
        from headway.adapters.linux.actions.find import LocalFinder  # noqa: PLC0415

        return LocalFinder(*self._parts)
