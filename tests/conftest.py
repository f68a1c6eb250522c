"""Fixtures for every test."""

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.support.postgres import postgres

# The same examples every time, and no limit to how long one takes: machines are slow and noisy.
hypothesis.settings.load_profile("ci")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real Postgres server, one for the whole run."""
    with postgres() as url:
        yield url


@pytest.fixture
def short_home() -> Iterator[Path]:
    """A home whose path is short enough for Unix sockets; what runs out of it is ended after."""
    home = Path(tempfile.mkdtemp(prefix="hw"))
    yield home
    end_all(home)
    shutil.rmtree(home, ignore_errors=True)


def end_all(home: Path) -> None:
    """Kill every process whose command line names the home: shims, proxies, servers."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = entry.read_bytes().decode(errors="replace")
            if f"{home}/" in words or words.rstrip("\0").endswith(str(home)):
                os.kill(int(entry.parent.name), signal.SIGKILL)
