"""One benchmark in its own process: `python -m bench.child NAME FOLDER COUNT`. Started by __main__.

Writes FOLDER/result.json. SIGTERM ends it in order.
"""

import json
import signal
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from bench.facts import load_average


def main() -> None:
    name, folder, count = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    before = load_average()
    result = import_module(f"bench.{name}").run(Path(folder), int(count))
    told = {"name": name, "load_before": before, "load_after": load_average(), **asdict(result)}
    (Path(folder) / "result.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main()
