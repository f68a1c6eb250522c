"""The nursery: forks an agent for each job that is ordered. Started by linux/boxes, one a runner.

It is started in the home, of which jobs see little. The runner speaks over a Unix sequenced-packet
socket (descriptor 0): one packet a job, JSON {network, again}, with three descriptors: the job's
socket, a pipe that is closed once nothing of the job lives, and the job's lock, held as long. If an
agent was killed for want of memory, a byte comes through the pipe first. A packet without
descriptors asks what this machine allows, and is answered by {"namespaces", "network": bool;
"pids", "memory": what bounds them}. When the socket ends, all jobs are killed.

One agent is always set up ahead, so that no job waits for that. An agent whose job is over and left
nothing waits for the next job that says the same `again` (empty: none may have it).
"""

import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headway.adapters.linux.nursery import namespaces, processes
from headway.adapters.linux.nursery.agent import Agent
from headway.adapters.linux.nursery.cgroups import PREFIX, Cgroup, Cgroups, sweep
from headway.adapters.linux.nursery.spawn import not_inherited
from headway.adapters.linux.nursery.walls import Order, how_bounded, set_up

MOST_WAITING = 4
_PARENT_CHECK_MS = 1000


@dataclass(slots=True)
class Child:
    """An agent, and what is kept open while it has a job. `hits`: of its cgroup before the job."""

    pid: int
    channel: socket.socket
    cgroup: Cgroup | None
    again: str = ""
    held: list[int] = field(default_factory=list)
    hits: int = 0


