"""Builds what a run of this machine needs, without database and engine. Used by `headway run`,
`headway pipeline`, workers, and wiring for deliveries.

Adapters are found by entry point (`headway.job_runners`, `headway.blob_stores`, …). Those of
Headway itself are also written here, because looking through all installed packages takes longer
than everything else at the start of a run; a test holds the two lists together.
"""

import os
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from headway.flows.pipeline_bench import Bench
from headway.model.errors import Invalid

OWN = {
    ("headway.source_hosts", "git"): "headway.adapters.git.source_host:GitSourceHost",
    ("headway.source_trees", "git"): "headway.adapters.git.source_trees:GitTrees",
    ("headway.source_packs", "git"): "headway.adapters.git.packs:GitPacks",
    ("headway.action_sources", "git"): "headway.adapters.git.actions:GitActions",
    ("headway.blob_stores", "disk"): "headway.adapters.disk.blob_store:DiskBlobs",
    ("headway.job_runners", "linux"): "headway.adapters.linux.assembled:assembled",
    ("headway.clocks", "system"): "headway.adapters.system.clock:SystemClock",
}
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def run_id(now: float) -> str:
    """An id for a run: `run_` and a ULID, so that ids sort by time (github.com/ulid/spec)."""
    number = (int(now * 1000) << 80) | int.from_bytes(os.urandom(10), "big")
    return "run_" + "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -5, -5))


def bench(  # noqa: PLR0913  what a command line may say of it
    home: Path,
    jobs: int = 2,
    secrets: Mapping[str, str] | None = None,
    *,
    reuse: bool = True,
    soon: bool = False,
    fetched: Path | None = None,
) -> Bench:
    """Where runs are done: `jobs` instances at once, logs and results under `home`. Without `reuse`
    every job runs, and no result is kept for another run. `soon`: a run follows at once. `fetched`:
    the home whose fetched actions are used, if it is another.

    Raises Invalid (`unknown-adapter`, `home`).
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Invalid(
            "the home folder cannot be used",
            why=f"{home}: {error.strerror}",
            next="headway --home DIR …",
            code="home",
        ) from error
    blobs = load("headway.blob_stores", "disk")(home)
    actions = load("headway.action_sources", "git")(fetched or home)
    source = load("headway.source_hosts", "git")()
    runner = load("headway.job_runners", "linux")(home, source, actions, blobs, soon=soon)
    return Bench(
        home=home,
        runner=runner,
        blobs=blobs,
        actions=actions,
        clock=load("headway.clocks", "system")(),
        jobs=jobs,
        secrets=dict(secrets or {}),
        trees=load("headway.source_trees", "git")() if reuse else None,
        tools=partial(_tools, home),
    )


def _tools(home: Path) -> Mapping[str, str]:
    """Looked for anew in each run: a server lives longer than a toolchain."""
    from headway.adapters.linux.toolchain import fingerprints  # noqa: PLC0415

    return fingerprints(home)


def load(group: str, name: str) -> Any:
    """The adapter of that name. Raises Invalid (`unknown-adapter`)."""
    if (group, name) in OWN:
        module, _, attribute = OWN[group, name].partition(":")
        return getattr(import_module(module), attribute)
    return _installed(group, name)


def _installed(group: str, name: str) -> Any:
    from importlib.metadata import entry_points  # noqa: PLC0415  see above

    found = [e for e in entry_points(group=group) if e.name == name]
    if not found:
        known = ", ".join(sorted(e.name for e in entry_points(group=group))) or "none"
        raise Invalid(f"no `{name}` for {group}", why=f"installed: {known}", code="unknown-adapter")
    return found[0].load()
