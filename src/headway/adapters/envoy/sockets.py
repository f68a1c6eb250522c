"""Where the admin socket lies: in the environment's folder, or, if that path is too long, short.

Called by proxy. A Unix socket's path has 107 bytes at most (unix(7)). The place is chosen once and
kept in the file `admin-socket`, because $XDG_RUNTIME_DIR may differ between two callers.
"""

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from headway.adapters.envoy import files
from headway.model.errors import Refused

_LONGEST = 107


def admin_socket(folder: Path) -> Path:
    """The socket's path for this environment's folder; its own folder exists and is private.

    Raises Refused (`unsafe-folder`) if somebody else prepared the short folder.
    """
    near = folder / "admin.sock"
    if len(os.fsencode(near)) <= _LONGEST:
        return near
    kept = folder / "admin-socket"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with files.locked(folder / "start.lock"):
            if not kept.exists():
                files.replace(kept, str(_short(folder)))
    chosen = Path(kept.read_text(encoding="utf-8"))
    _make_private(chosen.parent)
    return chosen


def _short(folder: Path) -> Path:
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    if len(os.fsencode(base)) > _LONGEST - 50:
        base = Path("/tmp")  # noqa: S108 - made private and checked below
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    return base / f"headway-{os.getuid()}-{name}" / "admin.sock"


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    private = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) & 0o077 == 0
    if not private or found.st_uid != os.getuid():
        raise Refused(
            "The proxy's admin socket has no safe place",
            why=f"{folder} is not a private folder of this user",
            next=f"remove {folder}, or choose a shorter --home",
            code="unsafe-folder",
        )