class Nursery:
    """One loop over the runner's socket, agents that are done with a job, and ended agents."""

    def __init__(
        self,
        channel: socket.socket,
        order: Order,
        pids: namespaces.PidNamespaces | None,
        cgroups: Cgroups,
    ) -> None:
        self._channel, self._order, self._pids, self._cgroups = channel, order, pids, cgroups
        self._jobs: dict[int, Child] = {}
        self._waiting: list[Child] = []
        self._spare: Child | None = None
        self._parent = os.getppid()
        namespaces.adopt_orphans()
        self._wake, self._wake_in = os.pipe()
        for end in (self._wake, self._wake_in):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_in, warn_on_full_buffer=False)
        self._poll = select.poll()
        self._poll.register(channel, select.POLLIN)
        self._poll.register(self._wake, select.POLLIN)

    def serve(self) -> None:
        """Start sandboxes until the runner is gone, then end them all."""
        self._set_ahead()
        while os.getppid() == self._parent:
            ready = {descriptor for descriptor, _ in self._poll.poll(_PARENT_CHECK_MS)}
            # An agent says that it is free before the runner, which is told after that, asks again.
            for child in [c for c in self._jobs.values() if c.channel.fileno() in ready]:
                self._free(child)
            if self._wake in ready:
                self._reap()
            if self._channel.fileno() in ready and not self._hear():
                return

    def end(self) -> None:
        """Kill every agent, and with it its job."""
        processes.end_all()
        for child in self._children():
            self._forget(child)
        self._cgroups.remove()

    def _children(self) -> list[Child]:
        return [*self._jobs.values(), *self._waiting, *([self._spare] if self._spare else [])]

    def _hear(self) -> bool:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._channel, 1 << 16, 8)
        except ConnectionResetError:
            return False
        if not data:
            return False
        if descriptors:
            self._start(json.loads(data), descriptors)
        else:
            self._tell()
        return True

    def _tell(self) -> None:
        told: dict[str, object] = {"namespaces": self._pids is not None}
        told |= {"network": _can_cut_network(), **how_bounded(self._order, self._cgroups.how)}
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._channel.send(json.dumps(told).encode())

    def _start(self, asked: dict[str, Any], descriptors: list[int]) -> None:
        channel, gone, lock = descriptors
        try:
            child = self._ready(asked["again"]) if asked["network"] else self._fork(network=False)
            socket.send_fds(child.channel, [b"!"], [channel, lock])
        except OSError as error:
            _complain(channel, f"no process for the job: {error}")
            os.close(gone)
            os.close(lock)
        else:
            child.held, child.again = [gone, lock], asked["again"] if asked["network"] else ""
            child.hits = self._killed(child)
            self._jobs[child.pid] = child
            self._poll.register(child.channel, select.POLLIN)
        os.close(channel)
        self._set_ahead()

    def _ready(self, again: str) -> Child:
        """One that had a job of the same kind, the one that was set up ahead, or a new one."""
        for child in self._waiting if again else []:
            if child.again == again:
                self._waiting.remove(child)
                return child
        child, self._spare = self._spare or self._fork(network=True), None
        return child

    def _set_ahead(self) -> None:
        if self._spare is None:
            # Where there can be none, the next job is told why.
            with contextlib.suppress(OSError):
                self._spare = self._fork(network=True)

    def _free(self, child: Child) -> None:
        """The agent is done with its job and waits for another one; or it is about to end."""
        self._poll.unregister(child.channel)
        if not _says_so(child.channel):
            return
        del self._jobs[child.pid]
        _close(child.held)
        self._waiting.append(child)
        if len(self._waiting) > MOST_WAITING:
            # The end of its socket is its word to go; it is reaped when it has gone.
            old = self._waiting.pop(0)
            self._jobs[old.pid] = old
            old.channel.shutdown(socket.SHUT_RDWR)

    def _fork(self, *, network: bool) -> Child:
        """An agent that waits for a job. Raises OSError."""
        mine, theirs = socket.socketpair()
        cgroup = None
        try:
            cgroup = self._cgroups.take()
            pid = self._pids.fork() if self._pids else os.fork()
        except OSError:
            mine.close()
            theirs.close()
            if cgroup is not None:
                self._cgroups.give_back(cgroup)
            raise
        if pid == 0:
            mine.close()
            self._become_agent(theirs, cgroup, network=network)
        theirs.close()
        return Child(pid, mine, cgroup)

    def _become_agent(
        self, waiting: socket.socket, cgroup: Cgroup | None, *, network: bool
    ) -> None:
        """Never returns."""
        code, fault, sees_all = 1, "", False
        try:
            self._let_go()
            try:
                sees_all = set_up(
                    self._order, cgroup, alone=self._pids is not None, network=network
                )
            except OSError as error:
                fault = f"the sandbox could not be set up: {error}"
            first = bool(self._order.memory)
            _work(waiting, Agent(cgroup, sees_all=sees_all, oom_first=first), fault, once=first)
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
        _close([self._wake, self._wake_in, self._channel.detach()])
        for other in self._children():
            other.channel.close()
            _close(other.held)

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, 4096)
        with contextlib.suppress(ChildProcessError):
            while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                self._gone(pid)

    def _gone(self, pid: int) -> None:
        """A child has ended; others than agents come here where there are no namespaces."""
        for child in self._children():
            if child.pid == pid:
                break
        else:
            return
        if self._jobs.pop(pid, None):
            self._end_adopted()
        elif child in self._waiting:
            self._waiting.remove(child)
        else:
            self._spare = None
        self._forget(child)

    def _end_adopted(self) -> None:
        """Without namespaces, what an agent that was killed leaves behind comes to the nursery."""
        if self._pids is None:
            agents = {child.pid for child in self._children()}
            while orphans := processes.without(processes.tree(), agents):
                processes.tell(orphans, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    for orphan in orphans:
                        os.waitpid(orphan, 0)

    def _forget(self, child: Child) -> None:
        with contextlib.suppress(KeyError):
            self._poll.unregister(child.channel)
        child.channel.close()
        if child.cgroup is not None:
            if child.held and self._killed(child) > child.hits:
                with contextlib.suppress(BrokenPipeError):
                    os.write(child.held[0], b"m")
            self._cgroups.give_back(child.cgroup)
        _close(child.held)

    def _killed(self, child: Child) -> int:
        """How many processes of its cgroup were killed for want of memory."""
        return child.cgroup.hit()[0] if child.cgroup and self._order.memory else 0


def _work(waiting: socket.socket, agent: Agent, fault: str, *, once: bool) -> None:
    """Do one job after the other, as long as the agent may be kept for the next one. `once`: it may
    not, because its cgroup counts what the job leaves in memory.
    """
    mounts = _Mounts()
    kept = True
    while kept:
        _, descriptors, _, _ = socket.recv_fds(waiting, 1, 2)
        if not descriptors:
            return
        not_inherited(descriptors)
        channel, lock = socket.socket(fileno=descriptors[0]), descriptors[1]
        if fault:
            _complain(channel.fileno(), fault)
            return

        def keep(lock: int = lock) -> bool:
            if once or os.getpid() != 1 or processes.anybody() or mounts.changed():
                return False
            os.close(lock)
            waiting.send(b".")
            return True

        kept = agent.serve(channel, keep)
        channel.close()


class _Mounts:
    """Whether something was mounted here since (proc(5): poll of /proc/PID/mountinfo)."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._file = os.open("/proc/self/mountinfo", os.O_RDONLY | os.O_CLOEXEC)
        self._poll.register(self._file, select.POLLPRI)

    def changed(self) -> bool:
        """Since this was made."""
        return bool(self._poll.poll(0))


def _says_so(channel: socket.socket) -> bool:
    try:
        return bool(channel.recv(1))
    except ConnectionResetError:
        return False


def _close(descriptors: list[int]) -> None:
    while descriptors:
        os.close(descriptors.pop())


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
    sweep()
    # Garbage collection in each agent would copy pages that it shares with the nursery.
    gc.disable()
    gc.freeze()
    order = Order(**json.loads(sys.argv[-1]), home=str(Path.cwd()))
    os.chdir("/")
    # Before a user namespace, in which every nursery is process 1.
    cgroups = Cgroups(order.bounds, f"{PREFIX}{os.getpid()}-{os.urandom(4).hex()}")
    channel = socket.socket(fileno=os.dup(0))
    nursery = Nursery(channel, order, _pid_namespaces(order.namespaces), cgroups)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    try:
        nursery.serve()
    finally:
        nursery.end()


if __name__ == "__main__":
    main()
