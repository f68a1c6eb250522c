"""Two services of a repository leave with one train, in their order, also after a kill -9; a hotfix
goes beside it.
"""

import json
import sys
from collections.abc import Iterator

import pytest
from tests.support.stage import APP, AT_ONCE, WORKFLOW, Stage

from headway.flows import commands
from headway.flows.commands import Request
from headway.model.delivery import Delivery

ROOT = f"""\
services: {{catalog: services/catalog, web: services/web}}
run: {{command: {sys.executable} -I -S app.py, instances: 1, stop: {{grace: 5s}}}}
health: {{path: /health, interval: 200ms, timeout: 2s, ready_within: 20s}}
environments:
  production:
    {AT_ONCE}
    train: {{schedule: 0 4 1 1 *, zone: Europe/Berlin, name: weekly, order: [catalog, web]}}
"""
CODE = APP.format(constants=("v1", 0.0, 0.0, True, 0, False))
OWN = "pipeline: {{workflow: .github/workflows/{name}.yml}}\n"
TRAIN = "weekly/production"


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as made:
        yield made


def begin(stage: Stage) -> str:
    files = {"headway.yaml": ROOT}
    for name in ("catalog", "web"):
        workflow = WORKFLOW.replace("cp app.py", f"cp services/{name}/app.py")
        files |= {
            f"services/{name}/headway.yaml": OWN.format(name=name),
            f"services/{name}/app.py": CODE,
            f".github/workflows/{name}.yml": workflow,
        }
    for name, text in files.items():
        path = stage.repo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    stage.git("add", "-A")
    stage.git("commit", "--quiet", "-m", "Two services")
    return stage.git("rev-parse", "HEAD")


def ask(stage: Stage, service: str, sha: str) -> str:
    commit = stage.world.source.commit(str(stage.repo), sha)
    with stage.headway.tx() as tx:
        return commands.request(tx, stage.headway.outbox, Request(service, commit, "ben"))


def waiting(stage: Stage, id: str) -> Delivery:
    known = stage.until(id, lambda d: d.state == "waiting")
    assert "waits for the departure of" in known.because, known
    return known


@pytest.mark.soak
@pytest.mark.seed("S-010")
def test_the_bundle_waits_through_a_kill_and_leaves_in_order_with_a_hotfix_beside(
    stage: Stage,
) -> None:
    sha = begin(stage)
    with stage.server() as server:
        ids = [ask(stage, name, sha) for name in ("web", "catalog")]
        assert [waiting(stage, id).release for id in ids] == ["web-1", "catalog-1"]
        server.kill()
        server.wait()
    plan = stage.run("plan", "--path", str(stage.repo / "services" / "web"))
    assert plan.exit_code == 5
    assert "waits for the departure of" in plan.output
    assert "04:00 CET" in plan.output
    with stage.engine():
        shown = json.loads(stage.run("train", "list", "--json").stdout)["items"]
        assert [(t["train"], sorted(t["waiting"])) for t in shown] == [
            (TRAIN, ["catalog-1", "web-1"])
        ]
        told = stage.run("train", "depart", TRAIN, "--reason", "the fair begins")
        assert told.exit_code == 0, told.output
        for id in ids:
            done = stage.ended(id)
            assert done.outcome == "delivered", done.because
        order = {e.release: e.seq for e in stage.events(kind="release.released")}
        began = {e.release: e.seq for e in stage.events(kind="rollout.started")}
        assert order["catalog-1"] < began["web-1"]
        (left,) = stage.events(kind="train.departed")
        assert left.data["passengers"] == ["catalog-1", "web-1"]
        assert left.data["reason"] == "the fair begins"
        assert "catalog-1 web-1" in stage.run("train", "show", TRAIN).output

        late = ask(stage, "web", sha)
        release = waiting(stage, late).release
        start = ("release", "start", release, "--env", "production", "--hotfix")
        assert stage.run(*start).exit_code == 2
        assert stage.run("train", "hold", TRAIN, "--reason", "snow").exit_code == 0
        assert stage.run(*start, "--reason", "prices are wrong").exit_code == 0
        assert stage.ended(late).outcome == "delivered"
        assert len(stage.events(kind="train.departed")) == 1
        (hotfix,) = stage.events(kind="delivery.hotfix")
        assert hotfix.data["reason"] == "prices are wrong"
        empty = stage.run("train", "depart", TRAIN, "--reason", "again")
        assert (empty.exit_code, "train-held" in empty.output) == (3, True)
        assert stage.run("train", "resume", TRAIN, "--reason", "sun").exit_code == 0
        empty = stage.run("train", "depart", TRAIN, "--reason", "again")
        assert (empty.exit_code, "train-empty" in empty.output) == (3, True)
