"""`headway demo --stop`: ends what `--keep` left: the server, the instances, the proxies.

A process is ended only if it is the server of that very home: a number in a file may by now belong
to somebody else. Called by `command`.
"""

import os
import signal
import time
from pathlib import Path

from headway.cli.server import read_state
from headway.demo.stage import Stage
from headway.demo.strike_set import strike_set

STOP_SECONDS = 20.0


def stop_kept(stage: Stage) -> None:
    """Nothing runs already: nothing to do. Raises Failed (`left-over`)."""
    state = read_state(stage.home)
    pid = state["pid"] if state else 0
    until = time.monotonic() + STOP_SECONDS
    number = signal.SIGTERM
    while pid and _is_server(pid, stage.home):
        os.kill(pid, number)
        if time.monotonic() > until:
            number = signal.SIGKILL
        time.sleep(0.2)
    strike_set(stage.home)


def _is_server(pid: int, home: Path) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return os.fsencode(home) in words and b"server" in words
