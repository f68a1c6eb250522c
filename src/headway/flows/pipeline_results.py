"""Results of jobs by content key: kept in the blob store, taken instead of running a job again.

A result is the job's report as JSON, a blob with a name in scope `results/KEY'S FIRST THREE DIGITS`
(`results-fork/…` for a run that is not trusted: such a result is never taken by one that is). It is
valid while every upload that it names is there and sound, and every waiver that made it green is in
force. Called by flows/pipeline_drive, pipeline_jobs.
"""

import hashlib
import hmac
import io
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from headway import typed
from headway.flows.pipeline_bench import Bench
from headway.model.errors import HeadwayError
from headway.model.job import JobOrder, JobReport, Upload
from headway.model.job_settings import JobSettings, Retry
from headway.once import once
from headway.pipeline.run import keys
from headway.pipeline.run.keys import Ground
from headway.pipeline.run.retries import settings_of
from headway.pipeline.run.state import RunSpec, RunState
from headway.ports.blob_store import BlobStore

_LOG = logging.getLogger(__name__)
_TRUSTED, _FORK = "results", "results-fork"


class _Kept(msgspec.Struct):
    run: str
    report: JobReport


class Results:
    """The results that one run may take, and adds to."""

    def __init__(self, bench: Bench, spec: RunSpec) -> None:
        self._bench = bench
        self._spec = spec
        self._trees: dict[str, str] | None = None
        self._tools: Mapping[str, str] | None = None

    def key(
        self, state: RunState, order: JobOrder, sources: Sequence[str], above: Sequence[str]
    ) -> str:
        """The instance's content key; "" if its result is neither taken nor kept.

        `sources`: paths it depends on; `above`: keys of the instances before it.
        """
        trees = self._known(sources)
        if not trees:
            return ""
        uploads = tuple(
            (key, upload.name, upload.digest) for key in above for upload in _uploads(state, key)
        )
        if any(not digest for _, _, digest in uploads):
            return ""
        secrets = self._secrets(keys.secrets_named(order)) if self._spec.trusted else ""
        asked = _asked(settings_of(self._spec, order.id))
        return keys.key(order, Ground(trees, uploads, secrets, self._known_tools(), asked))

    def find(self, key: str, instance: str) -> JobReport | None:
        """A valid green report under the key, as that of this instance; None if there is none."""
        if not key or not keys.reusable(self._spec.event, fresh=self._spec.fresh):
            return None
        scopes = (_TRUSTED,) if self._spec.trusted else (_TRUSTED, _FORK)
        for scope in scopes:
            for _, digest, _ in self._bench.blobs.pointed(f"{scope}/{key[:3]}", f"{key}."):
                kept = self._read(digest)
                if kept and self._holds(kept.report):
                    return replace(kept.report, key=instance, reused=kept.run)
        return None

    def _holds(self, report: JobReport) -> bool:
        """Whether its uploads are sound, and no waiver that made it green has ended since."""
        blobs, checks = self._bench.blobs, report.checks
        in_force = checks is None or checks.stand(self._bench.clock.now())
        return in_force and all(_sound(blobs, upload) for upload in report.uploads)

    def keep(self, key: str, report: JobReport) -> None:
        """Keep a green report under its key. What cannot be kept is run again some day, no more."""
        try:
            body = msgspec.json.encode(_Kept(self._spec.id, report))
            digest = self._bench.blobs.put(io.BytesIO(body))
            scope = _TRUSTED if self._spec.trusted else _FORK
            self._bench.blobs.point(f"{scope}/{key[:3]}", f"{key}.{self._spec.id}", digest)
        except HeadwayError as error:
            _LOG.warning("the result of %s is not kept: %s", report.key, error)

    def adopt(self, report: JobReport) -> None:
        """Let this run's other jobs find the uploads of a report that was taken over."""
        for upload in report.uploads:
            if upload.digest:
                _point(self._bench.blobs, f"uploads/{self._spec.id}", upload)

    def _known_tools(self) -> Mapping[str, str]:
        """Looked for once a run."""
        if self._tools is None:
            self._tools = self._bench.tools()
        return self._tools

    def _known(self, sources: Sequence[str]) -> dict[str, str]:
        """The Git objects of these paths, asked for once a run for all jobs; none without Git."""
        if self._trees is None:
            self._trees = self._all_trees()
        wanted = tuple(sources) or ("",)
        if any(path not in self._trees for path in wanted):
            return {}
        return {path: self._trees[path] for path in wanted}

    def _all_trees(self) -> dict[str, str]:
        trees, spec = self._bench.trees, self._spec
        if trees is None:
            return {}
        paths = ["", *sorted({p for paths in spec.sources.values() for p in paths})]
        try:
            return trees.trees(spec.repo, spec.sha, spec.folder, paths)
        except HeadwayError as error:
            _LOG.warning("no result is reused in run %s: %s", spec.id, error)
            return {}

    def _secrets(self, named: frozenset[str] | None) -> str:
        given = {name.lower(): value for name, value in self._bench.secrets.items()}
        chosen = given if named is None else {n: v for n, v in given.items() if n in named}
        if not chosen:
            return ""
        body = msgspec.json.encode(sorted(chosen.items()))
        return hmac.new(_hash_key(self._bench.home), body, hashlib.sha256).hexdigest()

    def _read(self, digest: str) -> _Kept | None:
        try:
            with self._bench.blobs.open(digest) as file:
                return typed.loads(file.read(), _Kept)
        except (HeadwayError, msgspec.DecodeError) as error:
            _LOG.warning("a kept result cannot be read: %s", error)
            return None


def _asked(settings: JobSettings) -> object:
    """What of the settings decides whether the job is green."""
    decides = replace(settings, paths=(), retry=Retry())
    return msgspec.to_builtins(decides) if settings.reports else None


def _uploads(state: RunState, key: str) -> tuple[Upload, ...]:
    report = state.ended.get(key)
    return report.uploads if report else ()


def _point(blobs: BlobStore, scope: str, upload: Upload) -> None:
    """Names of uploads are `NAME`, then `NAME/2`, …: the highest number is what the name means."""
    taken = {name: digest for name, digest, _ in blobs.pointed(scope, upload.name)}
    number, name = 1, upload.name
    while taken.get(name, upload.digest) != upload.digest:
        number += 1
        name = f"{upload.name}/{number}"
    blobs.point(scope, name, upload.digest)


class _Entry(msgspec.Struct):
    path: str
    digest: str = ""
    link: str | None = None


def _sound(blobs: BlobStore, upload: Upload) -> bool:
    """Whether the upload's list is in the store, and its folder holds what the list says."""
    if not upload.digest:
        return False
    try:
        with blobs.open(upload.digest) as file:
            entries = typed.loads(file.read(), list[_Entry])
        top = Path(upload.path)
        return top.is_dir() and all(_there(top, entry) for entry in entries)
    except (HeadwayError, OSError, msgspec.DecodeError) as error:
        _LOG.info("the upload %s is not as it was: %s", upload.name, error)
        return False


def _there(top: Path, entry: _Entry) -> bool:
    path = top / entry.path
    if entry.link is not None:
        return path.is_symlink() and str(path.readlink()) == entry.link
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    return f"sha256:{found}" == entry.digest


def _hash_key(home: Path) -> bytes:
    """The key under which secrets are hashed, of this home alone, made when it is first needed."""
    return once(home / "results.key", lambda: os.urandom(32))


def secrets_of(bench: Bench, spec: RunSpec) -> Mapping[str, str]:
    """The secrets the run is given: none if it is not trusted."""
    return bench.secrets if spec.trusted else {}
