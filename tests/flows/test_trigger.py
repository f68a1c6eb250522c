"""From an event to its runs, with real repositories, files and a real database."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.triggering import Bureau, Repository, refusal, workflow

from headway.flows import trigger, trigger_push
from headway.flows.trigger import matching
from headway.flows.trigger_dispatch import Dispatch, dispatched, repository_dispatch
from headway.model.errors import Failed, Unreachable
from headway.pipeline.trigger import TriggerEvent
from headway.pipeline.trigger.moved import pushed
from headway.store import triggers
from headway.store.triggers import Told

ZERO = "0" * 40


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "shop")


@pytest.fixture
def bureau(tmp_path: Path) -> Bureau:
    return Bureau(tmp_path / "home")


def push(repo: Repository, sha: str, old: str = "", ref: str = "refs/heads/main") -> TriggerEvent:
    return pushed("hosted", str(repo.folder), ref, old, sha)


def pull_request(repo: Repository, sha: str, *, fork: bool, base: str = "main") -> TriggerEvent:
    return TriggerEvent(
        "pull_request", "team/shop", "refs/pull/7/merge", sha, "github", type="opened",
        address=str(repo.folder), base=base, head="topic", head_sha=sha, number=7,
        default_branch="main", fork=fork, trusted=not fork, actor="eve",
        payload={"number": 7},
    )  # fmt: skip


def test_a_pull_request_runs_its_workflow_only_and_main_runs_the_full_one(
    repo: Repository, bureau: Bureau
) -> None:
    repo.workflow("  pull_request:", "pr")
    first = repo.workflow("  push:\n    branches: [main]", "full")
    bureau.tell(replace(push(repo, first), actor="ana"))
    bureau.work()
    (run,) = bureau.started
    assert (run.workflow, run.sha, run.actor) == (".github/workflows/full.yml", first, "ana")
    bureau.started.clear()
    bureau.tell(pull_request(repo, first, fork=False), "d2")
    bureau.work()
    (run,) = bureau.started
    assert (run.workflow, run.actor) == (".github/workflows/pr.yml", "eve")
    assert (run.payload["number"], run.ref) == (7, "refs/pull/7/merge")
    assert [s.state for s in bureau.seen()] == ["started", "started"]


def test_the_files_of_the_commit_say_what_runs(repo: Repository, bureau: Bureau) -> None:
    old = repo.workflow("  push:")
    new = repo.workflow("  push:\n    branches: [other]")
    assert [s.sha for s in matching(bureau.world, push(repo, old))] == [old]
    assert matching(bureau.world, push(repo, new)) == []
    (again,) = matching(bureau.world, push(repo, old))
    assert again.texts == {".github/workflows/ci.yml": workflow("  push:")}


def test_a_fork_changes_the_code_but_not_the_rules(repo: Repository, bureau: Bureau) -> None:
    """The fork deletes a check, adds a thief, changes a called workflow; main has moved on, too."""
    called = "jobs:\n  c:\n    uses: ./.github/workflows/called.yml\n"
    folder = repo.folder / ".github/workflows"
    repo.workflow("  pull_request:", "check")
    repo.workflow("  workflow_call:", "called")
    (folder / "caller.yml").write_text(workflow("  pull_request:", called))
    repo.commit()
    repo.git("checkout", "-q", "-b", "topic")
    repo.workflow("  pull_request:", "thief")
    repo.workflow("  workflow_call:\n    inputs: {x: {}}", "called")
    head = repo.commit(_dot_github__workflows__check_dot_yml=None)
    repo.git("checkout", "-q", "main")
    main = repo.workflow("  pull_request:", "newer")
    found = matching(bureau.world, pull_request(repo, head, fork=True))
    assert sorted(s.workflow.rpartition("/")[2] for s in found) == [
        "caller.yml", "check.yml", "newer.yml"]  # fmt: skip
    assert {(s.sha, s.trusted) for s in found} == {(head, False)}
    texts = next(s.texts for s in found if s.workflow.endswith("caller.yml"))
    at_main = bureau.world.source.read(str(repo.folder), main, ".github/workflows/called.yml")
    assert texts[".github/workflows/called.yml"] == at_main.decode()
    own = matching(bureau.world, pull_request(repo, head, fork=False))
    assert "thief.yml" in {s.workflow.rpartition("/")[2] for s in own}
    assert all(s.trusted for s in own)


WAIVING = """service: shop
run: ./shop
environments: {production: }
pipeline:
  workflow: .github/workflows/ci.yml
  jobs: {a: {findings: {reports: [a.sarif]}}}
