"""The published examples, where they are at hand, and this project's own copies of their kind."""

import os
from pathlib import Path

import pytest

from headway import settings
from headway.model.errors import Invalid
from headway.model.service import HttpTest, StepPolicy
from headway.settings import workspace

SHARED = os.environ.get("HEADWAY_SHARED_EXAMPLES", "")
shared = pytest.mark.skipif(not SHARED, reason="HEADWAY_SHARED_EXAMPLES names no folder")

MINIMUM = """\
service: shop
run: uvicorn shop:app --port $PORT
health: /health
environments:
  staging:
  production:
"""
WEB = """\
service: shop
owner: team-shop
description: The shop front
run:
  command: uvicorn shop:app --port $PORT
  instances: 4
  resources: {cpu: 1, memory: 512MiB}
  stop: {grace: 20s}
health: {path: /health/ready, live: /health, ready_within: 90s}
env: {LOG_LEVEL: info}
pipeline: {workflow: .github/workflows/build.yml}
artifact: {from: dist}
tests:
  - http: /health/ready
  - http: {path: /checkout, method: POST, json: {sku: 7, when: 12:30}, status: 201, within: 500ms}
  - workflow: .github/workflows/e2e.yml
environments:
  staging:
    run: {instances: 1}
    env: {LOG_LEVEL: debug}
  production:
    traffic: {host: shop.example.com, sticky: {header: x-user-id}}
    rollout:
      strategy: canary
      steps: [1%, 5%, {share: 25%, bake: 10m, approval: 1}, 50%, 100%]
      stability: 30m
    analysis: {insufficient_data: ask}
    gates:
      approval: {by: [team-shop, on-call], count: 1, expires: 8h}
"""


def problems(text: str) -> list[str]:
    with pytest.raises(Invalid) as caught:
        settings.read(text, "f")
    return [str(p).removeprefix("f:") for p in caught.value.problems]


def test_six_lines_deliver() -> None:
    service = settings.read(MINIMUM, "headway.yaml")
    staging, production = service.environments
    assert (service.name, service.workflow, service.branch) == (
        "shop",
        ".github/workflows/deliver.yml",
        "main",
    )
    assert (staging.tier, production.tier) == ("staging", "production")
    assert (staging.rollout.strategy, production.rollout.strategy) == ("rolling", "canary")
    assert (staging.after, production.after) == ((), ("staging",))
    assert [s.share for s in production.rollout.steps] == [0.05, 0.25, 0.5, 1.0]
    assert {s.bake_seconds for s in production.rollout.steps} == {None}
    assert production.rollout.holdback == 0.10
    assert production.rollout.stability_seconds == 600
    assert (staging.rollout.max_surge, staging.rollout.max_unavailable) == (1, 0)
    assert staging.run.instances == 2
    assert staging.run.stop_grace_seconds == 30
    assert staging.health.path == "/health"
    assert (staging.health.interval_seconds, staging.health.timeout_seconds) == (1, 2)
    assert staging.tests.http == (HttpTest("/health"),)
    assert production.analysis.confidence == 0.99
    assert production.analysis.insufficient_data == "hold"
    assert production.analysis.pace.name == "standard"
    assert production.approval is None
    assert production.auto


def test_every_unit_is_gone() -> None:
    service = settings.read(WEB, "headway.yaml")
    staging, production = service.environments
    assert (service.owner, service.artifact_from) == ("team-shop", "dist")
    assert service.workflow == ".github/workflows/build.yml"
    assert (staging.run.instances, production.run.instances) == (1, 4)
    assert staging.run.command == production.run.command
    assert production.run.memory_bytes == 512 * 1024 * 1024
    assert (production.run.cpu, production.run.stop_grace_seconds) == (1.0, 20.0)
    assert (staging.env, production.env) == ({"LOG_LEVEL": "debug"}, {"LOG_LEVEL": "info"})
    assert production.health.ready_within_seconds == 90.0
    assert production.traffic.sticky_header == "x-user-id"
    assert staging.traffic.sticky_header is None
    assert production.rollout.steps[2] == StepPolicy(0.25, 600.0, 1)
    assert production.rollout.stability_seconds == 1800.0
    assert production.analysis.insufficient_data == "ask"
    assert production.approval is not None
    assert production.approval.by == ("team-shop", "on-call")
    assert production.approval.expires_seconds == 8 * 3600.0
    assert staging.approval is None
    checkout = staging.tests.http[1]
    assert checkout == HttpTest(
        "/checkout", "POST", '{"sku":7,"when":"12:30"}', 201, within_seconds=0.5
    )
    assert staging.tests.workflows[0].workflow == ".github/workflows/e2e.yml"


