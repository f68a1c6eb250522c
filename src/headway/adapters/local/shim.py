"""The parent of one instance: starts, restarts and stops the application, and outlives the server.

Started detached by adapters/local/slots.py as `python -I -S shim.py FOLDER`. Alone in its file
and standard library only, since one runs per instance and each import costs memory (hence no
pathlib, no typing at run time). In FOLDER (mode 0700): spec.json is what is wanted, written by the
target; state.json is what is so, written here; out.log and out.log.1 are the application's output;
`lock` is held as long as the shim lives; `sock` answers one JSON line per connection:

    {"do": "status"}                                  -> the state
    {"do": "reload"}                                  -> the state; spec.json is read again
    {"do": "stop", "grace": seconds, "signal": name}  -> the state; the end shows at `lock`

The application dies with the shim (PR_SET_PDEATHSIG); what it left is killed by the target, which
starts the slot again. Facts used: prctl(2), proc(5), cgroups(7), getrlimit(2).
"""
# ruff: noqa: PTH101,PTH104,PTH108,PTH110,PTH123,PTH208

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import select
import signal
import socket
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

VERSION = 1
QUICK_SECONDS = 10.0  # an application that lived shorter than this died quickly
CRASHES = 3  # so many quick deaths in a row are a crash loop
BACKOFF_SECONDS, BACKOFF_MAX_SECONDS = 0.5, 30.0
LIVE_FAILURES = 3
LOG_BYTES = 4 << 20  # of out.log, and again of out.log.1
ENDS_KEPT = 20
BLANK: dict[str, Any] = {"starts": 0, "port": 0, "exit_status": None, "started_at": 0.0, "ends": []}
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
UP, TAKEN = b"u", b"t"  # what the shim tells the process that launched it
EXIT_TAKEN = 3

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
_libc = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, value: int) -> None:
    """prctl(2) with one argument. Raises OSError."""
    if _libc.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def read_text(path: str) -> str:
    """A whole small file. Raises OSError."""
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def write_json(path: str, value: object) -> None:
    """Replace the file at once or not at all (mode 0600). Raises OSError."""
    fd = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(fd, "w", encoding="utf-8") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(fd)
    os.rename(f"{path}.new", path)


def boot_id() -> str:
    """Names this boot of the machine: pids and start times mean something within one only."""
    return read_text("/proc/sys/kernel/random/boot_id").strip()


def proc_stat(pid: int) -> list[str]:
    """Fields 3 and up of /proc/PID/stat: state, ppid, pgrp, session … [19] is the start time in
    clock ticks since boot. Empty if there is no such process.
    """
    try:
        return read_text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def start_ticks(pid: int) -> int:
    """When the process began, in clock ticks since boot; 0 if there is none."""
    fields = proc_stat(pid)
    return int(fields[19]) if fields else 0


def descendants(root: int) -> list[int]:
    """Every living process under `root`, at any depth, zombies left out."""
    parents, alive = {}, set()
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := proc_stat(int(name))):
            parents[int(name)] = int(fields[1])
            if fields[0] not in "ZX":
                alive.add(int(name))
    found: set[int] = set()
    new = {root}
    while new:
        new = {pid for pid, parent in parents.items() if parent in new} - found
        found |= new
    return sorted(found & alive)


def free_port(wanted: int = 0) -> int:
    """`wanted` if it can be bound now, else a free loopback port of the kernel's choice."""
    for port in (wanted, 0) if wanted else (0,):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                if not port:
                    raise
                continue
            return int(probe.getsockname()[1])
    raise AssertionError


def http_status(port: int, path: str, timeout: float) -> int:
    """The status of GET `path`. Raises OSError if there is no answer in time, ValueError if it is
    not HTTP.
    """
    end = time.monotonic() + timeout
    with socket.create_connection(("127.0.0.1", port), timeout) as link:
        host = f"127.0.0.1:{port}"
        link.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        head = b""
        while b"\r\n" not in head and len(head) < 512:
            link.settimeout(max(0.001, end - time.monotonic()))
            if not (chunk := link.recv(512)):
                break
            head += chunk
    words = head.split(b"\r\n", 1)[0].split()
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise ValueError("the answer is not HTTP")
    return int(words[1])


