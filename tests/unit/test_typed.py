"""Decoding a type for the first time from many threads at once, which kills a process otherwise."""

import re
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "headway"
AT_ONCE = """
import dataclasses, sys, threading
from headway import typed
sys.setswitchinterval(1e-6)
TEXT = "{" + ",".join(f'"f{k}": {k}' for k in range(30)) + "}"
FIELDS = [(f"f{k}", "int") for k in range(30)]
seen = []

def decode(kind, barrier, number):
    barrier.wait()
    plain = dict(zip(NAMES, range(30)))
    found = typed.loads(TEXT, kind) if number % 2 else typed.convert(plain, kind)
    seen.append(found.f29)

NAMES = [name for name, _ in FIELDS]
for turn in range(200):
    kind = dataclasses.make_dataclass(f"Kind{turn}", FIELDS)
    kind.__module__ = "__main__"
    barrier = threading.Barrier(4)
    threads = [threading.Thread(target=decode, args=(kind, barrier, n)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
assert seen == [29] * 800, len(seen)
"""


def test_the_first_time_from_four_threads_at_once_is_whole() -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_ONCE], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_nobody_decodes_into_a_type_elsewhere() -> None:
    into_a_type = re.compile(r"msgspec\.(convert\(|json\.Decoder\(|json\.decode\([^\n]*type=)")
    files = [f for f in SOURCE.rglob("*.py") if into_a_type.search(f.read_text())]
    assert files == [SOURCE / "typed.py"]
