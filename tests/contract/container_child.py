"""A runner of its own process with a job in a container, to be killed: HOME IMAGE."""

import sys
from pathlib import Path

from tests.contract.job_runs import Seen, order, runner_in


def main() -> None:
    """Say `ready` when the step runs."""
    seen = Seen()
    seen.on_line = lambda line: print(line.text, flush=True)
    script = "export MARK=kept-running-in-container; setsid sleep 900 & echo ready; sleep 900"
    runner_in(Path(sys.argv[1])).run(order("killed", script, container=sys.argv[2]), {}, seen)


if __name__ == "__main__":
    main()
