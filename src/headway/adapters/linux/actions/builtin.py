"""The actions that are built in, by name, in any version: no network and no Node.js. For find."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from headway.adapters.linux.actions import caching, checkout, downloads, uploads
from headway.adapters.linux.actions.acting import Direct
from headway.adapters.linux.actions.setups import SETUPS
from headway.adapters.linux.actions.tools import Setup
from headway.model.job import JobOrder, StepSpec
from headway.ports.action_source import ActionSource
from headway.ports.blob_store import BlobStore
from headway.ports.source_host import SourceHost


@dataclass(frozen=True, slots=True)
class Builtin:
    """One action. `inputs`: as inputs.only reads them. `check` raises Refused for a use of it that
    this machine cannot serve, as far as that is known before the job runs.
    """

    inputs: dict[str, str]
    make: Callable[["Means"], Direct]
    check: Callable[["Means", JobOrder, StepSpec], None] = lambda _means, _order, _step: None


@dataclass(frozen=True, slots=True)
class Means:
    """What built-in actions work with. `scratch`: a private folder; `tools`: the tool cache."""

    source: SourceHost
    actions: ActionSource
    blobs: BlobStore
    scratch: Path
    tools: Path


def _checkout(means: Means) -> Direct:
    return Direct(checkout.Checkout(means.source, means.actions, means.scratch).run)


def _upload(means: Means) -> Direct:
    return Direct(uploads.upload_with(means.blobs))


def _download(means: Means) -> Direct:
    return Direct(downloads.download_with(means.blobs))


def _cache(means: Means) -> Direct:
    return caching.Caching(means.blobs).cache()


def _restore(means: Means) -> Direct:
    return caching.Caching(means.blobs).restore()


def _save(means: Means) -> Direct:
    return caching.Caching(means.blobs).save()


def _setup(setup: Setup) -> Builtin:
    return Builtin(
        setup.inputs,
        lambda means: setup.direct(means.tools),
        lambda means, order, step: setup.check(order, step, means.tools),
    )


BUILTIN: dict[str, Builtin] = {
    "actions/checkout": Builtin(checkout.INPUTS, _checkout),
    "actions/upload-artifact": Builtin(uploads.INPUTS, _upload),
    **{name: _setup(setup) for name, setup in SETUPS.items()},
    "actions/cache": Builtin(caching.INPUTS, _cache),
    "actions/cache/restore": Builtin(caching.RESTORE_INPUTS, _restore),
    "actions/cache/save": Builtin(caching.SAVE_INPUTS, _save),
    "actions/download-artifact": Builtin(downloads.INPUTS, _download),
}
