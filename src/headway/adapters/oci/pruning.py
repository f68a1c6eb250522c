"""Takes artifacts out of the layout that nobody needs any more. Called by retention/round.py.

The index forgets them first, at once; then blobs that nothing in the index leads to are removed.
Killed in between, blobs are left that the next round removes. What is younger than `before` stays,
because whoever packs it may not have written down yet that it needs it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from headway.adapters.oci.artifact_store import ABOUT, REF_NAME, annotations, referrers_tag
from headway.adapters.oci.layout import Index, Layout, entries_of, sync_folder, tampered
from headway.artifact import manifest
from headway.artifact.manifest import Manifest
from headway.artifact.strict import Unreadable
from headway.model.errors import HeadwayError

LISTING = "sha256-"


@dataclass(frozen=True, slots=True)
class Loose:
    """What may go: artifacts by digest, and the blobs that go with them, with their bytes."""

    artifacts: tuple[str, ...]
    blobs: tuple[Path, ...]
    bytes: int


class Pruning:
    """Of the layout in the folder `root`."""

    def __init__(self, root: Path) -> None:
        self._root, self._layout = root, Layout(root)

    def subjects(self) -> frozenset[str]:
        """Digests of the artifacts that are here."""
        return frozenset(_subjects(self._layout.index()))

    def loose(self, needed: frozenset[str], before: float) -> Loose:
        """What is not needed and was written before that Unix time. Changes nothing.

        Raises Refused (`tampered`) if the index cannot be read: then nothing is known to be loose.
        """
        index = self._layout.index()
        kept = self._kept(index, needed, before)
        gone = {str(e.get("digest")) for e in index} - {str(e.get("digest")) for e in kept}
        artifacts = tuple(sorted(gone & _subjects(index)))
        blobs = tuple(self._unreached(kept, before))
        return Loose(artifacts, blobs, sum(b.stat().st_size for b in blobs))

    def forget(self, needed: frozenset[str], before: float) -> Loose:
        """The index forgets what is loose now; gives it, for `remove`."""
        if not (self._root / "index.json").exists():
            return Loose((), (), 0)
        with self._layout.staging(), self._layout.locked():
            found = self.loose(needed, before)
            index = self._layout.index()
            kept = self._kept(index, needed, before)
            if len(kept) < len(index):
                self._layout.place([], kept)
        return found

    def remove(self, before: float) -> tuple[int, int]:
        """Remove the blobs that nothing leads to; gives their number and bytes."""
        count = total = 0
        if not (self._root / "index.json").exists():
            return 0, 0
        with self._layout.locked():
            for blob in self._unreached(self._layout.index(), before):
                total += blob.stat().st_size
                count += 1
                blob.unlink()
            sync_folder(self._root / "blobs" / "sha256")
        return count, total

    def _kept(self, index: Index, needed: frozenset[str], before: float) -> Index:
        """Entries to keep: artifacts that are needed or young, and what is about these."""
        stay = {d for d in _subjects(index) if d in needed or self._young(d, before)}
        tags = {referrers_tag(d) for d in stay}
        subjects = _subjects(index)
        return [e for e in index if _stays(e, stay, tags, subjects)]

    def _young(self, digest: str, before: float) -> bool:
        try:
            return self._layout.blob(digest).stat().st_mtime >= before
        except (OSError, HeadwayError):
            return True

    def _unreached(self, index: Index, before: float) -> Iterator[Path]:
        reached = set(self._reached(str(e.get("digest")) for e in index))
        for blob in sorted((self._root / "blobs" / "sha256").glob("*")):
            if f"sha256:{blob.name}" not in reached and blob.stat().st_mtime < before:
                yield blob

    def _reached(self, digests: Iterable[str]) -> Iterator[str]:
        """A listing leads to manifests, a manifest to its blobs. Raises Refused (`tampered`),
        Invalid for one that cannot be read: then what it leads to is not known.
        """
        for digest in digests:
            yield digest
            data = self._layout.read(digest)
            found = _manifest(data)
            if found is not None:
                yield from (found.config.digest, found.layer.digest)
                continue
            try:
                listed = [str(e.get("digest")) for e in entries_of(data)]
            except Unreadable as why:
                raise tampered(digest, str(why)) from None
            yield from self._reached(listed)


def _manifest(data: bytes) -> Manifest | None:
    for read in (manifest.decode, manifest.foreign):
        try:
            return read(data)
        except Unreadable:
            continue
    return None


def _stays(entry: dict[str, object], stay: set[str], tags: set[str], subjects: set[str]) -> bool:
    notes, digest = annotations(entry), str(entry.get("digest"))
    if notes.get(REF_NAME, "").startswith(LISTING):
        return notes[REF_NAME] in tags
    if ABOUT in notes:
        return notes[ABOUT] in stay
    return digest in stay or digest not in subjects


def _subjects(index: Index) -> set[str]:
    """Artifacts: what is listed for itself."""
    return {
        str(entry.get("digest"))
        for entry in index
        if ABOUT not in annotations(entry)
        and not annotations(entry).get(REF_NAME, "").startswith(LISTING)
    }