def join(pid: int, folders: list[str]) -> str:
    """Move the process into the cgroups made for it; says what went wrong, or nothing."""
    for folder in folders:
        try:
            with open(f"{folder}/cgroup.procs", "w", encoding="ascii") as procs:
                procs.write(str(pid))
        except OSError as error:
            return f"not in its cgroup: {error}"
    return ""


def oom_kills(folders: list[str]) -> int:
    """How many processes the kernel killed in these cgroups for want of memory."""
    count = 0
    for folder in folders:
        for name in ("memory.events", "memory.oom_control"):
            if os.path.exists(f"{folder}/{name}"):
                words = [line.split() for line in read_text(f"{folder}/{name}").splitlines()]
                count += sum(int(value) for key, value in words if key == "oom_kill")
    return count


class Log:
    """out.log of at most LOG_BYTES, and the one before it. `dropped` counts bytes not stored."""

    def __init__(self) -> None:
        self.dropped = 0
        self.read_fd, self.write_fd = os.pipe()
        os.set_blocking(self.read_fd, False)
        self._open()

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self.fd = os.open("out.log", flags, 0o600)
        self.size = os.fstat(self.fd).st_size

    def pump(self) -> None:
        """Store what the application has written by now; never holds it up."""
        for _ in range(16):
            try:
                data = os.read(self.read_fd, 65536)
            except BlockingIOError:
                return
            self._store(data)

    def _store(self, data: bytes) -> None:
        try:
            if self.size + len(data) > LOG_BYTES:
                os.rename("out.log", "out.log.1")
                full = self.fd
                self._open()
                os.close(full)
            written = os.write(self.fd, data)
        except OSError:
            written = 0  # a full disk must not stop the application; the state tells
        self.size += written
        self.dropped += len(data) - written


