"""One repository of several services: a push delivers those that are affected, side by side."""

import sys
from collections.abc import Iterator

import pytest
from tests.support.stage import APP, AT_ONCE, WORKFLOW, Stage, eventually

from headway.model.delivery import Delivery
from headway.store import records
from headway.store.views import lists
from headway.store.views.paging import Filter

ROOT = f"""\
services: {{catalog: services/catalog, web: services/web}}
watch: [libs/]
run: {{command: {sys.executable} -I -S app.py, instances: 1, stop: {{grace: 5s}}}}
health: {{path: /health, interval: 200ms, timeout: 2s, ready_within: 20s}}
environments:
  production:
    {AT_ONCE}
"""
CODE = APP.format(constants=("v1", 0.0, 0.0, True, 0, False))


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as made:
        yield made


def write(stage: Stage, files: dict[str, str]) -> str:
    """A commit with just these files changed; gives its sha."""
    for name, text in files.items():
        path = stage.repo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    stage.git("add", "-A")
    stage.git("commit", "--quiet", "-m", f"Change {', '.join(files)[:60]}")
    return stage.git("rev-parse", "HEAD")


def services(name: str) -> dict[str, str]:
    workflow = WORKFLOW.replace("cp app.py", f"cp services/{name}/app.py")
    return {
        f"services/{name}/headway.yaml": f"pipeline: {{workflow: .github/workflows/{name}.yml}}\n",
        f"services/{name}/app.py": CODE,
        f".github/workflows/{name}.yml": workflow,
    }


def begin(stage: Stage) -> str:
    first = {"headway.yaml": ROOT, "libs/prices.txt": "1", "README.md": "A shop"}
    return write(stage, first | services("catalog") | services("web"))


def of(stage: Stage, sha: str) -> dict[str, Delivery]:
    """Deliveries of the commit by their service."""
    with stage.headway.reading() as connection:
        rows = [d for d in lists.list_deliveries(connection, Filter()) if d.commit == sha]
        return {d.service: records.delivery(connection, d.id) for d in rows}


def pushed(stage: Stage, sha: str, *names: str) -> None:
    """The push delivers these services, and has been delivered."""
    stage.git("push", "--quiet", "headway", "main")
    eventually(lambda: set(of(stage, sha)) >= set(names), lambda: str(of(stage, sha)), 30)
    for one in of(stage, sha).values():
        done = stage.ended(one.id)
        assert done.outcome == "delivered", done.because
    assert set(of(stage, sha)) == set(names)


@pytest.mark.seed("S-007")
def test_a_push_delivers_only_the_affected_services_in_parallel_lanes(stage: Stage) -> None:
    first = begin(stage)
    with stage.server():
        assert stage.cli("remote", str(stage.repo)).returncode == 0
        pushed(stage, first, "catalog", "web")
        both = of(stage, first).values()
        assert max(d.requested_at for d in both) < min(d.finished_at for d in both)

        only = write(stage, {"services/catalog/app.py": CODE + "# faster\n"})
        pushed(stage, only, "catalog")
        jobs = {
            e.data["workflow"]
            for e in stage.events(kind="pipeline.started")
            if "workflow" in e.data
        }
        assert jobs <= {".github/workflows/catalog.yml", ".github/workflows/web.yml"}

        nothing = write(stage, {"README.md": "A better shop"})
        shared = write(stage, {"libs/prices.txt": "2"})
        pushed(stage, shared, "catalog", "web")
        assert of(stage, nothing) == {}
        with stage.headway.reading() as connection:
            here = {
                n: records.place(connection, n, "production").stable for n in ("catalog", "web")
            }
        assert here == {"catalog": "catalog-3", "web": "web-2"}


def test_config_tells_what_a_service_gets_from_which_file(stage: Stage) -> None:
    begin(stage)
    web = str(stage.repo / "services" / "web")
    every = stage.run("config", "check", str(stage.repo))
    assert every.stdout.splitlines() == [
        "services/catalog/headway.yaml is right: catalog, production",
        "services/web/headway.yaml is right: web, production",
    ]
    assert "is right: web, production" in stage.run("config", "check", web).stdout
    shown = stage.run("config", "show", web, "--env", "production").stdout
    assert "the workspace's headway.yaml:3" in shown
    broken = ROOT.replace("ready_within: 20s", "ready_within: 20")
    write(stage, {"headway.yaml": broken})
    told = stage.run("config", "check", web)
    assert (told.exit_code, "headway.yaml:4:" in told.output) == (2, True), told.output


def test_deliver_means_the_service_one_stands_in_or_all_that_are_affected(stage: Stage) -> None:
    begin(stage)
    with stage.engine():
        done = stage.run("deliver", str(stage.repo / "services" / "web"))
        assert (done.exit_code, "web-1" in done.stdout) == (0, True), done.output
        rest = stage.run("deliver", str(stage.repo))
        assert rest.exit_code == 0, rest.output
        assert "catalog-1" in rest.stdout
        assert "web" not in rest.stdout
        again = stage.run("deliver", str(stage.repo))
        assert (again.exit_code, again.stdout) == (0, "")
        assert "affects no service" in again.stderr
        seen = stage.run("plan", "--path", str(stage.repo / "services" / "catalog"))
        assert "is catalog-1" in seen.stdout
        many = stage.run("plan", "--path", str(stage.repo))
        assert (many.exit_code, "[workspace]" in many.output) == (2, True), many.output
