"""Build workflows in GitHub Actions syntax: `read` a file strictly, `plan` its jobs in order.

Pure. Called by flows (a delivery's build, the tests of an environment), the runner (expressions,
built-in actions) and the command line.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headway.pipeline.planner import plan
    from headway.pipeline.reader import read
    from headway.pipeline.triggers import starts_on_push
    from headway.pipeline.workflow import Workflow

__all__ = ["Workflow", "plan", "read", "starts_on_push"]
_FROM = {"Workflow": "workflow", "plan": "planner", "read": "reader", "starts_on_push": "triggers"}


def __getattr__(name: str) -> Any:
    """Loaded when asked for: runs of workflows need none of it."""
    if name not in _FROM:
        raise AttributeError(name)
    return getattr(import_module(f"{__name__}.{_FROM[name]}"), name)
