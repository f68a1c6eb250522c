"""Style, types and import contracts, as `make lint` asks them; beside the other tests, because the
checker of types keeps one core busy for a minute.
"""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_style_types_and_contracts() -> None:
    done = subprocess.run(["scripts/lint"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
