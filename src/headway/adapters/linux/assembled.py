"""The runner of this machine with all its parts. The entry point `headway.job_runners: linux`.

Called by workbench.py with the other adapters that a run needs.
"""

from pathlib import Path

from headway.adapters.linux.actions.find import LocalFinder
from headway.adapters.linux.runner import LinuxRunner
from headway.ports.action_source import ActionSource
from headway.ports.blob_store import BlobStore
from headway.ports.source_host import SourceHost


def assembled(
    home: Path, source: SourceHost, actions: ActionSource, blobs: BlobStore
) -> LinuxRunner:
    """Workspaces and logs below `home`/runs."""
    return LinuxRunner(home, source, LocalFinder(home, source, actions, blobs), blobs)
