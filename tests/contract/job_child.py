"""A process that runs one job, to be killed: `python -m tests.contract.job_child HOME STEPS`."""

import sys
from pathlib import Path

from tests.contract.job_runs import Seen, order, runner_in

from headway.model.job import StepSpec

SECRETS = {"TOKEN": "hunter2-hunter2"}
MASKED = "sesame-open"


def steps(home: Path, count: int) -> list[StepSpec]:
    """Each notes its beginning and its end; what the first leaves is needed by all."""
    first = StepSpec(
        "first",
        run=f"echo '::add-mask::{MASKED}'; echo KEPT={MASKED} >> $GITHUB_ENV; echo 0 > n;"
        " echo out=yes >> $GITHUB_OUTPUT; mkdir -p bin; echo $PWD/bin >> $GITHUB_PATH;"
        " printf '#!/bin/sh\\necho tool' > bin/tool; chmod +x bin/tool",
    )
    rest = [
        StepSpec(
            f"n{n}",
            run=f"echo b{n} >> {home}/tools/notes; (setsid sleep 600 &); n=$(cat n);"
            f" test $n = {n} -o $n = {n + 1}; tool;"
            f" echo $KEPT ${{{{ steps.first.outputs.out }}}}; sleep 0.02; echo {n + 1} > n.new;"
            f" mv n.new n; echo e{n} >> {home}/tools/notes",
        )
        for n in range(count)
    ]
    return [first, *rest]


def main() -> None:
    home = Path(sys.argv[1])
    runner = runner_in(home)
    seen = Seen()
    made = order("job", *steps(home, int(sys.argv[2])), outputs={"n": "${{ steps.first.outcome }}"})
    print("ready", flush=True)
    report = runner.run(made, SECRETS, seen)
    print(report.outcome, report.because, len(report.steps), seen.text().count("***"), flush=True)


if __name__ == "__main__":
    main()
