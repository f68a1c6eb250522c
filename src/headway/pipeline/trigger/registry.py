"""Notifications of a container registry: an artifact was pushed.

Format: distribution.github.io/distribution/about/notifications: an envelope with `events`. Told as
`registry_package` of the type `published`, with the parts of GitHub's payload that say which: name,
namespace, version (the digest), tag. Layers and pulls start nothing. Called by hooks.read.
"""

import re
from dataclasses import dataclass
from typing import Any

from headway.pipeline.trigger import payload as of
from headway.pipeline.trigger.event import Ignored, TriggerEvent

MOST_EVENTS = 1000
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)


def read(payload: dict[str, Any]) -> tuple[TriggerEvent, ...] | Ignored:
    """One event for each manifest that was pushed. Raises Unreadable."""
    events = of.find(payload, "events")
    if not isinstance(events, list):
        raise of.Unreadable("`events` is not a list")
    if len(events) > MOST_EVENTS:
        raise of.Unreadable(f"there are more than {MOST_EVENTS} events in one notification")
    found = tuple(_event(e) for e in events if _pushes_artifact(e))
    return found or Ignored("nothing in it is the push of a manifest")


def _pushes_artifact(event: object) -> bool:
    return (
        of.text(event, "action") == "push"
        and of.text(event, "target", "mediaType") in _MANIFESTS
        and bool(_DIGEST.fullmatch(of.text(event, "target", "digest")))
    )


@dataclass(frozen=True, slots=True)
class Pushed:
    """What was pushed: `tag` is "" for a push by digest only."""

    repository: str
    tag: str
    digest: str


def pushed(event: TriggerEvent) -> Pushed:
    """What the event of a registry tells of."""
    package = of.mapping(event.payload, "registry_package")
    namespace, name = of.text(package, "namespace"), of.text(package, "name")
    version = of.mapping(package, "package_version")
    tag = of.text(version, "container_metadata", "tag", "name")
    return Pushed(f"{namespace}/{name}" if namespace else name, tag, of.text(version, "version"))


def event(repository: str, tag: str, digest: str) -> TriggerEvent:
    """The push as if the registry had told of it: found by asking."""
    return _event({"target": {"repository": repository, "tag": tag, "digest": digest}})


def _event(event: object) -> TriggerEvent:
    digest, tag = of.text(event, "target", "digest"), of.text(event, "target", "tag")
    namespace, _, name = of.text(event, "target", "repository").rpartition("/")
    package = {
        "name": name,
        "namespace": namespace,
        "ecosystem": "CONTAINER",
        "package_type": "CONTAINER",
        "registry": {"url": of.text(event, "request", "host")},
        "package_version": {
            "version": digest,
            "container_metadata": {"tag": {"name": tag, "digest": digest}},
        },
    }
    return TriggerEvent(
        name="registry_package",
        type="published",
        repo="",
        ref="",
        sha="",
        source="registry",
        actor=of.text(event, "actor", "name"),
        delivery=of.text(event, "id"),
        payload={"action": "published", "registry_package": package},
    )
