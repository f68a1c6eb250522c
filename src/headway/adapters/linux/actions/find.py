"""What a `uses` means, found before anything of the job runs. Given to the runner as its Finder.

Built-in actions by name; `./path` in the workspace or the commit; `owner/name[/path]@ref` through
the action source at the commit that the order pins. What this machine cannot do is refused here.
"""

from pathlib import Path

from headway.adapters.linux.actions.acting import Finder, Found
from headway.adapters.linux.actions.builtin import BUILTIN, Means
from headway.adapters.linux.actions.inputs import only
from headway.model.errors import Refused
from headway.model.job import JobOrder
from headway.ports.action_source import ActionSource
from headway.ports.blob_store import BlobStore
from headway.ports.source_host import SourceHost


class LocalFinder(Finder):
    """Actions of this machine. `home`: where scratch folders are."""

    def __init__(
        self, home: Path, source: SourceHost, actions: ActionSource, blobs: BlobStore
    ) -> None:
        self._means = Means(source, actions, blobs, home.resolve() / "tmp")

    def find(self, order: JobOrder, uses: str, checkout: Path) -> Found:
        """Raises as the protocol says."""
        name, _, _ = uses.partition("@")
        known = BUILTIN.get(name)
        if known is None:
            raise Refused(f"the action {uses!r} is not known here", code="no-action")
        for step in order.steps:
            if step.uses == uses:
                only(_plain(step.inputs), known.inputs, uses)
        return known.make(self._means)


def _plain(inputs: dict[str, str]) -> dict[str, str]:
    """Inputs as far as they are known now: one with an expression is checked when it is filled."""
    return {name: "" if "${{" in value else value for name, value in inputs.items()}
