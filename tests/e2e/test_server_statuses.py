"""What a forge sees at its commits while the server runs what its webhook asked for."""

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.support.git_forge import TOKEN, GitForge, git_forge
from tests.support.served import STEP, Served, job, workflow
from tests.unit.pipeline_trigger import forge_payloads as sent

from headway.model.connection import Connection
from headway.store import connections

SECRET = "hook-S3CRET"


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitForge]:
    with git_forge(tmp_path_factory.mktemp("forge")) as made:
        yield made


@pytest.fixture(scope="module")
def served(forge: GitForge) -> Iterator[Served]:
    with Served() as made:
        options = {"secret": SECRET, "token": TOKEN}
        connections.put(made.home, Connection("shop", "github", forge.url, options))
        made.up()
        yield made


def hear(served: Served, event: str, payload: dict[str, Any], delivery: str) -> httpx.Response:
    body = sent.raw(payload)
    proof = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "content-type": "application/json",
        "x-hub-signature-256": f"sha256={proof}",
        "x-github-event": event,
        "x-github-delivery": delivery,
    }
    url = f"{served.address}/hooks/github/shop"
    return httpx.post(url, content=body, headers=headers, trust_env=False, timeout=60)


def publish(forge: GitForge, **workflows: str) -> str:
    named = {f"_dot_github__workflows__{n}_dot_yml": text for n, text in workflows.items()}
    forge.repo.commit("workflows", **named)
    return forge.publish()


def pushed(sha: str) -> dict[str, Any]:
    return sent.push(after=sha, before=sent.ZERO, head_commit={"id": sha, "message": "x"})


def test_the_run_and_each_job_are_shown_from_pending_to_their_end(
    served: Served, forge: GitForge
) -> None:
    gate = served.scratch / "gate"
    jobs = (
        job(f"while [ ! -e {gate} ]; do sleep 0.05; done", name="good"),
        job("exit 3", name="bad"),
    )
    sha = publish(forge, ci=workflow("push", *jobs))
    assert hear(served, "push", pushed(sha), "d-1").status_code == 202
    served.eventually(lambda: forge.states("headway / CI / good"))
    assert forge.states("headway / CI")[-1] == "pending"
    gate.touch()
    served.eventually(lambda: forge.states("headway / CI")[-1] != "pending")
    assert forge.states("headway / CI")[-1] == "failure"
    served.eventually(lambda: forge.states("headway / CI / good")[-1] == "success")
    served.eventually(lambda: forge.states("headway / CI / bad")[-1:] == ["failure"])
    assert {told[0] for told in forge.told} == {sha}
    run = next(r.spec.id for r in served.runs() if r.spec.sha == sha)
    assert forge.pages == {f"{served.address}/runs/{run}"}


@pytest.mark.seed("S-002")
def test_a_pull_request_runs_its_own_workflow_and_a_push_to_main_the_whole(
    served: Served, forge: GitForge
) -> None:
    on_main = workflow("{push: {branches: [main]}}", job("true"), name="Whole")
    quick = workflow("pull_request", job("true"), name="Quick")
    main = publish(forge, ci=None, whole=on_main, quick=quick)  # type: ignore[arg-type]
    forge.repo.git("checkout", "-q", "-b", "topic")
    head = forge.repo.commit("a change", x="1")
    forge.publish()
    forge.repo.git("checkout", "-q", "main")
    payload = sent.pull_request()
    payload["pull_request"]["head"] |= {"sha": head, "ref": "topic"}
    before = len(served.runs())
    assert hear(served, "pull_request", payload, "d-2").status_code == 202
    assert hear(served, "push", pushed(main), "d-3").status_code == 202
    found = served.ended(before + 2)[before:]
    known = {(r.spec.event, r.spec.workflow.rpartition("/")[2], r.spec.sha) for r in found}
    assert known == {("pull_request", "quick.yml", head), ("push", "whole.yml", main)}
    asked = next(r.spec for r in found if r.spec.event == "pull_request")
    assert asked.payload["number"] == payload["number"]
    assert asked.actor
    served.eventually(lambda: forge.states("headway / Quick")[-1:] == ["success"])
    served.eventually(lambda: forge.states("headway / Whole")[-1:] == ["success"])


def test_a_forge_that_is_away_is_told_the_newest_when_it_is_back(
    served: Served, forge: GitForge
) -> None:
    sha = publish(forge, late=workflow("{push: {branches: [main]}}", job("true"), name="Late"))
    forge.away = True
    hear(served, "push", pushed(sha), "d-4")
    served.eventually(lambda: sha in {r.spec.sha for r in served.runs()})
    served.eventually(lambda: all(r.phase != "running" for r in served.runs()))
    assert forge.states("headway / Late") == []
    forge.away = False
    served.eventually(lambda: forge.states("headway / Late")[-1:] == ["success"])


def test_what_is_refused_is_an_error_with_its_reason(served: Served, forge: GitForge) -> None:
    lacking = f"  a:\n{STEP}      - {{run: x, shell: 'nosuchshell {{0}}'}}\n"
    sha = publish(forge, no=workflow("push", lacking, name="No"))
    hear(served, "push", pushed(sha), "d-5")
    served.eventually(lambda: forge.states("headway / No") == ["error"])
    (said,) = [words for _, named, _, words in forge.told if named == "headway / No"]
    assert "nosuchshell" in said
