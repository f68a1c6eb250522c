"""The runner of this machine with all its parts. The entry point `headway.job_runners: linux`.

Called by workbench.py with the other adapters that a run needs. What `uses` needs is loaded with
the first step that has one: a run without any starts sooner.
"""

from functools import cached_property
from pathlib import Path

from headway.adapters.linux.actions.acting import Finder, Found
from headway.adapters.linux.runner import LinuxRunner
from headway.model.job import JobOrder
from headway.ports.action_source import ActionSource
from headway.ports.blob_store import BlobStore
from headway.ports.source_host import SourceHost


def assembled(
    home: Path, source: SourceHost, actions: ActionSource, blobs: BlobStore
) -> LinuxRunner:
    """Workspaces and logs below `home`/runs."""
    return LinuxRunner(home, source, _LateFinder(home, source, actions, blobs), blobs)


class _LateFinder(Finder):
    """LocalFinder, built when it is first asked."""

    def __init__(
        self, home: Path, source: SourceHost, actions: ActionSource, blobs: BlobStore
    ) -> None:
        self._parts = (home, source, actions, blobs)

    def find(self, order: JobOrder, uses: str, checkout: Path) -> Found:
        """As LocalFinder."""
        return self._finder.find(order, uses, checkout)

    @cached_property
    def _finder(self) -> Finder:
        from headway.adapters.linux.actions.find import LocalFinder  # noqa: PLC0415

        return LocalFinder(*self._parts)
