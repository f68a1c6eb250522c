"""Each CDEvent that we send is what the official schemas ask for (a checkout of cdevents/spec)."""

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

from headway.model.event import Event
from headway.store.cdevents import _KNOWN, SPEC, project

CHECKOUT = os.environ.get("HEADWAY_CDEVENTS_SPEC", "")
DIGEST = {"digest": "sha256:ab", "sha": "c0ffee", "statement": "sha256:cd"}
ALERT = {"severity": "page", "summary": "p95 rose", "rule": "outage"}
TESTS = {"outcome": "FAIL", "tests": [{"name": "a", "problem": "status 500"}]}
SAMPLES: dict[str, tuple[tuple[str, dict[str, object]], ...]] = {
    "pipelinerun.queued": (("delivery.requested", {}), ("run.requested", {"workflow": "a.yml"})),
    "pipelinerun.started": (("pipeline.started", {}),),
    "pipelinerun.finished": (
        ("delivery.finished", {"outcome": "rolled_back", "because": "p95 rose"}),
        ("run.finished", {"outcome": "cancelled", "because": ""}),
    ),
    "taskrun.finished": (
        ("job.finished:test (3.11)", {"job": "test (3.11)", "outcome": "success"}),
    ),
    "artifact.packaged": (("artifact.packed", DIGEST),),
    "artifact.signed": (("artifact.packed", DIGEST),),
    "artifact.published": (("release.created", DIGEST),),
    "testsuiterun.finished": (("tests.finished", TESTS), ("tests.finished", {"outcome": "PASS"})),
    "service.deployed": (("rollout.shifted", {"step": 0, **DIGEST}),),
    "service.published": (("release.released", DIGEST),),
    "service.upgraded": (("release.released", {"replaced": "shop-2", **DIGEST}),),
    "service.rolledback": (("rollout.rolled_back", DIGEST),),
    "service.removed": (("rollout.closed", DIGEST),),
    "incident.detected": (("alert.fired", ALERT),),
    "incident.resolved": (("alert.resolved", ALERT),),
    "custom": (("rollout.judged", {"x": None}), ("alert.fired", {"severity": "ticket"})),
}


def of(kind: str, data: dict[str, object], delivery: str = "del_1") -> Event:
    return Event(7, f"rol_1/0/{kind}", 1_700_000_000.25, kind, "rol_1", delivery, "shop", "staging",
                 "shop-3", data)  # fmt: skip


def short(type: str) -> str:
    return ".".join(type.split(".")[2:4]) if type.startswith("dev.cdevents.") else "custom"


def test_every_type_that_we_know_has_a_sample() -> None:
    assert {short(s.type) for s in _KNOWN} | {"custom"} == SAMPLES.keys()


@pytest.mark.parametrize(
    ("name", "kind", "data"), [(n, k, d) for n, several in SAMPLES.items() for k, d in several]
)
def test_what_events_become(name: str, kind: str, data: dict[str, object]) -> None:
    assert name in {short(c["type"]) for c in project(of(kind, data))}


def test_a_first_release_upgrades_nothing_and_a_ticket_is_no_incident() -> None:
    assert [short(c["type"]) for c in project(of("release.released", dict(DIGEST)))] == [
        "service.published"
    ]
    assert short(project(of("alert.fired", {"severity": "ticket"}))[0]["type"]) == "custom"


@pytest.mark.parametrize("kind", ["artifact.packed", "tests.finished", "rollout.rolled_back"])
def test_an_event_that_lacks_what_is_needed_is_a_custom_one(kind: str) -> None:
    for data in ({}, {"outcome": "FAIL", "tests": [None]}):
        (cloud,) = project(of(kind, data))
        assert short(cloud["type"]) == "custom"


def test_a_job_of_a_run_without_delivery_names_the_run() -> None:
    (cloud,) = project(of("job.finished:a", {"job": "a", "outcome": "success"}, ""))
    assert cloud["data"]["subject"]["content"]["pipelineRun"]["id"] == "rol_1"


def validators() -> dict[str, Draft202012Validator]:
    """By type of CDEvent without version; the custom ones under `custom`."""
    files = [*Path(CHECKOUT, "schemas").rglob("*.json"), Path(CHECKOUT, "custom/schema.json")]
    schemas = [json.loads(f.read_text()) for f in files]
    registry: Registry[Any] = Registry().with_resources(
        [(s["$id"], Resource.from_contents(s)) for s in schemas]
    )
    found = {}
    for schema in schemas:
        type = schema.get("properties", {}).get("context", {}).get("properties", {}).get("type", {})
        made = Draft202012Validator(schema, registry=registry, format_checker=FormatChecker())
        if "enum" in type:
            found[type["enum"][0]] = made
        elif "pattern" in type:
            found["custom"] = made
    return found


@pytest.mark.skipif(not CHECKOUT, reason="HEADWAY_CDEVENTS_SPEC: a checkout of cdevents/spec")
def test_the_official_schemas_agree() -> None:
    known, checked = validators(), set()
    assert SPEC in Path(CHECKOUT, "schemas/artifactpublished.json").read_text()
    for kind, data in {(k, msgspec.json.encode(d)) for s in SAMPLES.values() for k, d in s}:
        for delivery in ("del_1", ""):
            for cloud in project(
                of(kind, msgspec.json.decode(data), delivery), "urn:headway:home:x"
            ):
                event = json.loads(msgspec.json.encode(cloud["data"]))
                type = cloud["type"]
                known[type if type in known else "custom"].validate(event)
                checked.add(short(type))
    assert checked == SAMPLES.keys()
