"""After the show: every instance and every proxy of the stage is ended, by its process id.

The server must be down, or it would start again what is missed. Logs stay where they are. Called by
`show` at the end, whatever the end is, and by `headway demo --stop`.
"""

import contextlib
import os
import signal
import time
from pathlib import Path

from headway.adapters.envoy.proxy import EnvoyProxy
from headway.adapters.local import limits, slots
from headway.adapters.local.slots import Slot
from headway.model.errors import Failed, HeadwayError

KILL_SECONDS = 20.0


def strike_set(home: Path) -> None:
    """Instances first, then the proxies. Raises Failed (`left-over`) and says what still runs."""
    left = []
    found = [Slot(spec.parent) for spec in sorted(home.glob("instances/*/*/*/spec.json"))]
    _stop(found)
    left += [f"instance {slot.id}, pid {slot.holder()}" for slot in found if slot.holder()]
    for folder in sorted(home.glob("envoy/*/bootstrap.yaml")):
        try:
            EnvoyProxy(home, folder.parent.name).stop()
        except HeadwayError as error:
            left.append(f"proxy of {folder.parent.name}: {error}")
    if left:
        raise Failed("something of the demo still runs", why="; ".join(left), code="left-over")


def _stop(found: list[Slot]) -> None:
    """Ask all, then wait for all: each has its own grace, and they end together."""
    ends = [(slot, slots.ask_end(slot)) for slot in found]
    for slot, until in ends:
        while slot.holder() and time.monotonic() < until:
            time.sleep(0.02)
        _kill(slot)
        slots.clear(slot)
        limits.forget(slot.spec().get("cgroups", []))


def _kill(slot: Slot) -> None:
    until = time.monotonic() + KILL_SECONDS
    while (pid := slot.holder()) and time.monotonic() < until:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