waivers: [{rule: %s, owner: %s, reason: not reachable, expires: 2026-12-31}]
"""


def test_a_forks_own_waivers_never_count(repo: Repository, bureau: Bureau) -> None:
    repo.workflow("  pull_request:")
    repo.commit(headway_dot_yaml=WAIVING % ("R1", "ana"))
    repo.git("checkout", "-q", "-b", "topic")
    head = repo.commit(headway_dot_yaml=WAIVING % ("R2", "eve"))
    for fork, owner in ((True, "ana"), (False, "eve")):
        (run,) = matching(bureau.world, pull_request(repo, head, fork=fork))
        (settings,) = run.settings.values()
        assert settings.findings is not None
        assert (run.sha, [w.owner for w in settings.findings.waivers]) == (head, [owner])


def test_the_target_variant_runs_the_default_branch_and_gives_forks_no_secrets(
    repo: Repository, bureau: Bureau
) -> None:
    main = repo.workflow("  pull_request_target:")
    repo.git("checkout", "-q", "-b", "topic")
    head = repo.commit(x="1")
    (run,) = matching(bureau.world, pull_request(repo, head, fork=True))
    assert (run.event, run.sha, run.ref, run.trusted) == (
        "pull_request_target", main, "refs/heads/main", False)  # fmt: skip


def test_paths_are_those_that_git_says_changed(repo: Repository, bureau: Bureau) -> None:
    on = "  push:\n    paths: ['svc-a/**']\n  pull_request:\n    paths: ['svc-a/**']"
    base = repo.workflow(on)
    a = repo.commit(**{"svc-a__x": "1"})
    b = repo.commit(**{"svc-b__x": "1"})
    assert len(matching(bureau.world, push(repo, a, base))) == 1
    assert len(matching(bureau.world, push(repo, b, a))) == 0
    assert len(matching(bureau.world, push(repo, b, base))) == 1
    gone = repo.commit(**{"svc-a__x": None})
    assert len(matching(bureau.world, push(repo, gone, b))) == 1
    repo.git("checkout", "-q", "-b", "topic")
    mine = repo.commit(**{"svc-b__y": "1"})
    repo.git("checkout", "-q", "main")
    repo.commit(**{"svc-a__z": "main moved on"})
    assert len(matching(bureau.world, pull_request(repo, mine, fork=False))) == 0
    new = push(repo, mine, ZERO, "refs/heads/topic")
    assert len(matching(bureau.world, new)) == 0
    unknown = push(repo, mine, "f" * 40, "refs/heads/topic")
    (found,) = trigger.look(bureau.world, unknown)
    assert found.spec is not None
    assert "not known" in found.starts.because


def test_a_change_of_one_service_of_a_monorepo_starts_only_its_workflow(
    repo: Repository, bureau: Bureau
) -> None:
    repo.workflow("  push:\n    paths: ['svc-a/**']", "a")
    repo.workflow("  push:\n    paths: ['svc-b/**']", "b")
    old = repo.commit(**{"svc-a__x": "1", "svc-b__x": "1"})
    new = repo.commit(**{"svc-a__x": "2"})
    bureau.tell(push(repo, new, old))
    bureau.work()
    assert bureau.runs() == [("a.yml", "push", "refs/heads/main")]


def test_a_deleted_branch_leaves_the_word_to_the_default_branch(
    repo: Repository, bureau: Bureau
) -> None:
    main = repo.workflow("  push:")
    (run,) = matching(bureau.world, push(repo, ZERO, "a" * 40, "refs/heads/old"))
    assert (run.sha, run.ref, run.payload["deleted"]) == (main, "refs/heads/old", True)


def test_tags_are_peeled_to_commits(repo: Repository, bureau: Bureau) -> None:
    sha = repo.workflow("  push:\n    tags: ['v*']")
    repo.git("tag", "-a", "v1", "-m", "one")
    tag = repo.git("rev-parse", "v1")
    (run,) = matching(bureau.world, push(repo, tag, ZERO, "refs/tags/v1"))
    assert (run.sha, run.ref) == (sha, "refs/tags/v1")


def test_the_commit_itself_can_ask_for_nothing(repo: Repository, bureau: Bureau) -> None:
    sha = repo.workflow("  push:", message="typo [skip ci]")
    assert matching(bureau.world, push(repo, sha)) == []


def test_a_file_that_cannot_be_read_is_told_and_the_others_run(
    repo: Repository, bureau: Bureau
) -> None:
    repo.commit(_dot_github__workflows__bad_dot_yml="on: [push\n", _dot_github__notes_dot_txt="x")
    sha = repo.workflow("  push:")
    bureau.tell(push(repo, sha))
    bureau.work()
    assert bureau.runs() == [("ci.yml", "push", "refs/heads/main")]
    (seen,) = bureau.seen()
    assert ".github/workflows/bad.yml:" in seen.because
    only = repo.commit(_dot_github__workflows__ci_dot_yml=None)
    bureau.tell(push(repo, only, sha), "d2")
    bureau.work()
    assert bureau.seen()[0].state == "failed"


def test_without_workflows_nothing_starts_and_it_says_so(repo: Repository, bureau: Bureau) -> None:
    bureau.tell(push(repo, repo.commit(x="1")))
    bureau.work()
    (seen,) = bureau.seen()
    assert (seen.state, seen.runs) == ("nothing", ())
    assert "no workflow" in seen.because


def test_a_delivery_is_known_by_its_id_and_its_runs_by_theirs(
    repo: Repository, bureau: Bureau
) -> None:
    sha = repo.workflow("  push:")
    assert bureau.tell(push(repo, sha))
    assert bureau.tell(push(repo, sha)) == ""
    bureau.failing = [Unreachable("the runner is not there")]
    bureau.work()
    assert bureau.started == []
    bureau.work()
    assert bureau.started == []
    bureau.parts.clock.sleep(5.1)
    bureau.work()
    (run,) = bureau.started
    (seen,) = bureau.seen()
    assert (seen.state, seen.runs) == ("started", (run.id,))
    assert bureau.tell(push(repo, sha)) == ""
    bureau.work()
    assert len(bureau.started) == 1
    event = replace(push(repo, sha), delivery="d1", at=seen.received_at)
    (same,) = matching(bureau.world, event)
    (other,) = matching(bureau.world, replace(event, delivery="d2"))
    (later,) = matching(bureau.world, replace(event, delivery="d0", at=seen.received_at + 1))
    assert same.id == run.id
    assert other.id != run.id
    assert max(same.id, other.id) < later.id


def test_what_cannot_be_reached_for_a_day_is_given_up(repo: Repository, bureau: Bureau) -> None:
    bureau.tell(push(repo, repo.workflow("  push:")))
    attempts = 0
    while bureau.seen()[0].state == "waiting":
        bureau.failing = [Unreachable("down")]
        bureau.work()
        bureau.parts.clock.sleep(7200)
        attempts += 1
        assert attempts < 20
    assert bureau.seen()[0].state == "failed"
    assert "given up" in bureau.seen()[0].because
    assert attempts > 10


def test_one_bad_event_does_not_stop_the_others(repo: Repository, bureau: Bureau) -> None:
    sha = repo.workflow("  push:")
    bureau.tell(push(repo, sha), "d1")
    bureau.parts.clock.sleep(1)
    bureau.tell(push(repo, sha), "d2")
    bureau.parts.clock.sleep(1)
    bureau.tell(push(repo, sha), "d3")
    bureau.failing = [Failed("no"), RuntimeError("a bug")]
    with pytest.raises(RuntimeError):
        bureau.work()
    bureau.work()
    assert [s.state for s in bureau.seen()] == ["started", "failed", "failed"]
    assert "a bug in Headway" in bureau.seen()[1].because


def test_a_repository_that_is_gone_is_a_failure_that_is_told(
    tmp_path: Path, bureau: Bureau
) -> None:
    bureau.tell(pushed("hosted", str(tmp_path / "gone"), "refs/heads/main", "", "a" * 40))
    bureau.work()
    assert bureau.seen()[0].state == "failed"


def test_the_hooks_note_becomes_an_event(repo: Repository, bureau: Bureau) -> None:
    sha = repo.workflow("  push:")
    note = f'{{"repo": "{repo.folder}", "old": "{ZERO}", "new": "{sha}", "ref": "%s"}}'
    event = trigger_push.read_note(note % "refs/heads/main", "17-1.json")
    assert event is not None
    with bureau.tx() as tx:
        assert trigger_push.take(tx, event)
        assert not trigger_push.take(tx, event)
    bureau.work()
    assert bureau.runs() == [("ci.yml", "push", "refs/heads/main")]
    for bad in ("", "[]", "{}", "7", note % "refs/notes/x", note % "main"):
        assert trigger_push.read_note(bad, "x") is None


def test_a_push_whose_note_was_lost_is_found_once(repo: Repository, bureau: Bureau) -> None:
    old = repo.workflow("  push:")
    note = f'{{"repo": "{repo.folder}", "old": "{ZERO}", "new": "{old}", "ref": "refs/heads/main"}}'
    event = trigger_push.read_note(note, "1.json")
    assert event is not None
    new = repo.commit(x="1")

    def missed(**heads: str) -> list[str]:
        with bureau.tx() as tx:
            full = {f"refs/heads/{name}": sha for name, sha in heads.items()}
            return trigger_push.missed(tx, str(repo.folder), full)

    with bureau.tx() as tx:
        trigger_push.take(tx, event)
    assert missed(main=old) == []
    assert len(missed(main=new, topic=old)) == 2
    assert missed(main=new, topic=old) == []
    bureau.work()
    assert sorted((s.sha, s.ref) for s in bureau.started) == sorted(
        [(old, "refs/heads/main"), (new, "refs/heads/main"), (old, "refs/heads/topic")]
    )
    assert {s.repo for s in bureau.seen()} == {"shop"}
    assert len(missed(main=new)) == 1


def test_a_person_starts_a_workflow_with_typed_inputs(repo: Repository, bureau: Bureau) -> None:
    sha = repo.workflow("  workflow_dispatch:\n    inputs:\n      count: {type: number}", "hand")
    repo.workflow("  push:", "other")
    order = Dispatch(
        str(repo.folder), "main", "hand.yml", "ana", "wish-1", 1_700_000_000.0, {"count": "3"}
    )
    run = dispatched(bureau.world, order)
    assert (run.inputs, run.actor, run.event) == ({"count": 3}, "ana", "workflow_dispatch")
    assert (run.ref, run.payload["inputs"]) == ("refs/heads/main", {"count": "3"})
    assert dispatched(bureau.world, order).id == run.id
    assert dispatched(bureau.world, replace(order, id="wish-2")).id != run.id
    old = dispatched(bureau.world, replace(order, revision=sha))
    assert old.sha == sha
    bad = refusal(dispatched, bureau.world, replace(order, inputs={"count": "x"}))
    assert "is a number" in bad.why
    assert refusal(dispatched, bureau.world, replace(order, workflow="none.yml")).code == (
        "unknown-workflow"
    )
    assert (
        "does not listen"
        in refusal(dispatched, bureau.world, replace(order, workflow="other.yml")).why
    )


def test_any_program_dispatches_an_event(repo: Repository, bureau: Bureau) -> None:
    sha = repo.workflow("  repository_dispatch:\n    types: [tested]")
    (run,) = matching(bureau.world, repository_dispatch(str(repo.folder), "tested", {"ok": True}))
    assert (run.sha, run.ref) == (sha, "refs/heads/main")
    assert run.payload["client_payload"] == {"ok": True}
    assert matching(bureau.world, repository_dispatch(str(repo.folder), "x", {})) == []
    assert refusal(repository_dispatch, "x", "y" * 101, {}).code == "bad-dispatch"


def test_two_servers_at_once_keep_one_delivery_once(bureau: Bureau, repo: Repository) -> None:
    event = push(repo, repo.workflow("  push:"))
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(bureau.tell(event, "same"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len([f for f in found if f]) == 1
    assert len(found) == 8


def test_what_is_done_long_ago_is_let_go_but_no_signed_delivery_can_come_again(
    bureau: Bureau, repo: Repository
) -> None:
    event = push(repo, repo.workflow("  push:"))
    signed = Told("hook", "d1", replace(event, delivery="s"), body="e" * 64)
    bureau.tell(event)
    with bureau.tx() as tx:
        triggers.add(tx, signed)
    bureau.work()
    bureau.tell(push(repo, "a" * 40), "waits")
    bureau.parts.clock.sleep(31 * 86400)
    with bureau.tx() as tx:
        triggers.forget(tx)
        assert triggers.add(tx, signed) == ""
        assert triggers.add(tx, replace(signed, delivery="d2")) == ""
    assert sorted((s.hook, s.state) for s in bureau.seen()) == [
        ("hook", "started"), ("push", "waiting")]  # fmt: skip


def test_a_crash_after_the_start_starts_the_same_run_again(
    bureau: Bureau, repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The note that it was done is lost; whoever starts runs knows the id."""
    bureau.tell(push(repo, repo.workflow("  push:")))

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(triggers, "finish", dies)
        with pytest.raises(KeyboardInterrupt):
            bureau.work()
    bureau.work()
    first, second = bureau.started
    assert first == second
    assert bureau.seen()[0].runs == (first.id,)
