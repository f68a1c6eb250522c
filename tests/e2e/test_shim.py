"""One shim alone, as a process: what it does to its application, its files and its socket."""

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from headway.adapters.local import shim

T = TypeVar("T")
SERVER = """
import os, socket, sys, time
open("began", "a").write("x")
if len(sys.argv) > 1:
    time.sleep(float(sys.argv[1]))
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(os.environ["PORT"])))
listener.listen(8)
while True:
    link, _ = listener.accept()
    link.recv(4096)
    status = b"500 No" if os.path.exists("stuck") else b"200 OK"
    link.sendall(b"HTTP/1.1 " + status + b"\\r\\n\\r\\n")
    link.close()
"""
SERVE = f"exec {sys.executable} -I -S server.py"


def until(seen: Callable[[], T], seconds: float = 30.0) -> T:
    """Poll until it is true."""
    end = time.monotonic() + seconds
    while not (value := seen()):
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)
    return value


def alive(pid: int) -> bool:
    fields = shim.proc_stat(pid)
    return bool(fields) and fields[0] not in "ZX"


class Slot:
    """A folder with a spec.json of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "server.py").write_text(SERVER)
        self.spec: dict[str, Any] = {
            "wanted": True,
            "service": "shop",
            "environment": "production",
            "release": "shop-1",
            "generation": 1,
            "instance": "shop-1-1",
            "command": "exec sleep 600",
            "cwd": str(folder),
            "env": {"PATH": os.environ["PATH"]},
            "ledger": str(folder / "ledger"),
            "limits": {},
            "cgroups": [],
            "rlimit_data": None,
            "stop_grace_seconds": 5.0,
            "stop_signal": "TERM",
            "live": None,
            "live_interval": 0.1,
            "live_timeout": 5.0,
            "ready_within": 60.0,
        }

    def launch(self, **changes: object) -> int:
        self.spec |= changes
        (self.folder / "spec.json").write_text(json.dumps(self.spec))
        words = [sys.executable, "-I", "-S", shim.__file__, str(self.folder)]
        return subprocess.run(words, timeout=60, check=False).returncode

    def state(self) -> dict[str, Any]:
        found = json.loads((self.folder / "state.json").read_text())
        assert isinstance(found, dict)
        return found

    def say(self, line: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(10)
            link.connect(str(self.folder / "sock"))
            link.sendall(line)
            return link.recv(65536)

    def ask(self, **request: object) -> dict[str, Any]:
        found = json.loads(self.say(json.dumps(request).encode() + b"\n"))
        assert isinstance(found, dict)
        return found

    def starts(self) -> int:
        path = self.folder / "ledger"
        return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.fixture
def slot() -> Iterator[Slot]:
    with tempfile.TemporaryDirectory() as folder:
        made = Slot(Path(folder))
        yield made
        state = made.state()
        for pid in (state["pid"], state["shim"]):
            if pid and alive(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        until(lambda: not alive(state["shim"]))


def test_it_is_small_and_its_folder_private(slot: Slot) -> None:
    began = time.monotonic()
    assert slot.launch() == 0
    print(f"start: {time.monotonic() - began:.3f} s")
    status = Path(f"/proc/{slot.state()['shim']}/status").read_text()
    (kib,) = (int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    print(f"resident: {kib} KiB")
    assert kib <= 16 << 10
    for name in ("sock", "state.json", "ledger", "out.log"):
        assert stat.S_IMODE((slot.folder / name).stat().st_mode) == 0o600, name


def test_it_is_nobodys_child_and_in_a_session_of_its_own(slot: Slot) -> None:
    slot.launch()
    fields = shim.proc_stat(slot.state()["shim"])
    assert int(fields[1]) != os.getpid()
    assert os.getsid(slot.state()["shim"]) == slot.state()["shim"]
    assert os.getsid(slot.state()["pid"]) == slot.state()["pid"]


def test_a_second_shim_of_the_slot_leaves_at_once(slot: Slot) -> None:
    slot.launch()
    first = slot.state()
    assert slot.launch() == shim.EXIT_TAKEN
    assert slot.ask(do="status")["shim"] == first["shim"]
    assert slot.starts() == 1


def test_the_application_inherits_no_file_and_no_ignored_signal(slot: Slot) -> None:
    inherited = os.open("/etc/hostname", os.O_RDONLY)
    os.set_inheritable(inherited, True)
    try:
        slot.launch(command="ls -l /proc/self/fd; grep Sig /proc/self/status; exec sleep 600")
    finally:
        os.close(inherited)
    text = until(lambda: _read(slot, "SigCgt"))
    assert "hostname" not in text
    assert "lock" not in text
    ignored = int(text.split("SigIgn:\t")[1].split()[0], 16)
    # 32 and 33 belong to the C library, which lets nobody change them
    assert ignored & ~(1 << 31 | 1 << 32) == 0
    assert "SigBlk:\t0000000000000000" in text


def _read(slot: Slot, word: str) -> str:
    text = (slot.folder / "out.log").read_text(errors="replace")
    return text if word in text else ""


def test_stop_by_socket_ends_both_and_takes_the_socket_away(slot: Slot) -> None:
    slot.launch(command="trap 'echo bye; exit 9' INT; while :; do sleep 0.05; done")
    state = slot.state()
    answer = slot.ask(do="stop", grace=20, signal="INT")
    assert answer["phase"] == "stopping"
    until(lambda: not alive(state["shim"]))
    assert not alive(state["pid"])
    assert not (slot.folder / "sock").exists()
    end = slot.state()
    assert (end["phase"], end["exit_status"], end["pid"]) == ("exited", 9, None)
    assert [(e["status"], e["why"]) for e in end["ends"]] == [(9, "stop")]
    assert "bye" in (slot.folder / "out.log").read_text()


def test_a_shell_that_dies_first_does_not_cost_its_child_the_grace(slot: Slot) -> None:
    """`sh` ends at TERM at once, its child finishes what it does: it must be let."""
    child = "trap 'sleep 0.5; echo finished; exit' TERM; echo up; while :; do sleep 0.05; done"
    slot.launch(command=f'sh -c "{child}"; echo never')
    until(lambda: _read(slot, "up"))
    slot.ask(do="stop", grace=20, signal="TERM")
    until(lambda: not alive(slot.state()["shim"]))
    assert "finished" in (slot.folder / "out.log").read_text()


def test_a_term_to_the_shim_is_a_stop_and_a_hup_is_nothing(slot: Slot) -> None:
    slot.launch()
    state = slot.state()
    os.kill(state["shim"], signal.SIGHUP)
    assert slot.ask(do="status")["pid"] == state["pid"]
    os.kill(state["shim"], signal.SIGTERM)
    until(lambda: not alive(state["shim"]))
    assert not alive(state["pid"])
    assert slot.state()["exit_status"] == -signal.SIGTERM


def test_a_stop_right_after_the_start_is_not_lost(slot: Slot) -> None:
    """A signal may come before the child has become the application."""
    for _ in range(8):
        slot.launch()
        began = time.monotonic()
        slot.ask(do="stop", grace=60, signal="TERM")
        until(lambda: not alive(slot.state()["shim"]))
        assert time.monotonic() - began < 50, "it took the whole grace"


def test_stop_while_waiting_to_start_again(slot: Slot) -> None:
    slot.launch(command="exit 4")
    until(lambda: slot.state()["phase"] == "waiting")
    slot.ask(do="stop", grace=20, signal="TERM")
    until(lambda: not alive(slot.state()["shim"]))
    assert slot.state()["exit_status"] == 4


def test_the_application_dies_with_a_killed_shim(slot: Slot) -> None:
    slot.launch()
    state = slot.state()
    os.kill(state["shim"], signal.SIGKILL)
    until(lambda: not alive(state["pid"]))
    assert slot.launch() == 0
    assert slot.state()["starts"] == 2


def test_a_daemon_that_leaves_its_parent_is_an_end_and_leaves_nothing(slot: Slot) -> None:
    slot.launch(command="setsid sleep 611 & echo $! > daemon")
    until(lambda: slot.state()["ends"])
    pid = int((slot.folder / "daemon").read_text())
    assert slot.state()["exit_status"] == 0
    until(lambda: not alive(pid) or slot.starts() > 1)
    assert not alive(pid)


def test_three_bad_live_answers_restart_it(slot: Slot) -> None:
    slot.launch(command=SERVE, live="/live")
    first = slot.state()["pid"]
    port = slot.state()["port"]
    until(lambda: _status(port) == 200)
    time.sleep(0.5)
    assert slot.starts() == 1
    (slot.folder / "stuck").touch()
    until(lambda: slot.starts() > 1)
    (slot.folder / "stuck").unlink()
    assert slot.state()["ends"][0]["why"] == "live"
    assert not alive(first)


def _status(port: int) -> int:
    try:
        return shim.http_status(port, "/", 5)
    except (OSError, ValueError):
        return 0


def test_a_slow_start_is_not_a_bad_live_answer(slot: Slot) -> None:
    slot.launch(command=f"{SERVE} 1.5", live="/live", live_interval=0.05)
    until(lambda: _status(slot.state()["port"]) == 200)
    assert slot.starts() == 1
    assert (slot.folder / "began").read_text() == "x"


def test_never_alive_within_its_time_is_restarted(slot: Slot) -> None:
    slot.launch(live="/live", live_interval=0.05, ready_within=0.3)
    until(lambda: slot.starts() > 1)
    assert slot.state()["ends"][0]["why"] == "live"


def _ends(file: Path, end: str) -> bool:
    """Between two files of a rotation there is none."""
    return _text_of(file).endswith(end)


def _text_of(file: Path) -> str:
    try:
        return file.read_text()
    except FileNotFoundError:
        return ""


def test_the_output_is_kept_but_bounded(slot: Slot) -> None:
    half = shim.LOG_BYTES // 2
    writes = f"import sys; [sys.stdout.write('x' * {half} + chr(10)) for _ in range(5)]; print('e')"
    slot.launch(command=f'{sys.executable} -S -c "{writes}"; exec sleep 600')
    until(lambda: _ends(slot.folder / "out.log", "e\n"))
    sizes = [(slot.folder / name).stat().st_size for name in ("out.log", "out.log.1")]
    assert all(0 < size <= shim.LOG_BYTES for size in sizes)
    assert slot.ask(do="status")["log_dropped"] == 0


def test_a_start_that_cannot_be_recorded_does_not_happen(slot: Slot) -> None:
    (slot.folder / "ledger.d").mkdir()
    slot.launch(command="echo ran; exec sleep 600", ledger=str(slot.folder / "ledger.d"))
    until(lambda: slot.state()["phase"] == "waiting")
    assert "recorded" in slot.state()["trouble"]
    assert slot.state()["starts"] == 0
    fixed = slot.spec | {"ledger": str(slot.folder / "ledger")}
    (slot.folder / "spec.json").write_text(json.dumps(fixed))
    until(lambda: _read(slot, "ran"))
    (line,) = (slot.folder / "ledger").read_text().splitlines()
    assert json.loads(line)["why"] == "first"
    assert (slot.folder / "out.log").read_text().count("ran") == 1


@pytest.mark.parametrize("junk", [b"\n", b"{\n", b"[1]\n", b'{"do": "stop"}\n', b"\xff" * 5000])
def test_junk_on_the_socket_harms_nothing(slot: Slot, junk: bytes) -> None:
    slot.launch()
    with contextlib.suppress(OSError):
        slot.say(junk)
    assert slot.ask(do="status")["phase"] == "running"


def test_no_zombies_stay(slot: Slot) -> None:
    orphans = "for i in 1 2 3; do (sleep 0 & exec sleep 0) & done; exec sleep 600"
    slot.launch(command=orphans)
    parent = str(slot.state()["shim"])

    def zombies() -> list[str]:
        pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        stats = [shim.proc_stat(pid) for pid in pids]
        return [f[0] for f in stats if f and f[1] == parent and f[0] == "Z"]

    until(lambda: not zombies())
    slot.ask(do="status")
    assert zombies() == []


def test_a_spec_that_is_not_wanted_any_more_starts_nothing(slot: Slot) -> None:
    assert slot.launch(wanted=False) == 0
    written = slot.folder / "state.json"
    until(lambda: written.exists() and not alive(slot.state()["shim"]))
    assert slot.starts() == 0
