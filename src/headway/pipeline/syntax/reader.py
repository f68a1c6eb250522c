"""From the text of a workflow file to the intermediate form, strictly.

Every key is read or refused by name with its place (table `keys.KEYS`). Called by flows, the
command line and whoever loads a called workflow.
"""

from functools import lru_cache

from headway.document import Limits, Mapping, invalid
from headway.document import read as read_document
from headway.pipeline.syntax import build, rules
from headway.pipeline.syntax.ir import Workflow
from headway.pipeline.syntax.page import KEPT, Page
from headway.pipeline.syntax.shape import Shape
from headway.pipeline.syntax.shapes import Place, check

LIMITS = Limits(anchors=True, core_tags=True, max_bytes=1024 * 1024, max_depth=50)
REMEMBERED = 16
"""Workflows that are kept: a run reads its file when it is chosen, checked, created and driven."""
_FILE = Shape(place="workflow")


@lru_cache(maxsize=REMEMBERED)
def read(text: str, file: str, *, limits: Limits = LIMITS) -> Workflow:
    """The workflow; `file` names it in errors. Raises Invalid with every problem and its place.

    Codes: those of document.read, of `shapes` (`unknown-key` `unsupported` `missing-key`
    `wrong-type` `empty` `unknown-value` `bad-name` `duplicate-key` `merge-key` `computed-name`
    `computed-map`), of `expressions` (`expression` `expression-here` `not-here` `unknown-context`
    `unknown-function` `too-long`) and of `rules`.
    """
    root = read_document(text, file, limits=limits)
    page = Page(text, file)
    check(page, root, _FILE, Place("the workflow"))
    if not isinstance(root, Mapping):
        raise invalid(page.problems, most=KEPT)
    workflow = build.workflow(page, root)
    rules.check(page, root, workflow)
    if page.problems:
        raise invalid(page.problems, most=KEPT)
    return workflow
