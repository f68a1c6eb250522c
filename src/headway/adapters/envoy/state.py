"""What must be known although no proxy says it: the newest generation asked for, and the ledger.

Called by router, under its lock. The state file fences: it is written before the first change, so
that an older generation stays refused even if the newer one was cut off by a SIGKILL. The ledger
is a record of the proxy's own counter, never of what Headway meant to do.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from headway.adapters.envoy import files
from headway.adapters.envoy.admin import Json
from headway.model.errors import Drifted


@dataclass(frozen=True, slots=True)
class Asked:
    """The newest generation asked for, a digest of its content ("" once removed), and the port."""

    generation: int
    digest: str
    port: int | None = None


def read_asked(folder: Path, service: str) -> Asked | None:
    """What was last asked for this service; None if nothing ever was."""
    found = files.read_json(_path(folder, service))
    return None if found is None else Asked(**found)


def write_asked(folder: Path, service: str, asked: Asked | None) -> None:
    """Keep it; None forgets the service."""
    if asked is None:
        _path(folder, service).unlink(missing_ok=True)
    else:
        files.replace(_path(folder, service), files.dump(asdict(asked)))


def fence(service: str, former: Asked | None, wanted: Asked) -> None:
    """Raises Drifted (`stale-generation`) unless `wanted` is newer than, or the same as, `former`.

    The same generation with another content is refused too: one number names one content.
    """
    if former is None or wanted.generation > former.generation:
        return
    if wanted.generation == former.generation and wanted.digest == former.digest:
        return
    same = wanted.generation == former.generation
    raise Drifted(
        f"The routing of {service} is newer than this change",
        why=f"generation {former.generation} was applied"
        + (" with another content" if same else f", this is {wanted.generation}"),
        next=f"headway status {service}",
        code="stale-generation",
    )


def _path(folder: Path, service: str) -> Path:
    return folder / f"state-{service}.json"


@dataclass(frozen=True, slots=True)
class Reload:
    """One line of the ledger: the proxy loaded this version; `config_reload` is its own count of
    loads of this service's routes since it started, `epoch` which life of the proxy counted.
    """

    at: float
    service: str
    generation: int
    version: str
    config_reload: int
    epoch: str


def record(ledger: Path, reload: Reload) -> None:
    """Append the line if the proxy's counter moved since the service's last line.

    A restarted proxy loads the files again and counts from 0; that is no new effect of a change,
    so the version that the last line names is not written again for a new epoch.
    """
    last = _last(ledger, reload.service)
    if last is not None and last["version"] == reload.version:
        same_life = last["epoch"] == reload.epoch
        if not same_life or last["config_reload"] == reload.config_reload:
            return
    ledger.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, (json.dumps(asdict(reload)) + "\n").encode())
    finally:
        os.close(fd)


def _last(ledger: Path, service: str) -> Json | None:
    """The service's last line; only the end of the file is read unless it is not there."""
    if not ledger.exists():
        return None
    size = ledger.stat().st_size
    return _last_from(ledger, service, max(0, size - 65536)) or _last_from(ledger, service, 0)


def _last_from(ledger: Path, service: str, offset: int) -> Json | None:
    with ledger.open("rb") as file:
        file.seek(offset)
        if offset:
            file.readline()
        found = [line for raw in file if (line := json.loads(raw))["service"] == service]
    return found[-1] if found else None