def take_lock() -> int:
    """Hold `lock` for life. Raises BlockingIOError if another shim has it.

    A POSIX lock, since the target can ask who holds it (F_GETLK) without touching it.
    """
    fd = os.open("lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return fd


def be_plain() -> None:
    """Undo in a forked child what the shim did to its signals."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def become(spec: dict[str, Any], port: int, gate: int, out: int) -> NoReturn:
    """In the child: be the application as soon as the gate opens; never returns."""
    try:
        os.setsid()
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        be_plain()
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        if os.read(gate, 1):  # end of file: the shim could not record the start, or is dead
            if spec["rlimit_data"] is not None:
                import resource  # noqa: PLC0415

                resource.setrlimit(resource.RLIMIT_DATA, (spec["rlimit_data"],) * 2)
            os.umask(0o022)
            os.chdir(spec["cwd"])
            env = spec["env"] | {"PORT": str(port)}
            os.execve("/bin/sh", ["sh", "-c", spec["command"]], env)  # noqa: S606
    except BaseException as error:  # noqa: BLE001
        os.write(2, f"headway: cannot start: {error}\n".encode())
    finally:
        os._exit(126)


class Shim:
    """One instance. `state` is what state.json and the socket say; times there are Unix seconds."""

    def __init__(self) -> None:
        self.spec: dict[str, Any] = json.loads(read_text("spec.json"))
        self.state: dict[str, Any] = self._former()
        self.state |= {
            "version": VERSION,
            "boot": boot_id(),
            "shim": os.getpid(),
            "shim_start": start_ticks(os.getpid()),
            "pid": None,
            "pid_start": 0,
            "phase": "waiting",
            "trouble": "",
        }
        self.log = Log()
        self.crashes = 0
        self.next_start: float | None = 0.0
        self.began = 0.0  # monotonic, like every time kept outside the state
        self.main_ended = True
        self.oom_before = 0
        self.ending: float | None = None  # when to kill what is left
        self.why = "exit"
        self.asked = self.leave = False
        self.done = False
        self.probe: int | None = None
        self.probe_due = 0.0
        self.live_failures, self.was_live = 0, False

    def _former(self) -> dict[str, Any]:
        """What outlives a shim: the count of starts, the last port, the ends."""
        try:
            former = json.loads(read_text("state.json"))
        except FileNotFoundError:
            former = {}
        return {key: former.get(key, value) for key, value in BLANK.items()}

    def listen(self) -> None:
        """Answer on `sock` (mode 0600), and wake on signals."""
        if os.path.exists("sock"):
            os.unlink("sock")
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.server.bind("sock")
        os.chmod("sock", 0o600)
        self.server.listen(16)
        self.server.settimeout(0)
        self.wake, wake_write = os.pipe()
        for fd in (self.wake, wake_write):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        signal.signal(signal.SIGTERM, self.on_term)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.poll = select.poll()
        for fd in (self.wake, self.log.read_fd, self.server.fileno()):
            self.poll.register(fd, select.POLLIN)

    def on_term(self, *_: object) -> None:
        """SIGTERM means stop; done in its turn, never in the middle of something else."""
        self.asked = True

    def run(self) -> None:
        """Until stopped. The first application starts at once."""
        while not self.done:
            self.turn(time.monotonic())
            if not self.done:
                for fd, _ in self.poll.poll(self.idle_ms(time.monotonic())):
                    self.attend(fd)
            self.reap()
        self.finish()

    def attend(self, fd: int) -> None:
        """Something came in on `fd`."""
        if fd == self.wake:
            os.read(self.wake, 4096)
        elif fd == self.log.read_fd:
            self.log.pump()
        else:
            self.serve()

    def idle_ms(self, now: float) -> float | None:
        """How long nothing is due, in milliseconds; None: only an event can change anything."""
        if self.ending is not None:
            return 20
        due = []
        if self.next_start is not None:
            due.append(self.next_start)
        if self.state["pid"] is not None:
            if self.crashes:
                due.append(self.began + QUICK_SECONDS)
            if self.spec["live"] and self.probe is None:
                due.append(self.probe_due)
        return max(0.0, min(due) - now) * 1000 + 1 if due else None

    def turn(self, now: float) -> None:
        """Do what is due."""
        if self.asked and not self.leave:
            self.stop()
        if self.ending is not None:
            if now >= self.ending or (self.main_ended and not self.group_lives()):
                self.conclude(now)
        elif self.next_start is not None and now >= self.next_start:
            self.next_start = None
            self.start()
        elif self.state["pid"] is not None:
            if self.crashes and now - self.began >= QUICK_SECONDS:
                self.crashes = 0
                self.save(phase="running")
            if self.spec["live"] and self.probe is None and now >= self.probe_due:
                self.ask_live()

    # --- start ---

    def start(self) -> None:
        """Start the application once; it runs only after its start is on record."""
        self.spec = json.loads(read_text("spec.json"))
        if not self.spec["wanted"]:
            self.done = True
            return
        try:
            port = free_port(0 if self.crashes else self.state["port"])
            pid, gate_write = self.fork(port)
        except OSError as error:
            self.retry(f"no port or no process: {error}")
            return
        self.began, self.main_ended = time.monotonic(), False
        self.why, self.was_live, self.live_failures = "exit", False, 0
        self.probe_due = self.began + self.spec["live_interval"]
        self.state |= {"pid": pid, "pid_start": start_ticks(pid), "port": port}
        self.state["starts"] += 1
        try:
            self.record_start(pid)
        except OSError as error:
            self.state["starts"] -= 1
            self.state["trouble"] = f"the start could not be recorded: {error}"
        else:
            self.open_gate(gate_write)
        finally:
            os.close(gate_write)

    def fork(self, port: int) -> tuple[int, int]:
        """A child that becomes the application once `1` is written to the gate: its pid, the gate.
        Raises OSError. A stop signal that comes too early stays pending until the child is plain.
        """
        gate_read, gate_write = os.pipe()
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            pid = os.fork()
            if not pid:
                os.close(gate_write)
                become(self.spec, port, gate_read, self.log.write_fd)
        except OSError:
            os.close(gate_write)
            raise
        finally:
            os.close(gate_read)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        return pid, gate_write

    def open_gate(self, gate: int) -> None:
        """Let the application run; one that is dead already is reaped like any other."""
        try:
            os.write(gate, b"1")
        except BrokenPipeError:
            return

    def record_start(self, pid: int) -> None:
        """Limits, state, then the ledger: a start in the ledger is in the state. Raises OSError."""
        state, spec = self.state, self.spec
        state["limits"], state["trouble"] = spec["limits"], join(pid, spec["cgroups"])
        self.oom_before = oom_kills(spec["cgroups"])
        state["started_at"] = time.time()
        state["phase"] = "crash_loop" if self.crashes >= CRASHES else "running"
        write_json("state.json", state)
        line = {key: spec[key] for key in ("service", "environment", "release", "generation")}
        line |= {"at": state["started_at"], "instance": spec["instance"], "start": state["starts"]}
        line |= {"pid": pid, "why": "first" if state["starts"] == 1 else "restart"}
        fd = os.open(spec["ledger"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            data = (json.dumps(line) + "\n").encode()
            if os.write(fd, data) < len(data):
                raise OSError("the ledger took half a line")
        finally:
            os.close(fd)

    # --- end ---

    def reap(self) -> None:
        """Take the status of every child that ended: the application, a probe, an orphan."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            code = os.waitstatus_to_exitcode(status)
            if pid == self.state["pid"] and not self.main_ended:
                self.main_ended = True
                self.state["exit_status"] = code
                if self.ending is None:
                    self.ending = 0.0  # it ended by itself: nothing of it may stay
            elif pid == self.probe:
                self.probe = None
                self.live_said(code)

    def group_lives(self) -> bool:
        """Whether the application's process group has a member (its id is free for others only
        once it has none, and then nobody asks again).
        """
        try:
            os.killpg(self.state["pid"], 0)
        except ProcessLookupError:
            return False
        return True

    def end(self, why: str, grace: float, name: str) -> None:
        """Ask the application to end; after `grace` seconds whatever is left is killed."""
        if self.ending is not None or self.state["pid"] is None:
            return
        self.why, self.ending = why, time.monotonic() + grace
        number = getattr(signal, f"SIG{name}")
        if self.main_ended and not self.group_lives():
            return
        try:
            os.killpg(self.state["pid"], number)
        except ProcessLookupError:
            os.kill(self.state["pid"], number)  # just forked, not yet in its own group

    def stop(self, grace: float | None = None, name: str | None = None) -> None:
        """End the application and then the shim. Asked again: a shorter grace counts."""
        spec = self.spec
        grace = spec["stop_grace_seconds"] if grace is None else grace
        self.leave, self.next_start = True, None
        if self.ending is not None:
            self.ending = min(self.ending, time.monotonic() + grace)
        self.end("stop", grace, name or spec["stop_signal"])
        self.save(phase="stopping")
        self.done = self.state["pid"] is None

    def conclude(self, now: float) -> None:
        """Kill what is left, record the end, and plan the next start or leave."""
        self.kill_rest()
        if oom_kills(self.spec["cgroups"]) > self.oom_before and self.why == "exit":
            self.why = "memory"
        status = self.state["exit_status"]
        self.state["ends"].append({"at": time.time(), "status": status, "why": self.why})
        del self.state["ends"][:-ENDS_KEPT]
        self.ending, self.state["pid"] = None, None
        if self.leave:
            self.done = True
            return
        quick = now - self.began < QUICK_SECONDS
        self.crashes = self.crashes + 1 if quick else 0
        self.retry(self.state["trouble"])

    def retry(self, trouble: str) -> None:
        """Start again after the backoff."""
        wait = min(BACKOFF_MAX_SECONDS, BACKOFF_SECONDS * 2 ** max(0, min(self.crashes - 1, 16)))
        self.next_start = time.monotonic() + wait
        phase = "crash_loop" if self.crashes >= CRASHES else "waiting"
        self.save(phase=phase, trouble=trouble)

    def kill_rest(self) -> None:
        """SIGKILL every descendant, daemons too, until there is none."""
        for _ in range(500):
            left = descendants(os.getpid())
            if not left and self.main_ended:
                break
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            time.sleep(0.002)
            self.reap()
        else:
            self.state["trouble"] = f"not killed: {descendants(os.getpid())}"
        self.reap()
        self.log.pump()

    def finish(self) -> None:
        """Leave nothing but the records."""
        self.kill_rest()
        self.save(phase="exited")
        os.unlink("sock")

    def save(self, **changes: object) -> None:
        """Change the state, on disk too; a full disk is told over the socket instead."""
        self.state |= changes
        try:
            write_json("state.json", self.state)
        except OSError as error:
            self.state["trouble"] = f"the state could not be written: {error}"

    # --- liveness ---

    def ask_live(self) -> None:
        """Ask in a child, so that a slow answer holds nothing up; its exit status is the answer."""
        self.probe_due = time.monotonic() + self.spec["live_interval"]
        timeout, port = self.spec["live_timeout"], self.state["port"]
        try:
            self.probe = os.fork()
        except OSError as error:  # no answer is not a bad answer
            self.state["trouble"] = f"no liveness probe: {error}"
            return
        if not self.probe:
            code = 1
            try:
                be_plain()
                signal.setitimer(signal.ITIMER_REAL, timeout + 0.5)
                code = 0 if 200 <= http_status(port, self.spec["live"], timeout) < 300 else 1
            except (OSError, ValueError):
                code = 1
            finally:
                os._exit(code)

    def live_said(self, code: int) -> None:
        """Count; a slow start is no failure until it was alive once or should be ready by now."""
        self.live_failures = self.live_failures + 1 if code else 0
        self.was_live = self.was_live or not code
        slow = time.monotonic() - self.began < self.spec["ready_within"]
        if slow and not self.was_live:
            self.live_failures = 0
        if self.live_failures >= LIVE_FAILURES and not self.main_ended:
            self.end("live", self.spec["stop_grace_seconds"], self.spec["stop_signal"])

    # --- socket ---

    def serve(self) -> None:
        """One request, one answer. A caller that hangs up is its own loss."""
        try:
            caller, _ = self.server.accept()
        except OSError:
            return
        caller.settimeout(0.5)
        try:
            answer = self.answer(json.loads(caller.recv(4096)))
            caller.sendall((json.dumps(answer) + "\n").encode())
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self.state["trouble"] = f"a request could not be answered: {error}"
        finally:
            caller.close()

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The state, after doing what is asked."""
        if request["do"] == "stop":
            self.stop(float(request["grace"]), request["signal"])
        elif request["do"] == "reload":
            self.spec = json.loads(read_text("spec.json"))
        return self.state | {"log_dropped": self.log.dropped, "uptime": self.uptime()}

    def uptime(self) -> float:
        """Seconds since the application was started; 0 if it is not running."""
        return time.monotonic() - self.began if self.state["pid"] is not None else 0.0


def detach(folder: str) -> int:
    """Leave the launcher: it returns once the new process told how it went, else becomes a Shim."""
    os.closerange(3, 4096)
    os.chdir(folder)
    os.umask(0o077)
    told, tell = os.pipe()
    if os.fork():
        os.close(tell)
        said = os.read(told, 1)
        return {UP: 0, TAKEN: EXIT_TAKEN}.get(said, 1)
    os.close(told)
    os.setsid()
    return be_shim(tell)


def be_shim(tell: int) -> int:
    """Take the slot, tell the launcher, and run until stopped."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    try:
        take_lock()
    except BlockingIOError:
        os.write(tell, TAKEN)
        return 0
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    shim = Shim()
    shim.listen()
    shim.turn(time.monotonic())
    os.write(tell, UP)
    os.close(tell)
    shim.run()
    return 0


if __name__ == "__main__":
    sys.exit(detach(sys.argv[1]))
