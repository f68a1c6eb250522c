"""The projection to CDEvents: every event, nothing lost, in the shape that the specs ask for."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.cli.conftest import Told, told  # noqa: F401  the fixture

from headway.model.event import Event
from headway.store.cdevents import SPEC, project, restore

DOCS = Path(__file__).parents[3] / "docs/reference/events.md"
FLOWS = Path(__file__).parents[3] / "src/headway/flows"
STANDARD = re.compile(r"dev\.cdevents\.[a-z]+\.[a-z]+\.\d\.\d\.\d")
CUSTOM = re.compile(r"dev\.cdeventsx\.[a-zA-Z0-9]+-[a-zA-Z]+\.[a-zA-Z]+\.\d\.\d\.\d")


def of(kind: str, data: dict[str, object]) -> Event:
    return Event(7, f"rol_1/0/{kind}", 1_700_000_000.25, kind, "rol_1", "del_1", "shop", "staging",
                 "shop-3", data)  # fmt: skip


@pytest.mark.seed("S-151")
def test_each_event_of_real_deliveries_is_projected_and_none_is_lost(
    told: Told,  # noqa: F811
) -> None:
    events = told.stage.events()
    projected = [(e, cloud) for e in events for cloud in project(e)]
    assert [restore(c) for e, c in projected if c["id"] == e.id] == events
    assert all(n == 1 for n in Counter(c["id"] for _, c in projected).values())
    types = {c["type"] for _, c in projected if STANDARD.fullmatch(c["type"])}
    assert {t.split(".")[2] + "." + t.split(".")[3] for t in types} == {
        "pipelinerun.queued", "pipelinerun.started", "pipelinerun.finished", "taskrun.finished",
        "artifact.packaged", "artifact.signed", "testsuiterun.finished", "service.deployed",
        "service.published", "service.rolledback", "service.upgraded", "artifact.published",
    }  # fmt: skip
    for _, cloud in projected:
        check_shape(json.loads(json.dumps(cloud)))


def check_shape(cloud: dict[str, Any]) -> None:
    """CloudEvents 1.0 required attributes; the binding's rule that context and cloud agree."""
    context = cloud["data"]["context"]
    assert cloud["specversion"] == "1.0"
    assert STANDARD.fullmatch(cloud["type"]) or CUSTOM.fullmatch(cloud["type"])
    assert (cloud["id"], cloud["source"], cloud["type"]) == (
        context["id"], context["source"], context["type"])  # fmt: skip
    assert cloud["time"] == context["timestamp"]
    assert cloud["time"].endswith("Z")
    assert cloud["subject"] == cloud["data"]["subject"]["id"] != ""
    assert context["specversion"] == SPEC
    assert set(cloud["data"]) == {"context", "subject", "customData", "customDataContentType"}


WORDS = st.text(alphabet=st.characters(min_codepoint=97, max_codepoint=122), min_size=1)


@given(subject=WORDS, predicate=WORDS, data=st.dictionaries(st.text(), st.text() | st.integers()))
def test_an_event_unknown_to_this_version_is_a_custom_one(
    subject: str, predicate: str, data: dict[str, object]
) -> None:
    event = of(f"x{subject}.{predicate}_{predicate}", data)
    (cloud,) = project(event, "urn:headway:test")
    assert CUSTOM.fullmatch(cloud["type"])
    assert restore(msgspec.json.decode(msgspec.json.encode(cloud))) == event


def test_an_artifact_is_packaged_and_signed() -> None:
    event = of("artifact.packed", {"digest": "sha256:ab", "sha": "c0", "statement": "sha256:cd"})
    packaged, signed = project(event)
    assert packaged["subject"] == "pkg:oci/shop@sha256%3Aab"
    assert packaged["data"]["subject"]["content"] == {"change": {"id": "c0", "source": "/headway"}}
    assert signed["data"]["subject"]["content"] == {"signature": "sha256:cd"}
    assert (packaged["id"], signed["id"]) == (event.id, f"{event.id}#1")
    assert restore(signed) == event


@pytest.mark.parametrize(
    ("outcome", "said"),
    [("delivered", "success"), ("rolled_back", "failure"), ("superseded", "cancel")],
)
def test_a_delivery_is_a_pipeline_run(outcome: str, said: str) -> None:
    (cloud,) = project(of("delivery.finished", {"outcome": outcome, "because": "why"}))
    assert cloud["type"] == "dev.cdevents.pipelinerun.finished.0.3.0"
    content = cloud["data"]["subject"]["content"]
    assert content["outcome"] == said
    assert content["errors"] == "why"


def test_only_the_first_step_of_a_rollout_is_a_deployment() -> None:
    first = project(of("rollout.shifted", {"step": 0, "digest": "sha256:ab"}))
    second = project(of("rollout.shifted", {"step": 1, "digest": "sha256:ab"}))
    assert first[0]["type"] == "dev.cdevents.service.deployed.0.3.0"
    assert second[0]["type"] == "dev.cdeventsx.headway-rollout.shifted.0.1.0"


def test_every_kind_that_a_flow_writes_is_documented() -> None:
    page = DOCS.read_text()
    written = {
        kind
        for file in FLOWS.glob("*.py")
        for kind in re.findall(r'Fact\(\s*f?"([a-z]+\.[a-z_]+)', file.read_text())
    }
    assert len(written) > 20
    assert {k for k in written if f"`{k}" not in page} == set()
