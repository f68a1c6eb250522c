"""A workspace: which services it has, what they get from it, and where its faults are told."""

import pytest

from headway import settings
from headway.model.errors import Invalid
from headway.model.service import Service
from headway.settings import workspace

ROOT = """\
services: {catalog: services/catalog, web: ./services/web/}
watch: [libs/]
owner: team-shop
run: ./run --port $PORT
environments:
  staging: {run: {instances: 1}}
  production:
    rollout: {strategy: canary, steps: [10%, 100%]}
"""
FILE = "services/web/headway.yaml"


def web(text: str, root: str = ROOT) -> Service:
    many = workspace.read(root, "headway.yaml")
    assert many is not None
    return workspace.service(many, "web", text, FILE)


def faults(text: str, root: str = ROOT) -> list[str]:
    with pytest.raises(Invalid) as caught:
        web(text, root)
    return [str(p) for p in caught.value.problems]


def test_a_workspace_names_its_services_and_what_they_share() -> None:
    many = workspace.read(ROOT, "headway.yaml")
    assert many is not None
    assert many.services == {"catalog": "services/catalog", "web": "services/web"}
    assert many.watch == ("libs",)
    assert many.at("services/web/static") == "web"
    assert many.at("services") == many.at("services/website") == ""
    assert workspace.read("service: shop\n", "f") is None


def test_a_service_gets_the_defaults_and_its_own_file_wins() -> None:
    found = web("health: /ready\nrun: {instances: 3}\n")
    assert (found.name, found.owner, found.folder) == ("web", "team-shop", "services/web")
    assert found.watch == ("services/web", "libs")
    staging, production = found.environments
    assert (staging.run.command, staging.run.instances) == ("./run --port $PORT", 1)
    assert (production.run.instances, production.health.path) == (3, "/ready")
    assert [s.share for s in production.rollout.steps] == [0.1, 1.0]


def test_environments_merge_key_by_key_and_an_empty_one_takes_nothing_away() -> None:
    found = web("environments:\n  production:\n  staging: {run: ./other}\n")
    assert [e.name for e in found.environments] == ["staging", "production"]
    assert found.environment("staging").run.command == "./other"
    assert found.environment("staging").run.instances == 1
    assert found.environment("production").rollout.strategy == "canary"
    other = web("environments: {production: {rollout: {strategy: blue-green}}}\n")
    assert other.environment("production").rollout.strategy == "blue-green"


def test_a_service_may_watch_other_paths_than_its_folder() -> None:
    assert web("watch: [services/web, api/web.proto]\n").watch == (
        "services/web",
        "api/web.proto",
        "libs",
    )


def test_a_fault_is_told_in_the_file_and_line_where_it_is_written() -> None:
    broken = ROOT.replace("steps: [10%, 100%]", "steps: [50%, 10%, 100%]")
    (told,) = faults("health: /ready\n", broken)
    assert told.startswith("headway.yaml:8:")
    (told,) = faults("\nhelth: /ready\n")
    assert told.startswith(f"{FILE}:2:1: unknown key `helth`")
    (told,) = faults("service: shop\n")
    assert told.startswith(f"{FILE}:1:1: the workspace calls this service `web`")


@pytest.mark.parametrize(
    ("root", "sentence"),
    [
        ("services: {a1: ../out}\n", "out"),
        ("services: {a1: x, b1: ./x/}\n", "have the same folder"),
        ("services: {a1: x}\nwatch: [/etc]\n", "/etc"),
        ("services: {a1: x}\norder: [a1]\n", "`order` is planned, not in this version"),
        ("services: {a1: x}\non_fail: reverse\n", "`on_fail` is planned, not in this version"),
        ("services: {a1: x}\nservice: a1\n", "unknown key `service`"),
        ("services: {}\n", "services"),
        ("services: [a1]\n", "services"),
    ],
)
def test_a_workspace_that_is_wrong_is_refused(root: str, sentence: str) -> None:
    with pytest.raises(Invalid) as caught:
        workspace.read(root, "headway.yaml")
    assert any(sentence in str(p) for p in caught.value.problems), caught.value.problems


def test_a_workspace_is_not_a_service() -> None:
    with pytest.raises(Invalid) as caught:
        settings.read(ROOT, "headway.yaml")
    assert caught.value.code == "workspace"
    assert "catalog, web" in caught.value.why


def test_a_service_that_the_workspace_does_not_name() -> None:
    many = workspace.read(ROOT, "headway.yaml")
    assert many is not None
    with pytest.raises(Invalid, match="names no service `shop`"):
        many.named("shop")
