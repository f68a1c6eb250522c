"""Runs of the server that wait: for a person, for a group. They hold no place, keep their groups,
go on once when what they wait for comes, and survive a kill of the server at any moment.
"""

import getpass
import random
import time
from pathlib import Path

import pytest
from tests.support.served import STEP, Hosted, Served, job, workflow

from headway.flows import pipeline
from headway.pipeline.run.state import RunState
from headway.store import run_ticket

HEADWAY = """\
service: shop
run: ./shop
environments:
  production:
    gates: {approval: {count: 1}}
"""
PUSH = "push\nconcurrency: deploy"


def gated(served: Served, name: str, *more: str, on: str = "push") -> Hosted:
    """A repository whose job `live` waits for a person; jobs say in scratch what they did."""
    repo = served.another(name)
    mark = f'echo "$GITHUB_SHA" >> {served.scratch}/{name}'
    live = job(f"{mark}-live", name="live").replace(
        STEP, f"    needs: a\n    environment: production\n{STEP}"
    )
    (repo.folder / "headway.yaml").write_text(HEADWAY)
    repo.write(ci=workflow(on, job(f"{mark}-built"), live, *more))
    return repo


def waits(served: Served, repo: Hosted, count: int = 1) -> list[RunState]:
    """Its runs, once so many of them wait without a process."""

    def there() -> int:
        known = {e.subject for e in served.events(kind="run.parked")}
        return sum(r.spec.id in known and waiting(served, r) for r in served.runs(repo))

    served.eventually(lambda: there() >= count)
    return served.runs(repo)


def waiting(served: Served, run: RunState) -> bool:
    return run_ticket.waits(served.home, run.spec.id)


def ended(served: Served, repo: Hosted) -> RunState:
    """Its one run, once it and its flow have ended."""
    (found,) = served.ended(1, repo)
    served.eventually(lambda: "run.finished" in served.kinds(found.spec.id))
    return found


def approve(served: Served, run: str) -> None:
    told = served.cli("pipeline", "approve", run, "--env", "production", "--reason", "fine")
    assert told.returncode == 0, told.stderr


def left_behind(served: Served, run: str) -> list[str]:
    """Processes that have anything of the run open, or in their words."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            open_ = [str(file.readlink()) for file in (place / "fd").iterdir()]
            words = (place / "cmdline").read_text()
            folder = str((place / "cwd").readlink())
        except OSError:
            continue
        if any(run in text for text in (words, folder, *open_)):
            found.append(words)
    return found


def test_a_run_that_waits_gives_up_its_place_and_outlives_the_server() -> None:
    with Served() as served:
        shop, other = gated(served, "shop"), served.another("other")
        served.up("--runs", "1")
        shop.push()
        (run,) = waits(served, shop)
        assert left_behind(served, run.spec.id) == []
        shown = served.cli("pipeline", "show", run.spec.id)
        assert "waiting" in shown.stdout
        other.write(ci=workflow("push", job(f"echo x >> {served.scratch}/other")))
        other.push()
        assert ended(served, other).phase == "success"
        served.kill()
        assert pipeline.stands(served.home, run, time.time()) == "waiting"
        served.up("--runs", "1")
        assert served.said("shop-live") == []
        approve(served, run.spec.id)
        served.kill()
        served.up("--runs", "1")
        found = ended(served, shop)
        assert found.phase == "success"
        assert [d.because for d in found.decided] == ["fine"]
        assert served.said("shop-built") == served.said("shop-live") == [run.spec.sha]
        assert served.kinds(run.spec.id) == [
            *("run.requested", "job.finished:a", "run.parked", "run.decided", "run.woken"),
            *("job.finished:live", "run.finished"),
        ]


def test_who_waits_keeps_its_group_and_nobody_a_place_for_it() -> None:
    with Served() as served:
        tidy = job(f"echo x >> {served.scratch}/tidy", name="tidy").replace(
            STEP, f"    needs: live\n    if: always()\n{STEP}"
        )
        shop = gated(served, "shop", tidy, on=PUSH)
        served.up("--runs", "1")
        shop.push()
        (first,) = waits(served, shop)
        shop.commit("again", x="1")
        shop.push()
        first, second = waits(served, shop, 2)
        assert not second.planned
        cancelled = served.cli("pipeline", "cancel", first.spec.id, "--reason", "no more")
        assert cancelled.returncode == 0, cancelled.stderr
        (asked,) = served.events(kind="run.cancel_requested")
        assert (asked.subject, asked.data["reason"]) == (first.spec.id, "no more")
        assert asked.data["by"] == getpass.getuser()
        first, second = waits(served, shop, 1)
        served.eventually(lambda: served.runs(shop)[1].held)
        first, second = waits(served, shop, 1)
        assert first.phase == "cancelled"
        assert first.ended["live"].outcome == "skipped"
        assert first.ended["tidy"].outcome == "success"
        approve(served, second.spec.id)
        served.eventually(lambda: served.kinds(second.spec.id)[-1] == "run.finished")
        assert [r.phase for r in served.runs(shop)] == ["cancelled", "success"]
        assert served.said("shop-live") == [second.spec.sha]
        assert len(served.said("tidy")) == 2


@pytest.mark.soak
def test_a_kill_at_any_moment_of_waiting_and_waking_changes_nothing() -> None:
    dice = random.Random(20261121)
    with Served() as served:
        shop = gated(served, "shop")
        served.up("--runs", "1")
        for _ in range(20):
            shop.commit("again", x=str(dice.random()))
            shop.push()
            time.sleep(dice.uniform(0.0, 1.0))
            served.kill()
            served.up("--runs", "1")
            run = waits(served, shop)[-1].spec.id
            approve(served, run)
            time.sleep(dice.uniform(0.0, 0.6))
            served.kill()
            served.up("--runs", "1")
            served.eventually(lambda run=run: "run.finished" in served.kinds(run))
            kinds = served.kinds(run)
            assert kinds.count("run.finished") == 1
            assert kinds.count("run.parked") == kinds.count("run.woken") >= 1
        done = [r.spec.sha for r in served.runs(shop)]
        assert {r.phase for r in served.runs(shop)} == {"success"}
        # a step that a kill cut off runs again, and only that
        for name in ("shop-built", "shop-live"):
            said = served.said(name)
            assert list(dict.fromkeys(said)) == done
            assert len(said) - len(done) <= 20
