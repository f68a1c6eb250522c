"""Where the control groups of a job's containers are: below the job's own, so that its bounds hold
for the job and all its containers together.

Podman is given a parent group. In version 2 it is a neighbour of the folder in which the job's
processes are (nursery/cgroups, STEPS). In version 1 it is relative, and the runtime takes it from
the group in which it runs, in each controller's tree by itself; runc does that, crun does not.
Called by pod. Interfaces: cgroup-v2.rst and cgroup-v1/cgroups.rst of the Linux kernel, and
"Cgroups Path" of the OCI runtime specification.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from headway.adapters.linux.nursery.cgroups import PREFIX, ROOT, STEPS

REMOVE_TRIES = 100


@dataclass(frozen=True, slots=True)
class Groups:
    """`flags`: for `podman run`; `folders`: what it makes with them."""

    flags: tuple[str, ...] = ()
    folders: tuple[Path, ...] = ()


def groups(own: str, token: str, runtime: str, root: Path = ROOT) -> Groups:
    """`own`: what /proc/self/cgroup says in the job's sandbox; `token`: the pod's; `runtime`: the
    program. None where the job has no control group, or the runtime cannot go below it.
    """
    lines = [tuple(line.split(":", 2)) for line in own.splitlines() if line.count(":") >= 2]
    bounded = [(number, path) for number, _, path in lines if _is_jobs(path)]
    name = f"headway-pod-{token}"
    if not bounded:
        return Groups()
    if all(number == "0" for number, _ in bounded):
        parent = Path(bounded[0][1]).parent / name
        return Groups(_flags(str(parent)), (_base(root) / str(parent).lstrip("/"),))
    if Path(runtime).name != "runc":
        return Groups()
    folders = [place / name for number, names, path in lines
               for place in _places(root, number, names, path)]  # fmt: skip
    return Groups(_flags(name), tuple(folders))


def _flags(parent: str) -> tuple[str, ...]:
    # What watches a container stays with the job's processes.
    return "--cgroups=no-conmon", f"--cgroup-parent={parent}"


def _is_jobs(path: str) -> bool:
    last = Path(path).parts[-2:]
    return any(part.startswith(PREFIX) for part in last if part != STEPS)


def _base(root: Path) -> Path:
    """Of the tree of version 2."""
    return root if (root / "cgroup.controllers").exists() else root / "unified"


def _places(root: Path, number: str, names: str, path: str) -> Iterator[Path]:
    """Where runc begins in that tree: in version 2 one further up than the process is."""
    if number == "0":
        yield _base(root) / str(Path(path).parent).lstrip("/")
    else:
        yield root / names.removeprefix("name=") / path.lstrip("/")


def note(made: Groups, store: Path) -> None:
    """Keep in the pod's store what there will be to remove."""
    (store / "groups").write_text("\n".join(map(str, made.folders)), "utf-8")


def forget(store: Path) -> None:
    """Remove the groups of that pod's containers."""
    for group in _of(store):
        remove(group)


def _of(store: Path) -> Iterator[Path]:
    """Those that were noted; where the job had none, podman's own parent holds its containers'."""
    with contextlib.suppress(FileNotFoundError):
        yield from map(Path, (store / "groups").read_text("utf-8").splitlines())
    for made in store.glob("root/*-containers/*"):
        for parent in ("*/libpod_parent", "libpod_parent"):
            yield from ROOT.glob(f"{parent}/libpod-*{made.name}*")


def remove(folder: Path) -> None:
    """With all below it. One that was killed a moment ago may be in it; if it stays, the next sweep
    removes it.
    """
    for _ in range(REMOVE_TRIES):
        for each, _, _ in os.walk(folder, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(each)  # noqa: PTH106
        if not folder.exists():
            return
        time.sleep(0.01)
