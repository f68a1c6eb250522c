"""What a run needs of the world, in one place. Built by workbench.py, used by flows/pipeline*."""

from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from headway.ports.action_source import ActionSource
from headway.ports.blob_store import BlobStore
from headway.ports.clock import Clock
from headway.ports.job_runner import JobRunner
from headway.ports.source_trees import SourceTrees
from headway.record import dataclass

if TYPE_CHECKING:
    from headway.flows.tests_history import History


def runs(_repo: str, _environment: str) -> str:
    """No line is stopped."""
    return ""


@dataclass(frozen=True, slots=True)
class Bench:
    """Where runs are done. `jobs`: how many instances run at once. `secrets`: by name.

    `trees`: without it no result is ever reused. `tools` tells what jobs find on this machine, name
    to fingerprint; part of every content key. `history`: what is remembered of tests; without it a
    job's tests are judged by its own tries alone. `line`: why nothing may change an environment of
    a repository now, "" while the line runs; a run without a server knows of no line.
    """

    home: Path
    runner: JobRunner
    blobs: BlobStore
    actions: ActionSource
    clock: Clock
    jobs: int = 2
    secrets: Mapping[str, str] = field(default_factory=dict)
    trees: SourceTrees | None = None
    tools: Callable[[], Mapping[str, str]] = dict
    history: "History | None" = None
    line: Callable[[str, str], str] = runs
