"""Bounds of jobs on this machine: what they are without a word, what an administrator says.

Called by assembled, and by `headway doctor` for what this machine can keep of them.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from headway.adapters.linux.boxes import Able, nursery
from headway.adapters.linux.sandbox import Limits
from headway.model.errors import Invalid

MEMORY, PIDS = "HEADWAY_JOB_MEMORY", "HEADWAY_JOB_PIDS"
LEAST_MEMORY, LEAST_PIDS = 16 << 20, 8
_SIZE = r"([0-9]{1,12})\s*(?:([KMGT])(?:iB)?)?"
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def limits(environment: Mapping[str, str]) -> Limits:
    """As HEADWAY_JOB_MEMORY (`512MiB`, `2G`, bytes) and HEADWAY_JOB_PIDS say, if they do.

    Raises Invalid (`bad-limit`).
    """
    memory, pids = environment.get(MEMORY, "").strip(), environment.get(PIDS, "").strip()
    given: dict[str, int] = {}
    if memory:
        given["memory"] = _size(memory)
    if pids:
        given["pids"] = _count(pids)
    return Limits(**given)  # type: ignore[arg-type]


def able(bounds: Limits) -> Able:
    """What this machine allows a job, tried once. Raises Failed (`no-sandbox`)."""
    import tempfile  # noqa: PLC0415 - slow, and not needed where jobs run

    with tempfile.TemporaryDirectory(prefix="headway-") as folder:
        tried = nursery(Path(folder), bounds)
        try:
            return tried.able()
        finally:
            tried.close()


def _size(text: str) -> int:
    found = re.fullmatch(_SIZE, text)
    size = int(found[1]) * _UNITS[found[2] or ""] if found else 0
    if size < LEAST_MEMORY:
        raise _bad(MEMORY, text, "it is a size of at least 16MiB, as `512MiB` or `2GiB`")
    return size


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < LEAST_PIDS:
        raise _bad(PIDS, text, f"it is a number of at least {LEAST_PIDS}")
    return int(text)


def _bad(name: str, text: str, why: str) -> Invalid:
    return Invalid(
        f"{name}={text[:40]!r} cannot bound jobs", why=why, next=f"unset {name}", code="bad-limit"
    )
