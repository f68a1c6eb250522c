"""A private Postgres for a test run: its own data folder, a free port, stopped at the end."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from headway.store import database


def binaries() -> Path | None:
    """Debian's folder of the newest server, or whatever is on PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    which = shutil.which("initdb")
    return found[-1].parent if found else Path(which).parent if which else None


@dataclass
class Postgres:
    """A database server that can be stopped and started again, on the same port and data."""

    url: str
    argv: list[str]
    base: Path
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Until it answers."""
        with (self.base / "log").open("a") as log:
            self.process = subprocess.Popen(
                self.argv, stdout=subprocess.DEVNULL, stderr=log, cwd=self.base
            )
        for _ in range(300):
            try:
                psycopg.connect(self.url.replace("+psycopg", "")).close()
            except psycopg.OperationalError:
                time.sleep(0.1)
            else:
                return
        raise AssertionError("Postgres did not start")

    def stop(self) -> None:
        """At once; what was not committed is undone."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)
            self.process = None


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of an empty database server's `postgres` database. Skips where there is no server."""
    with mortal_postgres() as made:
        yield made.url


@contextmanager
def mortal_postgres() -> Iterator[Postgres]:
    """The same, to be stopped and started again."""
    folder = binaries()
    if folder is None:
        pytest.skip("no Postgres server installed")
    root = os.geteuid() == 0
    base = Path(tempfile.mkdtemp(prefix="hwpg"))
    as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if root else []
    if root:
        shutil.chown(base, "postgres", "postgres")
    data = base / "data"
    make = [*as_user, str(folder / "initdb"), "-A", "trust", "-U", "headway", "-D", str(data)]
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL, cwd=base)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    argv = [*as_user, str(folder / "postgres"), "-D", str(data), "-p", str(port),
            "-c", "listen_addresses=127.0.0.1", "-k", str(base),
            "-c", "max_connections=50"]  # fmt: skip
    url = f"postgresql+psycopg://headway@127.0.0.1:{port}/postgres"
    made = Postgres(url, argv, base)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(base, ignore_errors=True)


@contextmanager
def databases(folder: Path) -> Iterator[dict[str, str]]:
    """The URLs of an empty SQLite file in the folder and of a Postgres, both prepared."""
    with postgres() as url:
        found = {"sqlite": f"sqlite:///{folder / 'headway.db'}", "postgres": url}
        for each in found.values():
            database.prepare(each)
        yield found
