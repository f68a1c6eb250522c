"""The linter of workflows: what can be read but is dangerous or will surprise. Called by the CLI.

Stub of the entry point: the rules follow.
"""

from headway.model.errors import Problem
from headway.pipeline.syntax.ir import Workflow


def warnings(workflow: Workflow) -> tuple[Problem, ...]:
    """Every warning, in the order of the file; their codes are the rules' names."""
    return ()
