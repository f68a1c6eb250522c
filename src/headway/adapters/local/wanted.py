"""From an order to what one instance's shim is told (spec.json). Called by target.py.

Pure but for the look at the content folder. Names become folder names, so they are checked here.
"""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

from headway.model.deployment import DeployOrder
from headway.model.errors import Invalid

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATH = re.compile(r"/[!-~]*")
MARK = "HEADWAY_INSTANCE_DIR"  # by which processes that an instance left are known
_BASE = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR")


def check_names(**names: str) -> None:
    """Each is fit to be one folder's name. Raises Invalid (`bad-name`)."""
    for kind, name in names.items():
        if not _NAME.fullmatch(name):
            raise Invalid(
                f"{name!r} cannot be the name of a {kind}",
                why="it begins with a letter or digit; after it also `.`, `_` and `-`, 100 in all",
                code="bad-name",
            )


def check(order: DeployOrder) -> None:
    """Everything that can be wrong with an order before anything is done. Raises Invalid."""
    check_names(service=order.service, environment=order.environment, release=order.release)
    if order.instances < 0:
        raise Invalid("instances cannot be fewer than none", code="bad-instances")
    if order.instances:
        working_directory(order)
    for name, value in order.env.items():
        if not _VARIABLE.fullmatch(name) or "\0" in value:
            raise Invalid(f"{name!r} is not an environment variable", code="bad-variable")
    for path in (order.health.path, order.health.live):
        if path is not None and not _PATH.fullmatch(path):
            raise Invalid(f"{path!r} is not a path to ask", why="it begins with /", code="bad-path")


def working_directory(order: DeployOrder) -> str:
    """The content folder, or `run.path` in it. Raises Invalid (`missing-content`, `outside`)."""
    content = Path(order.content).resolve()
    folder = (content / (order.run.path or "")).resolve()
    if not folder.is_relative_to(content):
        raise Invalid(f"run.path {order.run.path!r} leaves the artifact", code="outside")
    if not folder.is_dir():
        raise Invalid(f"there is no folder {folder}", code="missing-content")
    return str(folder)


def fingerprint(order: DeployOrder) -> str:
    """Names what the running process depends on; if it changes, the instance is replaced.

    Not part of it: generation, grace, probes, and where the (same) content was unpacked.
    """
    run = order.run
    parts: list[object] = [order.digest, run.command, run.path, run.cpu, run.memory_bytes]
    parts.append(sorted(order.env.items()))
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def content_hash(order: DeployOrder) -> str:
    """Names all of the order but where its content lies: the same generation has one content."""
    fields = {name: getattr(order, name) for name in order.__slots__ if name != "content"}
    return hashlib.sha256(repr(sorted(fields.items())).encode()).hexdigest()


def spec(order: DeployOrder, folder: Path, ledger: Path) -> dict[str, Any]:
    """What spec.json in `folder` holds, but for limits. `wanted` false: the shim is to end."""
    run, health = order.run, order.health
    return {
        "wanted": True,
        "service": order.service,
        "environment": order.environment,
        "release": order.release,
        "digest": order.digest,
        "generation": order.generation,
        "instance": folder.name,
        "fingerprint": fingerprint(order),
        "command": run.command,
        "cwd": working_directory(order),
        "env": _environment(order, folder),
        "ledger": str(ledger),
        "memory_bytes": run.memory_bytes,
        "cpu": run.cpu,
        "stop_grace_seconds": run.stop_grace_seconds,
        "stop_signal": run.stop_signal,
        "live": health.live,
        "live_interval": health.interval_seconds,
        "live_timeout": health.timeout_seconds,
        "ready_path": health.path,
        "ready_command": health.command,
        "ready_timeout": health.timeout_seconds,
        "ready_within": health.ready_within_seconds,
    }


def _environment(order: DeployOrder, folder: Path) -> dict[str, str]:
    """All but PORT, which the shim chooses. Headway's own names win over the order's."""
    base = {name: os.environ[name] for name in _BASE if name in os.environ}
    return (
        {"PATH": os.defpath}
        | base
        | order.env
        | {
            "HEADWAY_SERVICE": order.service,
            "HEADWAY_ENVIRONMENT": order.environment,
            "HEADWAY_RELEASE": order.release,
            "HEADWAY_DIGEST": order.digest,
            "HEADWAY_COMMIT": order.commit,
            "HEADWAY_INSTANCE": folder.name,
            "HEADWAY_GENERATION": str(order.generation),
            MARK: str(folder),
        }
    )
