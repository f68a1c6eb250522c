"""download-artifact: uploads of the run come back into a workspace. See uploads for what they are.

The semantics are those of actions/download-artifact v4 (its README).
"""

import fnmatch
from pathlib import Path

from headway.adapters.linux.actions import inside
from headway.adapters.linux.actions.acting import Acting, Part
from headway.adapters.linux.actions.inputs import flag, only
from headway.adapters.linux.actions.listing import lay_out
from headway.adapters.linux.actions.uploads import checked, current
from headway.model.errors import Failed
from headway.ports.blob_store import BlobStore

INPUTS = {
    **dict.fromkeys(("name", "path", "pattern", "merge-multiple", "artifact-ids"), "*"),
    **dict.fromkeys(("run-id", "github-token"), "*"),
    "repository": "",
}


def download_with(blobs: BlobStore) -> Part:
    """The action's only part."""

    def download(acting: Acting) -> int:
        only(acting.inputs, INPUTS, "actions/download-artifact")
        into = _into(acting)
        there = current(blobs, _run(acting))
        wanted, flat = _wanted(acting, there)
        if not wanted:
            acting.hands.say("no upload of this run fits")
        for name in wanted:
            folder = into if flat else into / name
            folder.mkdir(parents=True, exist_ok=True)
            count = lay_out(blobs, there[name], folder, share=False)
            acting.hands.say(f"{count} files of {name}")
        acting.outputs["download-path"] = str(into)
        return 0

    return download


def _into(acting: Acting) -> Path:
    text = acting.inputs.get("path", "").strip() or "."
    tops = inside.tops(acting)
    if text == "~" or text.startswith("~/"):
        text = f"{tops[-1]}{text[1:]}"
    return inside.place(text, acting.checkout, tops)


def _run(acting: Acting) -> str:
    run = acting.inputs.get("run-id", "").strip() or acting.order.run
    if run != acting.order.run:
        raise Failed("only uploads of the same run can be downloaded", code="bad-input")
    return run


def _wanted(acting: Acting, there: dict[str, str]) -> tuple[list[str], bool]:
    """Which uploads, and whether their files go straight into the folder."""
    name = acting.inputs.get("name", "").strip()
    ids = acting.inputs.get("artifact-ids", "").strip()
    if name and ids:
        raise Failed("`name` and `artifact-ids` exclude each other", code="bad-input")
    merge = flag(acting.inputs, "merge-multiple")
    if name:
        _must_be_there(checked(name), there)
        return [name], True
    if ids:
        return _by_id(ids, there), merge or "," not in ids
    pattern = acting.inputs.get("pattern", "").strip()
    return [n for n in there if _fits(n, pattern)], merge


def _must_be_there(name: str, there: dict[str, str]) -> None:
    if name not in there:
        raise Failed(
            f"no job of this run has uploaded {name!r}",
            why=f"there are {', '.join(there) or 'none'}",
            code="no-upload",
        )


def _by_id(ids: str, there: dict[str, str]) -> list[str]:
    by_id = {str(int(d.removeprefix("sha256:")[:12], 16)): name for name, d in there.items()}
    wanted = [part.strip() for part in ids.split(",")]
    for one in wanted:
        if one not in by_id:
            raise Failed(f"no upload of this run has the id {one[:40]!r}", code="no-upload")
    return [by_id[one] for one in wanted]


def _fits(name: str, pattern: str) -> bool:
    """Minimatch, as far as names without `/` need it: `*`, `?`, `[…]`, `{a,b}`, a leading `!`."""
    if not pattern:
        return True
    if pattern.startswith("!"):
        return not _fits(name, pattern[1:])
    return any(fnmatch.fnmatchcase(name, one) for one in _alternatives(pattern))


def _alternatives(pattern: str) -> list[str]:
    before, brace, rest = pattern.partition("{")
    inner, closed, after = rest.partition("}")
    if not brace or not closed or len(pattern) > 500:
        return [pattern]
    return [before + one + tail for tail in _alternatives(after) for one in inner.split(",")][:100]
