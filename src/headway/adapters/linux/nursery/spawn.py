"""Starts a step's process as cheaply as the system can. Called by nursery/agent.

As subprocess.Popen with `start_new_session`, without its pipe, its fork of all memory and its
search for descriptors to close: everything an agent holds is closed on exec by itself.
"""

import errno
import os
import signal
from collections.abc import Iterator

# What Python itself ignores, and its children should not (subprocess: restore_signals).
_DEFAULT = (signal.SIGPIPE, signal.SIGXFSZ)


def spawn(argv: list[str], env: dict[str, str], null: int, output: int) -> int:
    """The id of a process that leads a session of its own, works in this process's folder, reads
    nothing and writes to `output`. Raises OSError, ValueError.
    """
    actions = [
        (os.POSIX_SPAWN_DUP2, null, 0),
        (os.POSIX_SPAWN_DUP2, output, 1),
        (os.POSIX_SPAWN_DUP2, output, 2),
    ]
    fault: OSError = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), argv[0])
    for path in _places(argv[0], env.get("PATH", os.defpath)):
        try:
            return os.posix_spawn(
                path, argv, env, file_actions=actions, setsid=True, setsigdef=_DEFAULT
            )
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:
            fault = error
    raise fault


def not_inherited(descriptors: list[int]) -> None:
    """What came over a socket is closed on exec too."""
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)  # noqa: FBT003


def _places(program: str, path: str) -> Iterator[str]:
    """Where it may be, as execvp(3) looks for it."""
    if "/" in program:
        yield program
        return
    for folder in path.split(":"):
        found = f"{folder or '.'}/{program}"
        if os.access(found, os.X_OK):
            yield found
