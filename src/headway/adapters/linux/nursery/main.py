"""The nursery: forks an agent for each job that is ordered. Started by linux/sandbox, one a runner.

The runner speaks over a Unix sequenced-packet socket (descriptor 0): one packet a job, JSON
{network, pids, file_bytes, files}, with three descriptors: the job's socket, a pipe that is
closed once nothing of the job lives, and the job's lock, held as long. The first packet goes the
other way: {"namespaces": bool, "network": bool}. When the socket ends, all jobs are killed.
"""

import contextlib
import json
import os
import resource
import select
import signal
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headway.adapters.linux.nursery import namespaces, processes
from headway.adapters.linux.nursery.agent import Agent

PIDS_CGROUP = Path("/sys/fs/cgroup/pids")
_PREFIX = "headway-job-"
_PARENT_CHECK_MS = 1000


@dataclass(slots=True)
class Job:
    """What is kept open until an agent is gone."""

    held: list[int] = field(default_factory=list)
    cgroup: Path | None = None


class Nursery:
    """One loop over the runner's socket and ended agents."""

    def __init__(self, channel: socket.socket, *, isolate: bool) -> None:
        self._channel = channel
        self._jobs: dict[int, Job] = {}
        self._count = 0
        self._parent = os.getppid()
        self._pids = _pid_namespaces() if isolate else None
        namespaces.adopt_orphans()
        self._wake, self._wake_in = os.pipe()
        for end in (self._wake, self._wake_in):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_in, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Start sandboxes until the runner is gone, then end them all."""
        told = {"namespaces": self._pids is not None, "network": _can_cut_network()}
        self._channel.send(json.dumps(told).encode())
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while os.getppid() == self._parent:
            for descriptor, _ in poll.poll(_PARENT_CHECK_MS):
                if descriptor == self._wake:
                    self._reap()
                elif not self._hear():
                    return

    def end(self) -> None:
        """Kill every agent, and with it its job."""
        processes.end_all()
        for job in self._jobs.values():
            self._forget(job)

    def _hear(self) -> bool:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._channel, 1 << 16, 8)
        except ConnectionResetError:
            return False
        if not data:
            return False
        self._start(json.loads(data), descriptors)
        return True

    def _start(self, order: dict[str, Any], descriptors: list[int]) -> None:
        channel, *held = descriptors
        self._count += 1
        job = Job(held, _cgroup(order, f"{_PREFIX}{os.getpid()}-{self._count}"))
        try:
            pid = self._pids.fork() if self._pids else os.fork()
        except OSError as error:
            _complain(channel, f"no process for the job: {error}")
            self._forget(job)
        else:
            if pid == 0:
                self._become_agent(order, channel, job)
            self._jobs[pid] = job
        os.close(channel)

    def _become_agent(self, order: dict[str, Any], channel: int, job: Job) -> None:
        """Never returns."""
        code = 1
        try:
            self._let_go(job)
            _live_as(order, channel, job, alone=self._pids is not None)
            code = 0
        except SystemExit:
            code = 0
        except BaseException as error:  # noqa: BLE001 - a forked child must not return to the loop
            _complain(channel, f"the sandbox could not be set up: {error!r}")
        finally:
            processes.end_all()
            os._exit(code)

    def _let_go(self, job: Job) -> None:
        """Close what belongs to the nursery and to other jobs; of this one keep only the lock."""
        signal.set_wakeup_fd(-1)
        for descriptor in (self._wake, self._wake_in, self._channel.detach(), *job.held[:1]):
            os.close(descriptor)
        for other in self._jobs.values():
            for descriptor in other.held:
                os.close(descriptor)

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, 4096)
        with contextlib.suppress(ChildProcessError):
            while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                if job := self._jobs.pop(pid, None):
                    self._end_adopted()
                    self._forget(job)

    def _end_adopted(self) -> None:
        """Without namespaces, what an agent that was killed leaves behind comes to the nursery."""
        if self._pids is None:
            while orphans := processes.without(processes.tree(), set(self._jobs)):
                processes.tell(orphans, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    for orphan in orphans:
                        os.waitpid(orphan, 0)

    def _forget(self, job: Job) -> None:
        if job.cgroup is not None:
            with contextlib.suppress(OSError):
                job.cgroup.rmdir()
        for descriptor in job.held:
            os.close(descriptor)


def _live_as(order: dict[str, Any], channel: int, job: Job, *, alone: bool) -> None:
    """Set up the sandbox around this process, and serve the job."""
    namespaces.die_with_parent(signal.SIGKILL if alone else signal.SIGTERM)
    for heard in (signal.SIGINT, signal.SIGHUP):
        # Not SIG_IGN: steps would inherit that, and a shell cannot trap what it starts ignoring.
        signal.signal(heard, lambda *_: None)
    if not alone:
        # Process 1 of a namespace is better off deaf: nothing in there can tell it to go.
        signal.signal(signal.SIGTERM, _leave)
    os.setsid()
    if job.cgroup is not None:
        (job.cgroup / "cgroup.procs").write_text("0")
    if not order["network"]:
        namespaces.cut_network()
    sees_all = namespaces.own_proc() if alone else True
    if not alone:
        namespaces.adopt_orphans()
    _limit(order)
    os.umask(0o022)
    Agent(socket.socket(fileno=channel), sees_all=sees_all).serve()


def _leave(*_: object) -> None:
    raise SystemExit


def _limit(order: dict[str, Any]) -> None:
    wanted = {
        resource.RLIMIT_FSIZE: order["file_bytes"],
        resource.RLIMIT_NOFILE: order["files"],
        resource.RLIMIT_NPROC: order["pids"] if os.geteuid() else resource.RLIM_INFINITY,
        resource.RLIMIT_CORE: 0,
    }
    for kind, most in wanted.items():
        _, hard = resource.getrlimit(kind)
        if most != resource.RLIM_INFINITY:
            value = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (value, hard))


def _cgroup(order: dict[str, Any], name: str) -> Path | None:
    """A cgroup that bounds the job's processes, where this process may make one."""
    folder = PIDS_CGROUP / name
    try:
        folder.mkdir(exist_ok=True)
        (folder / "pids.max").write_text(str(order["pids"]))
    except OSError:
        return None
    return folder


def _clean_cgroups() -> None:
    """Remove what nurseries that were killed have left."""
    for folder in PIDS_CGROUP.glob(f"{_PREFIX}*-*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if not Path("/proc", owner).exists():
            with contextlib.suppress(OSError):
                folder.rmdir()


def _complain(channel: int, error: str) -> None:
    with contextlib.suppress(OSError):
        os.write(channel, json.dumps({"error": error}).encode() + b"\n")


def _pid_namespaces() -> namespaces.PidNamespaces | None:
    """By right of root, else by a user namespace, else not at all."""
    with contextlib.suppress(OSError):
        return namespaces.PidNamespaces()
    if _works(namespaces.enter_user_namespace, namespaces.PidNamespaces):
        namespaces.enter_user_namespace()
        return namespaces.PidNamespaces()
    return None


def _can_cut_network() -> bool:
    return _works(namespaces.cut_network)


def _works(*calls: Any) -> bool:
    """Whether the calls succeed, tried in a process of its own."""
    pid = os.fork()
    if pid == 0:
        try:
            for call in calls:
                call()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a forked child must not return
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


def main() -> None:
    """Serve until the runner is gone."""
    _clean_cgroups()
    isolate = "--no-namespaces" not in sys.argv
    nursery = Nursery(socket.socket(fileno=os.dup(0)), isolate=isolate)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    try:
        nursery.serve()
    finally:
        nursery.end()


if __name__ == "__main__":
    main()
