"""Build workflows in GitHub Actions syntax: `read` a file strictly, `plan` its jobs in order.

Pure. Called by flows (a delivery's build, the tests of an environment), the runner (expressions,
built-in actions) and the command line.
"""

from headway.pipeline.planner import plan
from headway.pipeline.reader import read
from headway.pipeline.triggers import starts_on_push
from headway.pipeline.workflow import Workflow

__all__ = ["Workflow", "plan", "read", "starts_on_push"]
