"""Drives one run in a process of its own, to be killed: `python pipeline_child.py HOME RUN`."""

import sys
import time
from pathlib import Path

from tests.fakes.job_runner import FakeRunner, FakeWatch, bench

from headway.flows import pipeline


class Slow(FakeRunner):
    """Each step takes a moment, so that a kill hits inside."""

    def _stopped(self, key, watch):  # type: ignore[no-untyped-def]
        time.sleep(0.004)
        return watch.cancelled()


if __name__ == "__main__":
    home, run = Path(sys.argv[1]), sys.argv[2]
    print("drives", flush=True)
    made = bench(home, Slow(home / "ledger"), jobs=3)
    print(pipeline.run(made, run, FakeWatch()).phase, flush=True)
