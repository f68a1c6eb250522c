"""`headway vars`: set from a terminal, read by runs of the server, of deliveries and here."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from tests.support.postgres import databases
from tests.support.served import Served, job, workflow

from headway.cli.main import main
from headway.flows import build, pipeline
from headway.flows.variables import of_server
from headway.model.delivery import Order
from headway.pipeline.run.state import RunState
from headway.pipeline.run.variables import Variable
from headway.store import database, log, variables

HEADWAY = """\
service: shop
run: ./shop
pipeline: {workflow: .github/workflows/ci.yml}
environments: {staging: }
"""
LEVEL = "vars ${{ vars.level }} ${{ vars.Region }} [${{ vars.OTHER }}]"


@pytest.fixture
def served() -> Iterator[Served]:
    with Served() as made:
        yield made


def told(served: Served, *words: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(served.home), "vars", *words])


def vars(served: Served, *words: str) -> str:
    found = told(served, *words)
    assert found.exit_code == 0, found.output
    return found.stdout


def test_a_run_of_the_server_sees_them_and_its_log_says_what_it_saw(served: Served) -> None:
    plain = job(f'echo "{LEVEL}" >> {served.scratch}/plain').replace(
        "  a:\n", "  a:\n    if: vars.level == 'home'\n"
    )
    live = job(f'echo "{LEVEL}" >> {served.scratch}/live', name="live")
    live = live.replace("    runs-on", "    environment: Production\n    runs-on", 1)
    vars(served, "set", "level", "home")
    vars(served, "set", "REGION", "everywhere")
    vars(served, "set", "REGION", "here", "--repo", "plain")
    vars(served, "set", "level", "live", "--repo", "plain", "--env", "production")
    vars(served, "set", "OTHER", "no", "--service", "other")
    served.repo.write(ci=workflow("push", plain, live))
    served.up()
    served.repo.push()
    (found,) = served.ended(1)
    assert found.phase == "success"
    assert served.said("plain") == ["vars home here []"]
    assert served.said("live") == ["vars live here []"]
    assert found.spec.vars == {"LEVEL": "home", "REGION": "here"}
    assert found.orders["live"].contexts["vars"]["LEVEL"] == "live"
    vars(served, "set", "level", "later")
    assert served.runs()[0].spec.vars["LEVEL"] == "home"


def test_a_delivery_and_its_tests_see_them(served: Served) -> None:
    repo = served.another("shop")
    (repo.folder / "headway.yaml").write_text(HEADWAY)
    sha = repo.write(ci=workflow("push", job("true")))
    repo.push()
    vars(served, "set", "A", "service", "--service", "shop")
    vars(served, "set", "B", "staging", "--env", "staging")
    world = served.headway.world
    order = Order("del_1", str(repo.bare), sha, "main", "ana", service="shop")
    build.plan_jobs(world, order, build.read_config(world, order))
    spec = pipeline.show(served.home, "del_1").spec
    assert spec.vars == {"A": "service"}
    assert spec.environment_vars == {"staging": {"B": "staging"}}
    tests = of_server(world, replace(spec, vars={}), "staging")
    assert tests.vars == {"A": "service", "B": "staging"}


def played(served: Served, *words: str) -> RunState:
    end = served.cli("run", *words, cwd=served.repo.folder)
    assert end.returncode == 0, end.stdout + end.stderr
    return served.runs()[-1]


def test_a_run_here_sees_them_and_needs_no_database(served: Served) -> None:
    home = served.base / "fresh"
    said = job(f'echo "{LEVEL}" >> {served.scratch}/here')
    (served.repo.folder / "headway.yaml").write_text(HEADWAY)
    served.repo.write(ci=workflow("push", said))
    end = served.cli("--home", str(home), "run", cwd=served.repo.folder)
    assert end.returncode == 0, end.stderr
    assert served.said("here") == ["vars   []"]
    assert not (home / "headway.db").exists()
    vars(served, "set", "LEVEL", "service", "--service", "shop")
    vars(served, "set", "REGION", "folder", "--repo", str(served.repo.folder))
    vars(served, "set", "OTHER", "stored")
    found = played(served, "--var", "other=mine")
    assert served.said("here")[1:] == ["vars service folder [mine]"]
    assert found.spec.vars == {"LEVEL": "service", "REGION": "folder", "other": "mine"}


def test_the_commands_tell_what_is_and_refuse_what_cannot_be(served: Served) -> None:
    assert "No variable yet" in vars(served, "list")
    vars(served, "set", "a", "1")
    assert "already" in vars(served, "set", "A", "1")
    vars(served, "set", "A", "2\n\x1b[31m", "--repo", "plain")
    shown = vars(served, "list")
    assert "repo plain" in shown
    assert "\x1b" not in shown
    items = json.loads(vars(served, "list", "--json"))["items"]
    assert [(i["name"], i["value"]) for i in items] == [("A", "1"), ("A", "2\n\x1b[31m")]
    vars(served, "delete", "a")
    for words, code in (
        (("delete", "A"), "unknown-variable"),
        (("set", "GITHUB_A", "1"), "bad-name"),
        (("set", "A", "1", "--repo", "nowhere"), "unknown-repository"),
        (("set", "A", "1", "--repo", "https://me:pw@example.com/x"), "secret-argument"),
        (("set", "A", "1", "--repo", "plain", "--service", "x"), "usage"),
    ):
        found = told(served, *words)
        assert found.exit_code == 2
        assert f"[{code}]" in found.stderr
        assert "me:pw" not in found.output
    kinds = [(e.kind, e.data["name"]) for e in served.events()]
    assert kinds == [("variable.set", "A"), ("variable.set", "A"), ("variable.deleted", "A")]


def test_every_change_is_one_event_on_both_databases(tmp_path: Path) -> None:
    with databases(tmp_path) as urls:
        for url in urls.values():
            engine = database.connect(url)
            changed(engine)
            engine.dispose()


def changed(engine: sa.Engine) -> None:
    one = Variable("service:shop", "prod", "A", "1")
    for value, news in (("1", True), ("1", False), ("2", True)):
        with engine.begin() as connection:
            tx = database.Tx(connection, 5.0)
            assert variables.put(tx, replace(one, value=value), "ana") is news
    with engine.begin() as connection:
        tx = database.Tx(connection, 6.0)
        (kept,) = variables.every(connection)
        assert (kept.variable.value, kept.by, kept.at) == ("2", "ana", 5.0)
        assert variables.delete(tx, one, "ben")
        assert not variables.delete(tx, one, "ben")
        events = log.after(connection, 0)
    assert [(e.kind, e.service, e.environment, e.data.get("value")) for e in events] == [
        ("variable.set", "shop", "prod", "1"),
        ("variable.set", "shop", "prod", "2"),
        ("variable.deleted", "shop", "prod", None),
    ]