def test_continuous_delivery_and_blue_green() -> None:
    text = MINIMUM.replace(
        "  production:\n",
        "  production:\n    auto: false\n"
        "    rollout: {strategy: blue-green, bake: 10m, keep_old: 1h}\n",
    )
    production = settings.read(text, "f").environment("production")
    assert not production.auto
    assert production.rollout.bake_seconds == 600
    assert production.rollout.keep_old_seconds == 3600


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("secrets: {DATABASE_URL: }", "`secrets` is planned, not in this version  [planned]"),
        ("notify: [{channel: slack/x}]", "`notify` is planned, not in this version  [planned]"),
        ("migrations: {tool: alembic}", "`migrations` is planned, not in this version  [planned]"),
        ("flags: {}", "`flags` is planned, not in this version  [planned]"),
        ("gates: {window: office}", "`window` is planned, not in this version  [planned]"),
        ("health: {heartbeat: 5s}", "`heartbeat` is planned, not in this version  [planned]"),
        ("traffic: {protect: {}}", "`protect` is planned, not in this version  [planned]"),
        ("gates: {evidence: [sbom]}", "`evidence` is planned, not in this version  [planned]"),
        ("tests: [{chaos: {}}]", "`chaos` is planned, not in this version  [planned]"),
        (
            "rollout: {strategy: canary, match: [{header: x, equals: y}]}",
            "`match` is planned, not in this version  [planned]",
        ),
        (
            "kind: worker",
            "`kind: worker` is planned, not in this version. Known here: web  [planned]",
        ),
        (
            "artifact: {kind: image}",
            "`kind: image` is planned, not in this version. Known here: archive  [planned]",
        ),
        (
            "target: {kind: kubernetes, cluster: live}",
            "`kind: kubernetes` is planned, not in this version. Known here: local  [planned]",
        ),
        (
            "target: {kind: local, isolation: podman}",
            "`isolation: podman` is planned, not in this version. Known here: process  [planned]",
        ),
        (
            "traffic: {router: istio}",
            "`router: istio` is planned, not in this version. Known here: envoy  [planned]",
        ),
    ],
)
def test_what_is_planned_is_refused_by_name_and_alone(line: str, sentence: str) -> None:
    text = MINIMUM.replace("health: /health\n", f"{line}\n")
    found = problems(text)
    assert len(found) == 1
    assert found[0].startswith("3:")
    assert found[0].endswith(sentence)


def test_the_same_keys_are_planned_inside_an_environment() -> None:
    text = MINIMUM.replace("  staging:\n", "  staging: {secrets: {A: }, waves: [[a1]]}\n")
    assert problems(text) == [
        "5:13: `secrets` is planned, not in this version  [planned]",
        "5:29: `waves` is planned, not in this version  [planned]",
    ]


@shared
@pytest.mark.parametrize("name", ["01-minimum", "03-blue-green", "04-rolling", "05-shadow"])
def test_published_examples_are_read(name: str) -> None:
    assert settings.load(Path(SHARED) / f"{name}.yaml").environments


@shared
def test_published_examples_of_later_versions_are_refused_only_as_planned() -> None:
    later = [p for p in Path(SHARED).glob("*.yaml") if p.name[:2] not in ("01", "03", "04", "05")]
    assert len(later) == 13
    for path in later:
        with pytest.raises(Invalid) as caught:
            workspace.read(path.read_text(), str(path)) or settings.load(path)
        assert {p.code for p in caught.value.problems} == {"planned"}, path.name


@shared
def test_published_bad_examples_give_exactly_the_published_lines() -> None:
    found = []
    for path in sorted(Path(SHARED).glob("bad/*.yaml")):
        with pytest.raises(Invalid) as caught:
            settings.load(path)
        found += [str(p) for p in caught.value.problems]
    assert found == (Path(SHARED) / "bad" / "expected.txt").read_text().splitlines()
