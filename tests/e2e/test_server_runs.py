"""Workflows on the server, over real processes: what starts them, once each, and what they tell."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.support.served import STEP, Served, job, workflow

from headway.store.tables import schedules

PUSHED = "{push: {branches: [main]}}"


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """One server for everything after which it still lives."""
    with Served() as made:
        made.up()
        yield made


@pytest.fixture
def mortal() -> Iterator[Served]:
    with Served() as made:
        yield made


def noted(served: Served, name: str, text: str = "$GITHUB_SHA") -> str:
    return f'echo "{text}" >> {served.scratch}/{name}'


@pytest.mark.seed("S-001", "S-004")
def test_a_push_starts_every_workflow_that_listens_and_nothing_else(served: Served) -> None:
    repo = served.another("listens")
    sha = repo.write(
        ci=workflow(PUSHED, job(noted(served, "ci", "$GITHUB_RUN_ID $GITHUB_RUN_NUMBER"))),
        lint=workflow("push", job(noted(served, "lint"))),
        tags=workflow("{push: {tags: ['v*']}}", job(noted(served, "tags"))),
        hand=workflow("workflow_dispatch", job(noted(served, "hand"))),
    )
    repo.push()
    found = served.ended(2, repo)
    assert sorted((r.spec.workflow, r.spec.sha, r.phase, r.spec.number) for r in found) == [
        (f".github/workflows/{name}.yml", sha, "success", 1) for name in ("ci", "lint")
    ]
    (said,) = served.said("ci")
    number, count = said.split()
    assert 0 < int(number) < 2**53
    assert count == "1"
    assert served.said("lint") == [sha]
    run = found[0].spec.id
    served.eventually(lambda: "run.finished" in served.kinds(run))
    assert served.kinds(run) == ["run.requested", "job.finished:a", "run.finished"]

    again = repo.write(ci=workflow(PUSHED, job(noted(served, "new"))))
    repo.push()
    runs = served.ended(4, repo)
    ci = [r for r in runs if r.spec.workflow.endswith("/ci.yml")]
    assert [(r.spec.sha, r.spec.number) for r in ci] == [(sha, 1), (again, 2)]
    assert served.said("new") == [again]
    assert len(served.said("ci")) == 1
    assert served.said("tags") == served.said("hand") == []

    repo.git("tag", "v1")
    repo.push("v1")
    served.eventually(lambda: served.said("tags"))
    # the tag has no branch: what listens for branches stays quiet
    assert len([r for r in served.ended(6, repo) if r.spec.workflow.endswith("/ci.yml")]) == 2


def test_a_repository_that_describes_no_service_is_connected_and_runs(served: Served) -> None:
    repo = served.another("undescribed")
    sha = repo.write(ci=workflow("push", job(noted(served, "ran"))))
    told = served.cli("remote", str(repo.folder))
    assert told.returncode == 0, told.stderr
    assert "run its workflows with:  git push headway main" in told.stderr
    repo.git("push", "-q", "headway", "main")
    served.eventually(lambda: served.said("ran") == [sha])


@pytest.mark.soak
@pytest.mark.seed("S-034")
def test_slow_tests_run_by_the_clock_and_by_hand_and_not_on_a_push(served: Served) -> None:
    repo = served.another("nightly")
    nightly = "{schedule: [{cron: '0 3 * * *'}], workflow_dispatch: }"
    repo.write(
        fast=workflow("push", job(noted(served, "fast"))),
        slow=workflow(nightly, job(noted(served, "slow", "$GITHUB_EVENT_NAME"))),
    )
    repo.push()
    served.ended(1, repo)
    assert [r.spec.workflow for r in served.runs(repo)] == [".github/workflows/fast.yml"]
    started = served.cli("pipeline", "start", "slow.yml", "--repo", "nightly", "--json")
    assert started.returncode == 0, started.stderr
    served.eventually(lambda: served.said("slow") == ["workflow_dispatch"])
    assert len(served.runs(repo)) == 2
    # a night passes
    with served.headway.tx() as tx:
        mine = schedules.c.address == str(repo.bare)
        moved = tx.connection.execute(schedules.update().where(mine).values(seen=tx.now - 86400))
        assert moved.rowcount == 1
    served.eventually(lambda: served.said("slow")[1:] == ["schedule"])
    assert len(served.said("fast")) == 1


def test_a_person_starts_a_workflow_with_inputs_and_a_program_too(served: Served) -> None:
    repo = served.another("by-hand")
    on = "{workflow_dispatch: {inputs: {who: {type: string, required: true}}}}"
    listens = "{repository_dispatch: {types: [release]}}"
    payload = "${{ github.event.client_payload.version }}"
    sha = repo.write(
        hi=workflow(on, job(noted(served, "hi", "${{ inputs.who }} $GITHUB_REF"))),
        told=workflow(listens, job(noted(served, "told", payload))),
    )
    repo.push()
    said = served.cli("pipeline", "start", "hi.yml", "--repo", "by-hand", "--input", "who=ana")
    assert (said.returncode, "number 1" in said.stdout) == (0, True), said.stderr
    served.eventually(lambda: served.said("hi") == ["ana refs/heads/main"])

    wrong = served.cli("pipeline", "start", "hi.yml", "--repo", "by-hand")
    assert wrong.returncode != 0
    assert "who" in wrong.stderr
    assert served.cli("pipeline", "start", "no.yml", "--repo", "by-hand").returncode != 0

    door = f"{served.address}/repos/by-hand"
    token = {"authorization": f"Bearer {(served.home / 'token').read_text()}"}
    path = f"{door}/actions/workflows/hi.yml/dispatches"
    asked = {"ref": "main", "inputs": {"who": "bot"}}
    assert httpx.post(path, json=asked, trust_env=False).status_code == 401
    answer = httpx.post(path, json=asked, headers=token, trust_env=False, timeout=60)
    assert (answer.status_code, answer.json()["number"]) == (201, 2)
    served.eventually(lambda: served.said("hi")[1:] == ["bot refs/heads/main"])

    event = {"event_type": "release", "client_payload": {"version": "1.2"}}
    stored = httpx.post(f"{door}/dispatches", json=event, headers=token, trust_env=False)
    assert stored.status_code == 202
    served.eventually(lambda: served.said("told") == ["1.2"])
    assert {r.spec.sha for r in served.runs(repo)} == {sha}


def test_what_certainly_cannot_run_is_refused_before_it_starts_and_the_others_run(
    served: Served,
) -> None:
    repo = served.another("cannot")
    lacking = f"  a:\n{STEP}      - {{run: x, shell: 'nosuchshell {{0}}'}}\n"
    repo.write(no=workflow("push", lacking), ok=workflow("push", job("true")), bad="on: [push\n")
    repo.push()
    assert [r.spec.workflow for r in served.ended(1, repo)] == [".github/workflows/ok.yml"]
    served.eventually(
        lambda: any(s.repo == "cannot" and s.state == "started" for s in served.seen())
    )
    (told,) = [s.because for s in served.seen() if s.repo == "cannot"]
    assert "no.yml" in told
    assert "nosuchshell" in told
    assert "bad.yml" in told
    (refused,) = served.events(kind="run.refused")
    assert "nosuchshell" in str(refused.data["because"])


def test_a_killed_server_goes_on_where_each_run_stood_and_repeats_no_finished_step(
    mortal: Served,
) -> None:
    gate = mortal.scratch / "gate"
    wait = f"while [ ! -e {gate} ]; do sleep 0.05; done"
    lines = (noted(mortal, "one"), f"{noted(mortal, 'two')}; {wait}", noted(mortal, "three"))
    mortal.repo.write(ci=workflow("push", job(*lines)))
    mortal.up("--runs", "1")
    mortal.repo.push()
    mortal.eventually(lambda: mortal.said("two"))
    second = mortal.repo.write(other=workflow("push", job(noted(mortal, "other"))))
    mortal.repo.push()
    mortal.eventually(lambda: len(mortal.runs()) == 3)
    mortal.kill()
    mortal.up("--runs", "1")
    mortal.eventually(lambda: len(mortal.said("two")) == 2)
    assert mortal.said("other") == []
    gate.touch()
    found = mortal.ended(3)
    assert {r.phase for r in found} == {"success"}
    assert (len(mortal.said("one")), len(mortal.said("three"))) == (2, 2)
    assert mortal.said("other") == [second]
    for run in found:
        mortal.eventually(lambda run=run: "run.finished" in mortal.kinds(run.spec.id))
        assert mortal.kinds(run.spec.id).count("run.requested") == 1
    assert len(mortal.runs()) == 3


def test_runs_that_have_no_place_wait_in_order_without_threads(mortal: Served) -> None:
    gate = mortal.scratch / "gate"
    line = (
        f"{noted(mortal, 'began', '${{ inputs.n }}')}; while [ ! -e {gate} ]; do sleep 0.05; done"
    )
    mortal.repo.write(w=workflow("{workflow_dispatch: {inputs: {n: {type: string}}}}", job(line)))
    mortal.repo.push()
    mortal.up("--runs", "2")
    door = f"{mortal.address}/repos/plain/actions/workflows/w.yml/dispatches"
    token = {"authorization": f"Bearer {(mortal.home / 'token').read_text()}"}

    def start(n: int) -> None:
        asked = {"ref": "main", "inputs": {"n": str(n)}}
        answer = httpx.post(door, json=asked, headers=token, trust_env=False, timeout=60)
        assert answer.status_code == 201, answer.text

    def threads() -> int:
        return len(list(Path(f"/proc/{mortal.pid}/task").iterdir()))

    start(0)
    start(1)
    mortal.eventually(lambda: len(mortal.said("began")) == 2)
    start(2)
    start(3)
    few = threads()
    for n in range(4, 16):
        start(n)
    time.sleep(1)
    assert len(mortal.said("began")) == 2
    assert threads() - few <= 10, "runs that wait hold threads"
    gate.touch()
    mortal.ended(16)
    assert mortal.said("began")[:2] in (["0", "1"], ["1", "0"])
    began = [int(n) for n in mortal.said("began")]
    assert all(abs(n - place) <= 1 for place, n in enumerate(began)), began


def test_a_push_is_neither_lost_nor_told_twice_when_server_or_hook_die(mortal: Served) -> None:
    mortal.repo.write(ci=workflow("push", job(noted(mortal, "ran"))))
    hook = mortal.repo.bare / "hooks" / "post-receive"
    whole = hook.read_text()
    hook.write_text(whole.replace('mv "$draft"', 'false "$draft"'))
    mortal.repo.push("main:lost")
    assert not list((mortal.home / "pushes").glob("*.json"))
    hook.write_text(whole)
    mortal.repo.commit("another tree", x="1")
    mortal.repo.push()
    assert len(list((mortal.home / "pushes").glob("*.json"))) == 1
    mortal.up()
    mortal.ended(2)
    mortal.kill()
    mortal.up()
    time.sleep(1)
    mortal.down(signal.SIGINT)
    refs = sorted(r.spec.ref for r in mortal.runs())
    assert refs == ["refs/heads/lost", "refs/heads/main"]
    assert len(mortal.said("ran")) == 2
