"""Which pool a job belongs to, and how urgent it is. Called by flows/pool_runner.

A job that names a known pool among its labels (`runs-on: gpu`, `runs-on: [self-hosted, gpu]`) or as
its group (`runs-on: {group: gpu}`, also `org/gpu`) goes there and nowhere else. Any other job runs
on the server itself, unless there is a pool `default` that has a living worker or a limit.
"""

from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

from headway.model.errors import Refused
from headway.model.job import JobOrder
from headway.pipeline.pool.choice import LATER, NORMAL, SOON, Limits
from headway.store.pool_members import Pool

DEFAULT = "default"
_LATER = frozenset({"schedule"})
_SOON = frozenset({"workflow_dispatch", "repository_dispatch"})


def pool_of(order: JobOrder, pools: Iterable[Pool], living: Collection[str]) -> str:
    """The name of the pool; "" for the server's own runner.

    Raises Refused (`pool-needs-commit`) for files of a folder that no commit has.
    """
    known = {pool.name.casefold(): pool for pool in pools}
    labels = map(_label, order.runs_on)
    named = next((known[label] for label in labels if label in known), None)
    if named is not None:
        if order.folder:
            raise Refused(
                f"job `{order.name or order.id}` is for the pool `{named.name}`",
                why="workers get commits, and these files are of a folder as it is",
                next="commit them, or run the job here with another `runs-on`",
                code="pool-needs-commit",
            )
        return named.name
    common = known.get(DEFAULT)
    if common is None or order.folder or _looks_here(order):
        return ""
    return DEFAULT if DEFAULT in living or common.limits != Limits() else ""


def _label(written: str) -> str:
    group = written.removeprefix("group:")
    return (group if group == written else group.rpartition("/")[2]).casefold()


def priority(order: JobOrder) -> int:
    """A deployment, or a run that somebody asked for by hand, before a push; a schedule last."""
    event = str((order.contexts.get("github") or {}).get("event_name", ""))
    if order.deploys_to or event in _SOON:
        return SOON
    return LATER if event in _LATER else NORMAL


def _looks_here(order: JobOrder) -> bool:
    """Whether it is a test of something that runs on this machine only."""
    addresses = (layer.get("HEADWAY_URL", "") for layer in order.env)
    return any(urlsplit(a).hostname in {"127.0.0.1", "::1", "localhost"} for a in addresses if a)
