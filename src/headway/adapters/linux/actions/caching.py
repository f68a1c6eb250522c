"""actions/cache, cache/restore and cache/save, on the blob store. Called by builtin.

Semantics as in actions/cache v4 (its README, and those of restore and save). Entries never change;
who may read and write them is decided in pipeline/cache. Whatever is wrong with an entry is a
warning and a miss: a cache must not break a job.
"""

from pathlib import Path

from headway.adapters.linux.actions import inside
from headway.adapters.linux.actions.acting import Acting, Direct, Part
from headway.adapters.linux.actions.archive import Packed, unpack
from headway.adapters.linux.actions.globs import find as find_files
from headway.adapters.linux.actions.inputs import flag, only
from headway.model.errors import Failed, HeadwayError
from headway.pipeline.cache import keys
from headway.pipeline.cache.keys import Hit
from headway.pipeline.cache.scopes import scopes
from headway.ports.blob_store import BlobStore

SAVE_INPUTS = {
    **dict.fromkeys(("path", "key", "upload-chunk-size"), "*"),
    "enablecrossosarchive": "*",
}
RESTORE_INPUTS = {
    **SAVE_INPUTS,
    **dict.fromkeys(("restore-keys", "lookup-only", "fail-on-cache-miss"), "*"),
}
INPUTS = {**RESTORE_INPUTS, "save-always": "false"}


class Caching:
    """The three actions over one store."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    def cache(self) -> Direct:
        """Restores, and saves when the job is green and the key was not there."""
        return Direct(self._restoring(INPUTS), post=self._after, post_if="success()")

    def restore(self) -> Direct:
        """Only restores."""
        return Direct(self._restoring(RESTORE_INPUTS))

    def save(self) -> Direct:
        """Only saves, where it stands."""
        return Direct(self._save_now)

    def _restoring(self, known: dict[str, str]) -> Part:
        def restore(acting: Acting) -> int:
            only(acting.inputs, known, "actions/cache")
            paths, wanted = _paths(acting), _keys(acting)
            acting.outputs["cache-primary-key"] = wanted[0]
            acting.state["key"] = wanted[0]
            hit = keys.find(self._blobs.pointed, scopes(acting.order).read, paths, wanted)
            if hit and not flag(acting.inputs, "lookup-only") and not self._unpack(acting, hit):
                hit = None
            _tell(acting, hit)
            return 0

        return restore

    def _unpack(self, acting: Acting, hit: Hit) -> bool:
        try:
            with self._blobs.open(hit.digest) as source:
                count = unpack(source, inside.tops(acting))
        except HeadwayError as error:
            acting.hands.warn(f"The cache {hit.key} is not used: {error}")
            return False
        acting.hands.say(f"{count} files restored")
        return True

    def _after(self, acting: Acting) -> int:
        key = acting.state.get("key", "")
        if not acting.green or not key:
            return 0
        if acting.state.get("exact") == "true":
            acting.hands.say(f"the cache {key} was there, it is not saved again")
            return 0
        self._save(acting, key)
        return 0

    def _save_now(self, acting: Acting) -> int:
        only(acting.inputs, SAVE_INPUTS, "actions/cache/save")
        self._save(acting, _keys(acting)[0])
        return 0

    def _save(self, acting: Acting, key: str) -> None:
        paths = _paths(acting)
        name, scope = keys.entry_name(paths, key), scopes(acting.order).write
        if any(known == name for known, _, _ in self._blobs.pointed(scope, name)):
            acting.hands.warn(f"The cache {key} is there already and does not change")
            return
        tops = inside.tops(acting)
        found = find_files("\n".join(paths), acting.checkout, tops, hidden=True)
        if not found.files:
            acting.hands.warn("Nothing is there to be cached, so no cache is saved")
            return
        self._keep(acting, name, key, [found.root / path for path in found.files])

    def _keep(self, acting: Acting, name: str, key: str, files: list[Path]) -> None:
        tops = tuple(top.resolve() for top in inside.tops(acting))
        try:
            with Packed(files, tops) as packed:
                digest = self._blobs.put(packed)  # type: ignore[arg-type]
            made = self._blobs.point(scopes(acting.order).write, name, digest)
        except HeadwayError as error:
            acting.hands.warn(f"The cache {key} is not saved: {error}")
            return
        late = "" if made else " by another job meanwhile"
        acting.hands.say(f"{len(files)} files saved as {key}{late}")


def _paths(acting: Acting) -> list[str]:
    lines = [line.strip() for line in acting.inputs.get("path", "").split("\n")]
    paths = [line for line in lines if line]
    if not paths:
        raise Failed("a cache needs `path`: what is kept?", code="missing-input")
    return paths


def _keys(acting: Acting) -> list[str]:
    key = acting.inputs.get("key", "").strip()
    if not key:
        raise Failed("a cache needs `key`", code="missing-input")
    wanted = [key, *keys.restore_keys(acting.inputs.get("restore-keys", ""))]
    keys.check(wanted)
    return wanted


def _tell(acting: Acting, hit: Hit | None) -> None:
    wanted = acting.outputs["cache-primary-key"]
    if hit is None:
        acting.outputs["cache-hit"] = ""
        acting.hands.say(f"no cache for {wanted}")
        if flag(acting.inputs, "fail-on-cache-miss"):
            raise Failed(f"there is no cache {wanted!r}", code="cache-miss")
        return
    acting.state["exact"] = acting.outputs["cache-hit"] = "true" if hit.exact else "false"
    acting.outputs["cache-matched-key"] = hit.key
    acting.hands.say(f"the cache {hit.key} fits {wanted}")
