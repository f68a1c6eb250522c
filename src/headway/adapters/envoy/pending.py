"""The note of an unfinished change: which files it replaces, and what stood in them before.

Called by router (writes and clears it) and proxy (puts the former files back before a dead proxy
is started again, so that it never starts from files that no proxy has accepted).
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path

from headway.adapters.envoy import files


@dataclass(slots=True)
class Pending:
    """`former` holds file names and their former text, in the order they were replaced in.

    None: the file did not exist.
    """

    service: str
    version: str
    former: list[tuple[str, str | None]] = field(default_factory=list)


def read_pending(folder: Path) -> Pending | None:
    """The note, if a change is under way or was cut off."""
    found = files.read_json(folder / "pending.json")
    return None if found is None else Pending(**found)


def write_pending(folder: Path, pending: Pending) -> None:
    """Keep the note; before the files themselves are replaced."""
    files.replace(folder / "pending.json", files.dump(asdict(pending)))


def clear_pending(folder: Path) -> None:
    """The change is in force, or undone."""
    (folder / "pending.json").unlink(missing_ok=True)


def restore_pending(folder: Path) -> None:
    """Undo the cut-off change on disk, last file first. No note: nothing to do."""
    pending = read_pending(folder)
    if pending is None:
        return
    for name, text in reversed(pending.former):
        if text is None:
            (folder / name).unlink(missing_ok=True)
        else:
            files.replace(folder / name, text)
    clear_pending(folder)
