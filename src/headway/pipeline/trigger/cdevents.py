"""CDEvents of other systems: an artifact was published, a pipeline run ended, a change was merged.

Format: cdevents.dev, spec and cloudevents-binding at v0.5.1: a CDEvent alone (CloudEvents binary
mode: the HTTP headers repeat its context and are not signed, so they are not read), or as the
`data` of a CloudEvent in JSON (structured mode), which must say the same as its context.

Told as a `repository_dispatch` of the CDEvent's type without its version, so that a workflow
listens with `types: [dev.cdevents.artifact.published]`. A CDEvent is known by its source and id,
however often it is sent. Called by hooks.read.
"""

import re
from typing import Any

from headway.pipeline.trigger import payload as of
from headway.pipeline.trigger.event import Ignored, TriggerEvent

HEARD = (
    "dev.cdevents.artifact.published",
    "dev.cdevents.change.merged",
    "dev.cdevents.pipelinerun.finished",
)
_TYPE = re.compile(r"(dev\.cdevents\.[a-z]{1,40}\.[a-z]{1,40})\.\d{1,4}\.\d{1,4}\.\d{1,4}(-draft)?")
MOST_ID = 200


def read(payload: dict[str, Any]) -> TriggerEvent | Ignored:
    """Raises Unreadable: it is no CDEvent, or the CloudEvent around it says something else."""
    event = _inner(payload)
    full = of.text(event, "context", "type")
    if full.startswith("dev.cdeventsx."):
        return Ignored("custom CDEvents start nothing")
    found = _TYPE.fullmatch(full)
    if found is None:
        raise of.Unreadable("`context.type` is not like dev.cdevents.artifact.published.0.3.0")
    if found[1] not in HEARD:
        return Ignored(f"CDEvents start something if they are {', '.join(HEARD)}")
    id, source = (_needed(event, "context", name) for name in ("id", "source"))
    _needed(event, "subject", "id")
    return TriggerEvent(
        name="repository_dispatch",
        type=found[1],
        repo="",
        ref="",
        sha="",
        source="cdevents",
        delivery=f"{source} {id}",
        payload={"action": found[1], "client_payload": _client(event, full)},
    )


def _inner(payload: dict[str, Any]) -> dict[str, Any]:
    if "specversion" not in payload:
        return payload
    event = of.mapping(payload, "data")
    for name in ("id", "source", "type"):
        if of.text(payload, name) != of.text(event, "context", name):
            raise of.Unreadable(f"`{name}` of the CloudEvent is not that of the CDEvent in it")
    return event


def _needed(event: dict[str, Any], *path: str) -> str:
    found = of.text(event, *path)
    if not found or len(found) > MOST_ID or not found.isprintable() or " " in found:
        raise of.Unreadable(f"`{'.'.join(path)}` is not 1 to {MOST_ID} signs without spaces")
    return found


def _client(event: dict[str, Any], full: str) -> dict[str, Any]:
    """`github.event.client_payload`: the CDEvent with the names that expressions like best."""
    context = of.mapping(event, "context")
    return {
        "id": of.text(context, "id"),
        "source": of.text(context, "source"),
        "type": full,
        "timestamp": of.text(context, "timestamp"),
        "chain_id": of.text(context, "chainId"),
        "subject": of.mapping(event, "subject"),
        "custom_data": event.get("customData"),
    }
