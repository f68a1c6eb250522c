"""The nursery: forks an agent for each job that is ordered. Started by linux/sandbox, one a runner.

The runner speaks over a Unix sequenced-packet socket (descriptor 0): one packet a job, JSON
{network, pids, file_bytes, files}, with three descriptors: the job's socket, a pipe that is
closed once nothing of the job lives, and the job's lock, held as long. The first packet goes the
other way: {"namespaces": bool, "network": bool}. When the socket ends, all jobs are killed.

After the first job one agent is always set up ahead, so that the next job does not wait for that.
"""

import contextlib
import gc
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


@dataclass(slots=True)
class Spare:
    """An agent that is set up and waits for a job on `channel`."""

    pid: int
    channel: socket.socket
    cgroup: Path | None


class Nursery:
    """One loop over the runner's socket and ended agents."""

    def __init__(
        self, channel: socket.socket, pids: namespaces.PidNamespaces | None, name: str
    ) -> None:
        """`name`: what its cgroups are called by, unique on the machine."""
        self._channel = channel
        self._jobs: dict[int, Job] = {}
        self._count = 0
        self._name = name
        self._spare: Spare | None = None
        self._cgroups: list[Path] = []
        self._pids = pids
        self._parent = os.getppid()
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
        if self._spare is not None:
            self._forget(Job([], self._spare.cgroup))
        for cgroup in self._cgroups:
            with contextlib.suppress(OSError):
                cgroup.rmdir()

    def _new_cgroup(self, order: dict[str, Any]) -> Path | None:
        return _cgroup(order, f"{self._name}-{self._count}")

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
        channel, gone, lock = descriptors
        try:
            agent = self._take_spare() if order["network"] else None
            agent = agent or self._fork(order)
            socket.send_fds(agent.channel, [b"!"], [channel, lock])
        except OSError as error:
            _complain(channel, f"no process for the job: {error}")
            os.close(gone)
            os.close(lock)
        else:
            self._jobs[agent.pid] = Job([gone, lock], agent.cgroup)
            agent.channel.close()
        os.close(channel)
        if self._spare is None:
            with contextlib.suppress(OSError):
                self._spare = self._fork(order | {"network": True})

    def _take_spare(self) -> Spare | None:
        spare, self._spare = self._spare, None
        return spare

    def _fork(self, order: dict[str, Any]) -> Spare:
        """An agent that waits for a job. Raises OSError."""
        self._count += 1
        mine, theirs = socket.socketpair()
        cgroup = self._cgroups.pop() if self._cgroups else self._new_cgroup(order)
        try:
            pid = self._pids.fork() if self._pids else os.fork()
        except OSError:
            mine.close()
            theirs.close()
            self._forget(Job([], cgroup))
            raise
        if pid == 0:
            mine.close()
            self._become_agent(order, theirs, cgroup)
        theirs.close()
        return Spare(pid, mine, cgroup)

    def _become_agent(
        self, order: dict[str, Any], waiting: socket.socket, cgroup: Path | None
    ) -> None:
        """Never returns."""
        code, fault = 1, ""
        try:
            self._let_go()
            try:
                sees_all = _set_up(order, cgroup, alone=self._pids is not None)
            except OSError as error:
                fault = f"the sandbox could not be set up: {error}"
            _, descriptors, _, _ = socket.recv_fds(waiting, 1, 2)
            waiting.close()
            if descriptors and fault:
                _complain(descriptors[0], fault)
            elif descriptors:
                Agent(socket.socket(fileno=descriptors[0]), sees_all=sees_all).serve()
                code = 0
        except SystemExit:
            code = 0
        except BaseException:  # noqa: BLE001 - a forked child must not return to the loop
            sys.excepthook(*sys.exc_info())
        finally:
            processes.end_all()
            os._exit(code)

    def _let_go(self) -> None:
        """Close what belongs to the nursery and to other jobs."""
        signal.set_wakeup_fd(-1)
        for descriptor in (self._wake, self._wake_in, self._channel.detach()):
            os.close(descriptor)
        if self._spare is not None:
            self._spare.channel.close()
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
                elif self._spare is not None and self._spare.pid == pid:
                    self._spare.channel.close()
                    self._forget(Job([], self._spare.cgroup))
                    self._spare = None

    def _end_adopted(self) -> None:
        """Without namespaces, what an agent that was killed leaves behind comes to the nursery."""
        if self._pids is None:
            agents = {*self._jobs, *([self._spare.pid] if self._spare else [])}
            while orphans := processes.without(processes.tree(), agents):
                processes.tell(orphans, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    for orphan in orphans:
                        os.waitpid(orphan, 0)

    def _forget(self, job: Job) -> None:
        if job.cgroup is not None:
            self._cgroups.append(job.cgroup)
        for descriptor in job.held:
            os.close(descriptor)


def _set_up(order: dict[str, Any], cgroup: Path | None, *, alone: bool) -> bool:
    """Set up the sandbox around this process; whether /proc shows just what is in it. Raises
    OSError.
    """
    namespaces.die_with_parent(signal.SIGKILL if alone else signal.SIGTERM)
    for heard in (signal.SIGINT, signal.SIGHUP):
        # Not SIG_IGN: steps would inherit that, and a shell cannot trap what it starts ignoring.
        signal.signal(heard, lambda *_: None)
    if not alone:
        # Process 1 of a namespace is better off deaf: nothing in there can tell it to go.
        signal.signal(signal.SIGTERM, _leave)
    os.setsid()
    if cgroup is not None:
        (cgroup / "cgroup.procs").write_text("0")
    if not order["network"]:
        namespaces.cut_network()
    sees_all = namespaces.own_proc() if alone else True
    if not alone:
        namespaces.adopt_orphans()
    _limit(order)
    os.umask(0o022)
    return sees_all


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


def _pid_namespaces(how: str) -> namespaces.PidNamespaces | None:
    """`any`: by right of root, else in a user namespace, else not at all. May go on in a child."""
    if how == "none":
        return None
    if how == "any":
        with contextlib.suppress(OSError):
            return namespaces.PidNamespaces()
    own = (namespaces.enter_user_namespace, namespaces.nest)
    if not _works(*own, namespaces.PidNamespaces):
        return None
    for call in own:
        call()
    return namespaces.PidNamespaces()


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
    # Garbage collection in each agent would copy pages that it shares with the nursery.
    gc.disable()
    gc.freeze()
    # Before a user namespace, in which every nursery is process 1.
    name = f"{_PREFIX}{os.getpid()}-{os.urandom(4).hex()}"
    nursery = Nursery(socket.socket(fileno=os.dup(0)), _pid_namespaces(sys.argv[-1]), name)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    try:
        nursery.serve()
    finally:
        nursery.end()


if __name__ == "__main__":
    main()
