"""One job's processes, in a PID namespace where the machine allows it. Called by runner.

Not a wall against hostile code: steps run as the server's user. It is what makes sure that nothing
of a job outlives it, not a daemon, and not when the server itself is killed.
"""

import contextlib
import functools
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

AGENT = Path(__file__).with_name("agent.py")
_NAMESPACES = (
    ("unshare", "-pf", "--mount-proc", "--kill-child", "--"),
    ("unshare", "--user", "--map-current-user", "-pf", "--mount-proc", "--kill-child", "--"),
)
_END_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Command:
    """What one step runs. `seconds` is the time it has; `grace` lies between INT, TERM and KILL."""

    argv: tuple[str, ...]
    cwd: str
    env: dict[str, str]
    log: str
    cap: int
    seconds: float
    grace: float


@dataclass(frozen=True, slots=True)
class Ended:
    """`code` is negative for a signal, None if it never ran or its end is not known."""

    code: int | None
    timed_out: bool
    problem: str


class Sandbox:
    """The agent of one job, spoken to over its pipes."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def run(self, command: Command) -> Ended:
        """Run a step to its end. An agent that is gone is an end with a problem."""
        fields = ("argv", "cwd", "env", "log", "cap", "seconds", "grace")
        order = {name: getattr(command, name) for name in fields}
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(json.dumps(order).encode("ascii") + b"\n")
            stdin.flush()
            answer = stdout.readline()
        except BrokenPipeError:
            answer = b""
        if not answer:
            return Ended(None, timed_out=False, problem="the job's processes were killed")
        told = json.loads(answer)
        return Ended(told["code"], told["timed_out"], told["problem"])


@contextlib.contextmanager
def sandbox(keep_open: int, namespace: tuple[str, ...] | None = None) -> Iterator[Sandbox]:
    """A sandbox for one job; everything in it is dead when the block is left.

    `keep_open` is a descriptor (the job's lock) that the agent holds as long as it lives.
    """
    prefix = pid_namespace() if namespace is None else namespace
    process = subprocess.Popen(
        [*prefix, sys.executable, "-I", "-S", str(AGENT)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd="/",
        env={"LANG": "C.UTF-8"},
        start_new_session=True,
        pass_fds=(keep_open,),
    )
    try:
        yield Sandbox(process)
    finally:
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Closing stdin is the word to kill everything and go."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()


@functools.cache
def pid_namespace() -> tuple[str, ...]:
    """How to enter a PID namespace here: an argument list to put in front, or () if impossible."""
    for prefix in _NAMESPACES:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            tried = subprocess.run(
                [*prefix, "true"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=10,
                check=False,
            )
            if tried.returncode == 0:
                return prefix
    return ()
