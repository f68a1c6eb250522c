"""Is an instance ready? Called by target.py, once per instance and observation.

A good answer on the port counts only if the application itself listens there: when the port was
taken by somebody else in between, the answer would be that one's.
"""

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from headway.adapters.local.shim import descendants, http_status
from headway.adapters.local.wanted import MARK
from headway.model.deployment import Phase

_LISTEN = "0A"  # state of a listening socket, proc(5) /proc/net/tcp


def phase(spec: dict[str, Any], state: dict[str, Any]) -> Phase:
    """What a running application is: ready, starting (nothing answers yet, and it has time left)
    or unready.
    """
    try:
        good = _probe(spec, state["port"])
    except ConnectionRefusedError:
        return "starting" if state["uptime"] < spec["ready_within"] else "unready"
    except (OSError, ValueError):
        return "unready"
    return "ready" if good else "unready"


def _probe(spec: dict[str, Any], port: int) -> bool:
    if spec["ready_path"] is not None:
        return 200 <= http_status(port, spec["ready_path"], spec["ready_timeout"]) < 300
    return spec["ready_command"] is None or _command(spec, port)


def _command(spec: dict[str, Any], port: int) -> bool:
    """Exit status 0 within the timeout; whatever it started is killed after it."""
    env = {name: value for name, value in spec["env"].items() if name != MARK}
    process = subprocess.Popen(
        ["/bin/sh", "-c", spec["ready_command"]],
        cwd=spec["cwd"],
        env=env | {"PORT": str(port)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(spec["ready_timeout"]) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def listens(shim: int, port: int) -> bool:
    """Whether a descendant of the shim listens on the port. True also where that cannot be seen,
    since the descendants run as another user.
    """
    sockets = _listeners(port)
    for pid in descendants(shim):
        try:
            for fd in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if str(fd.readlink()) in sockets:
                        return True
        except PermissionError:
            return True
        except (FileNotFoundError, ProcessLookupError):
            continue
    return False


def _listeners(port: int) -> set[str]:
    """The listening TCP sockets of the port, as /proc/PID/fd names them."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(FileNotFoundError):
            for line in Path(table).read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == _LISTEN and int(words[1].rpartition(":")[2], 16) == port:
                    found.add(f"socket:[{words[9]}]")
    return found
