"""`headway workflow lock`: pins the actions of other repositories in headway.lock.

Added to the noun by cli/workflow.py. Writes that one file, at once or not at all.
"""

import os
from pathlib import Path

from headway import workbench
from headway.cli.context import Context
from headway.cli.repository import top_level
from headway.cli.run_request import files, text_of
from headway.flows.pipeline_pins import locked, pins
from headway.model.errors import Invalid
from headway.pipeline import lock


def write(context: Context, path: str, *, update: bool) -> None:
    """Resolve what is not locked yet (with `update` everything) and write the file.

    Raises Invalid (`unknown-repository`, `no-action`, faults of files), Unreachable.
    """
    folder = Path(top_level(path))

    def read(file: str) -> str | None:
        return text_of(folder, file) if (folder / file).is_file() else None

    texts = {file: text_of(folder, file) for file in files(folder)}
    if not texts:
        raise Invalid(f"there are no workflows in {folder}", code="no-workflow")
    before = locked(read)
    actions = workbench.load("headway.action_sources", "git")(context.home_folder)
    found, failed = pins(texts, {} if update else before, actions, read)
    for error in failed.values():
        raise error
    _replace(folder / lock.FILE, lock.write(found))
    _tell(context, before, found)


def _replace(file: Path, text: str) -> None:
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.write_text(text, "utf-8")
    draft.replace(file)


def _tell(context: Context, before: dict[str, str], after: dict[str, str]) -> None:
    if context.json:
        context.document({"file": lock.FILE, "actions": after})
        return
    rows = [f"{name}  {_change(before.get(name), after[name])}" for name in sorted(after)]
    gone = [f"{name}  no longer used" for name in sorted(set(before) - set(after))]
    context.lines([*rows, *gone, f"{lock.FILE}: {len(after)} pinned"])


def _change(before: str | None, after: str) -> str:
    if before is None:
        return f"{after[:12]} (new)"
    return after[:12] if before == after else f"{before[:12]} -> {after[:12]}"
