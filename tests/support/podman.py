"""Images made of this machine's own programs, for tests with real podman. Nothing is downloaded."""

import os
import re
import shutil
import subprocess
import tarfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

PROGRAMS = (
    *("bash", "dash", "cat", "echo", "env", "id", "ls", "mkdir", "setsid", "sleep", "tail"),
    *("touch", "redis-server", "redis-cli"),
)


def able() -> bool:
    """Whether jobs can have containers here."""
    return bool(shutil.which("podman") and shutil.which("slirp4netns")) and os.geteuid() == 0


needs_podman = pytest.mark.skipif(
    not able(),
    reason="podman and slirp4netns are not installed, or this is not root",
)
needs_redis = pytest.mark.skipif(not shutil.which("redis-server"), reason="no redis-server")
PASSWD = "root:x:0:0:root:/root:/bin/sh\n"


def _libraries(program: str) -> list[str]:
    told = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    return re.findall(r"(/\S+) \(0x", told.stdout)


def _tar(folder: Path) -> Path:
    file, passwd = folder / "image.tar", folder / "passwd"
    passwd.write_text(PASSWD)
    added = set()
    with tarfile.open(file, "w", dereference=True) as tar:
        for found in filter(None, map(shutil.which, PROGRAMS)):
            tar.add(found, f"bin/{Path(found).name}")
            for library in _libraries(found):
                if library not in added:
                    added.add(library)
                    tar.add(library, library.lstrip("/"))
        tar.add(shutil.which("dash") or "/bin/sh", "bin/sh")
        tar.add(passwd, "etc/passwd")
        for name in ("tmp", "usr", "root"):
            empty = folder / name
            empty.mkdir()
            tar.add(empty, name)
    return file


@contextmanager
def image(folder: Path) -> Iterator[str]:
    """The name of an image with PROGRAMS and two variables; removed at the end."""
    name = f"localhost/headway-test-{uuid.uuid4().hex[:12]}:1"
    changes = ["-c", "ENV PATH=/usr/local/bin:/bin", "-c", "ENV FROM_IMAGE=yes"]
    made = [*podman(), "import", "--quiet", *changes, str(_tar(folder)), name]
    subprocess.run(made, check=True, capture_output=True)
    try:
        yield name
    finally:
        subprocess.run([*podman(), "rmi", "--force", name], check=False, capture_output=True)


def podman() -> list[str]:
    return ["podman", "--events-backend", "none"]


def groups() -> set[str]:
    """The control groups of containers on this machine in which nothing lives, neither now nor in
    a moment: other tests make and remove some of their own meanwhile.
    """
    idle = _idle()
    for _ in range(10):
        if idle:
            time.sleep(0.05)
            idle &= _idle()
    return idle


def _idle() -> set[str]:
    found = set()
    for group in _groups():
        with suppress(OSError):
            if not any(file.read_text() for file in group.rglob("cgroup.procs")):
                found.add(str(group))
    return found


def _groups() -> Iterator[Path]:
    """Those of containers, below podman's own parent or a job's."""
    top = Path("/sys/fs/cgroup")
    yield from top.glob("*/libpod_parent/libpod-*")
    for folder, names, _ in os.walk(top):  # which goes on where one is removed meanwhile
        yield from (Path(folder, name) for name in names if name.startswith("headway-pod-"))


def leftovers(home: Path) -> list[str]:
    """What pods of this home have left."""
    notes = [*Path("/run/headway-pods").glob("*/job.json"), *home.glob("containers/*/job.json")]
    return [str(note) for note in notes if str(home) in note.read_text()]
