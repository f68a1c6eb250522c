"""LocalDiffer: answers compared by a process of this machine. Serves ports/shadow_differ."""

import hashlib
import os
import stat
from dataclasses import asdict
from pathlib import Path

import msgspec

from headway import typed
from headway.adapters.beside.process import Beside
from headway.model.errors import Failed, Refused
from headway.ports.shadow_differ import Comparison, Differences, ShadowDiffer

_LONGEST = 107  # bytes of a Unix socket's path (unix(7))


class LocalDiffer(ShadowDiffer):
    """One watcher per place, in `home`/beside/ENVIRONMENT/SERVICE/differ."""

    def __init__(self, home: Path) -> None:
        self._home = home.resolve()

    def watch(self, order: Comparison) -> str:
        """See ShadowDiffer. Raises Failed (`beside-died`), Refused (`unsafe-folder`)."""
        beside = self._beside(order.service, order.environment)
        beside.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        socket = str(_socket(beside.folder))
        content = {**asdict(order), "socket": socket}
        for side in ("candidate_endpoints", "stable_endpoints"):
            content[side] = sorted(
                [e["host"], e["port"]] for e in content[side] if not e["draining"]
            )
        beside.order(order.generation, msgspec.json.decode(msgspec.json.encode(content)))
        return socket

    def read(self, service: str, environment: str) -> Differences | None:
        """See ShadowDiffer. A watcher that died is started again, and counts from 0."""
        told = self._beside(service, environment).told()
        return None if told is None else typed.convert(told, Differences)

    def stop(self, service: str, environment: str, generation: int) -> None:
        """See ShadowDiffer."""
        self._beside(service, environment).stop(generation)

    def _beside(self, service: str, environment: str) -> Beside:
        folder = self._home / "beside" / environment / service / "differ"
        return Beside(folder, "headway.adapters.beside.watcher")


def _socket(folder: Path) -> Path:
    """In the folder or, if that path is too long, in a private folder with a short name."""
    near = folder / "socket"
    if len(os.fsencode(near)) <= _LONGEST:
        return near
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    short = Path(f"/tmp/headway-{os.getuid()}-{name}")  # noqa: S108 - checked below
    try:
        short.mkdir(mode=0o700, exist_ok=True)
        found = short.lstat()
    except OSError as error:
        raise Failed(
            "there is no place for a socket", why=str(error), code="storage-full"
        ) from error
    private = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) & 0o077 == 0
    if not private or found.st_uid != os.getuid():
        raise Refused(
            "The comparison's socket has no safe place",
            why=f"{short} is not a private folder of this user",
            next=f"remove {short}, or choose a shorter --home",
            code="unsafe-folder",
        )
    return short / "differ"
