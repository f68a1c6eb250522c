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
from pathlib import Path

import psycopg
import pytest

from headway.store import database


def binaries() -> Path | None:
    """Debian's folder of the newest server, or whatever is on PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    which = shutil.which("initdb")
    return found[-1].parent if found else Path(which).parent if which else None


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of an empty database server's `postgres` database. Skips where there is no server."""
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
    server = subprocess.Popen(
        [*as_user, str(folder / "postgres"), "-D", str(data), "-p", str(port),
         "-c", "listen_addresses=127.0.0.1", "-k", str(base), "-c", "max_connections=50"],
        stdout=subprocess.DEVNULL, stderr=(base / "log").open("w"), cwd=base,
    )  # fmt: skip
    try:
        _wait(port)
        yield f"postgresql+psycopg://headway@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
        shutil.rmtree(base, ignore_errors=True)


@contextmanager
def databases(folder: Path) -> Iterator[dict[str, str]]:
    """The URLs of an empty SQLite file in the folder and of a Postgres, both prepared."""
    with postgres() as url:
        found = {"sqlite": f"sqlite:///{folder / 'headway.db'}", "postgres": url}
        for each in found.values():
            database.prepare(each)
        yield found


def _wait(port: int) -> None:
    for _ in range(300):
        try:
            psycopg.connect(f"host=127.0.0.1 port={port} user=headway dbname=postgres").close()
            return
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise AssertionError("Postgres did not start")
