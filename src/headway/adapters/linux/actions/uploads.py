"""upload-artifact: files of the workspace become blobs, and a name of the run means them.

The semantics are those of actions/upload-artifact v4 (its README). In the blob store an upload is
a list of files (listing); the scope `uploads/RUN` says which list a name means: `NAME`, or, written
again by a repeated job or with `overwrite`, `NAME/2` and on, the newest wins. `owners/RUN` says
which step a name belongs to. Beside that stands a folder with the files, hard links to the blobs
where that is possible, for a delivery to pack.
"""

import io
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from headway.adapters.linux.actions import inside
from headway.adapters.linux.actions.acting import Acting, Part
from headway.adapters.linux.actions.globs import Found, find
from headway.adapters.linux.actions.inputs import flag, one_of, only
from headway.adapters.linux.actions.listing import Entry, dump, lay_out
from headway.model.errors import Failed
from headway.model.job import Upload
from headway.ports.blob_store import BlobStore

INPUTS = {
    **dict.fromkeys(("name", "path", "if-no-files-found", "include-hidden-files"), "*"),
    **dict.fromkeys(("overwrite", "retention-days", "compression-level"), "*"),
    "archive": "true",
}
MAX_BYTES = 8 * 1024**3
WRITERS = 8
_BAD = re.compile(r'[":<>|*?\r\n\\/\0]')


def scope(run: str) -> str:
    """Where the names of a run's uploads are."""
    return f"uploads/{run}"


def upload_with(blobs: BlobStore) -> Part:
    """The action's only part."""

    def upload(acting: Acting) -> int:
        only(acting.inputs, INPUTS, "actions/upload-artifact")
        name = checked(acting.inputs.get("name", "").strip() or "artifact")
        missing = one_of(acting.inputs, "if-no-files-found", "warn", "error", "ignore")
        hidden = flag(acting.inputs, "include-hidden-files")
        found = find(_paths(acting), acting.checkout, inside.tops(acting), hidden=hidden)
        if found.hidden:
            acting.hands.say(
                f"{found.hidden} hidden files left out (include-hidden-files: true takes them)"
            )
        if not found.files:
            return _nothing(acting, missing)
        _claim(blobs, acting, name)
        digest = _keep(blobs, found)
        _point(blobs, acting, name, digest)
        folder = _folder(blobs, acting, name, digest)
        _tell(acting, Upload(name, str(folder), digest), len(found.files))
        return 0

    return upload


def checked(name: str) -> str:
    """A name that is one file's name. Raises Failed (`bad-name`)."""
    fits = len(name.encode("utf-8", "replace")) <= 200 and not _BAD.search(name)
    if not fits or not name.isprintable() or name[0] == "." or name != name.strip():
        raise Failed(
            f"{name[:80]!r} cannot name an upload",
            why='a name is one line without `" : < > | * ? \\ /` and begins with no dot',
            code="bad-name",
        )
    return name


def _paths(acting: Acting) -> str:
    paths = acting.inputs.get("path", "")
    if not paths.strip():
        raise Failed("upload-artifact needs `path`: what is uploaded?", code="missing-input")
    return paths


def _nothing(acting: Acting, missing: str) -> int:
    where = " ".join(acting.inputs["path"].split())
    if missing == "error":
        raise Failed(f"nothing was found at {where!r}", code="nothing-found")
    if missing == "warn":
        acting.hands.warn(f"No files were found with the provided path: {where}")
    return 0


def _claim(blobs: BlobStore, acting: Acting, name: str) -> None:
    """The name is this step's, for good. Another attempt of the job takes over its own."""
    order = acting.order
    mine = {"job": order.key, "attempt": order.attempt, "step": acting.step.id}
    claim = blobs.put(io.BytesIO(json.dumps(mine, sort_keys=True).encode("utf-8")))
    if blobs.point(f"owners/{order.run}", name, claim):
        return
    found = next(d for n, d, _ in blobs.pointed(f"owners/{order.run}", name) if n == name)
    with blobs.open(found) as file:
        owner = json.load(file)
    same = owner["job"] == order.key
    again = same and (owner["attempt"] != order.attempt or owner["step"] == acting.step.id)
    if not again and not flag(acting.inputs, "overwrite"):
        raise Failed(
            f"job {owner['job']!r} has uploaded {name!r} already",
            next="name them differently, or say `overwrite: true`",
            code="same-upload",
        )


def _keep(blobs: BlobStore, found: Found) -> str:
    """Every file as a blob, and the list of them as one; gives its digest."""
    size = sum((found.root / path).lstat().st_size for path in found.files)
    if size > MAX_BYTES:
        raise Failed(f"more than {MAX_BYTES >> 30} GiB", code="upload-too-large")
    # Each blob is synced to the disk by itself; several at once share the disk's waiting time.
    with ThreadPoolExecutor(max_workers=WRITERS) as pool:
        entries = list(pool.map(lambda path: _entry(blobs, found.root, path), found.files))
    return blobs.put(io.BytesIO(dump(entries)))


def _entry(blobs: BlobStore, root: Path, relative: Path) -> Entry:
    path = root / relative
    if path.is_symlink():
        return _link(path, relative, root)
    try:
        with inside.open_file(root, relative) as file:
            executable = inside.is_executable(file)
            return Entry(str(relative), digest=blobs.put(file), executable=executable)
    except OSError as error:
        raise Failed(
            f"{str(relative)!r} cannot be uploaded", why=str(error), code="hostile-upload"
        ) from error


def _link(path: Path, relative: Path, root: Path) -> Entry:
    target = path.readlink()
    if target.is_absolute() or not inside.stays_inside(path, root.resolve()):
        raise Failed(
            f"{str(relative)!r} is a symbolic link that leaves the upload", code="hostile-upload"
        )
    return Entry(str(relative), link=str(target))


def _point(blobs: BlobStore, acting: Acting, name: str, digest: str) -> None:
    known = current(blobs, acting.order.run).get(name)
    number = 1
    while known != digest:
        if blobs.point(
            scope(acting.order.run), name if number == 1 else f"{name}/{number}", digest
        ):
            return
        number += 1


def current(blobs: BlobStore, run: str) -> dict[str, str]:
    """The run's uploads: name to the digest of its newest list."""
    newest: dict[str, tuple[int, str]] = {}
    for full, digest, _ in blobs.pointed(scope(run), ""):
        name, _, number = full.partition("/")
        newest[name] = max(newest.get(name, (0, "")), (int(number or 1), digest))
    return {name: digest for name, (_, digest) in sorted(newest.items())}


def _folder(blobs: BlobStore, acting: Acting, name: str, digest: str) -> Path:
    """The upload as a folder; it appears whole and replaces an older one."""
    folder = acting.uploads_folder / name
    part = acting.uploads_folder / f".{name}.part"
    acting.uploads_folder.mkdir(parents=True, exist_ok=True)
    inside.remove(part)
    part.mkdir()
    part.chmod(0o755)
    lay_out(blobs, digest, part, share=True)
    inside.remove(folder)
    part.rename(folder)
    return folder


def _tell(acting: Acting, made: Upload, files: int) -> None:
    plain = made.digest.removeprefix("sha256:")
    acting.uploads[:] = [u for u in acting.uploads if u.name != made.name] + [made]
    acting.outputs["artifact-id"] = str(int(plain[:12], 16))
    acting.outputs["artifact-digest"] = plain
    acting.outputs["artifact-url"] = f"file://{made.path}"
    acting.hands.say(f"{files} files uploaded as {made.name} ({made.digest})")
