"""What people say to a running rollout, from another process than the one that runs it; and what
Headway tells them afterwards.
"""

import getpass
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.support.stage import AT_ONCE, CANARY, Stage, config, eventually

from headway.model.event import Event
from headway.store.cdevents import restore

ONE = config(staging=False)
ASKING = config(CANARY.replace("steps: [30%", "steps: [{share: 30%, approval: 1}"), staging=False)
SLOW = config(CANARY.replace("stability: 1s", "stability: 10m"), staging=False)
RED = config(f"{AT_ONCE}\n    tests: [{{http: {{path: /, contains: pie}}}}]", staging=False)
ME = getpass.getuser()


@dataclass
class Served:
    """A stage whose deliveries a server of its own process runs."""

    stage: Stage
    running: ExitStack = field(default_factory=ExitStack)

    def up(self) -> None:
        self.running.enter_context(self.stage.server())

    def down(self) -> None:
        self.running.close()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with Stage() as stage:
        made = Served(stage)
        made.up()
        try:
            assert stage.deliver(stage.commit(ONE, version="first")).outcome == "delivered"
            yield made
        finally:
            made.down()


def say(stage: Stage, verb: str, reason: str, exit_code: int = 0, about: str = "") -> str:
    """`headway rollout VERB`, here; the engine runs in another process."""
    done = stage.run("-y", "rollout", verb, about or "shop/production", "--reason", reason)
    assert done.exit_code == exit_code, done.output
    return done.output


def say_by_program(stage: Stage, verb: str, reason: str) -> None:
    """The same with a process of its own."""
    done = stage.cli("-y", "rollout", verb, "shop/production", "--reason", reason)
    assert done.returncode == 0, done.stdout + done.stderr


def told(stage: Stage, id: str, kind: str) -> list[Event]:
    return stage.events(delivery=id, kind=kind)


def wait_for(stage: Stage, id: str, kind: str, **data: Any) -> int:
    """The seq of the first such event."""

    def found() -> list[int]:
        return [
            e.seq for e in told(stage, id, kind) if all(e.data.get(k) == v for k, v in data.items())
        ]

    eventually(lambda: bool(found()), lambda: f"{kind} {data}: {stage.kinds(delivery=id)}", 90)
    return found()[0]


def steps(stage: Stage, id: str) -> list[object]:
    return [e.data["step"] for e in told(stage, id, "rollout.shifted")]


def test_pause_holds_resume_goes_on_and_a_step_waits_for_its_approval(served: Served) -> None:
    stage = served.stage
    with stage.load(200) as load:
        id = stage.request(stage.commit(ASKING, version="asking"))
        wait_for(stage, id, "rollout.shifted", step=0)
        assert "told" in say(stage, "pause", "lunch")
        say(stage, "pause", "a long lunch")
        wait_for(stage, id, "rollout.pause", reason="a long lunch")
        wait_for(stage, id, "rollout.judged", outcome="PASS")
        assert steps(stage, id) == [0]

        say(stage, "resume", "back at work")
        say(stage, "resume", "really")
        since = wait_for(stage, id, "rollout.resume", reason="really")
        judged = lambda: [e for e in told(stage, id, "rollout.judged") if e.seq > since]  # noqa: E731
        eventually(lambda: len(judged()) >= 2, lambda: str(stage.kinds(delivery=id)), 60)
        assert steps(stage, id) == [0], "proven, resumed, and still not approved"

        say(stage, "approve", "looked at the numbers")
        done = stage.ended(id)
        tally = load.stop()
    assert done.outcome == "delivered", done
    assert tally.failed == 0, tally
    assert steps(stage, id) == [0, 1]
    moved = [e.data for e in told(stage, id, "rollout.moved") if e.data["type"] == "shift"]
    assert [m["proven"] for m in moved] == [True, True]
    heard = [(e.kind, e.data["by"]) for e in stage.events(delivery=id) if "by" in e.data]
    assert ("rollout.approve", ME) in heard


def test_a_bad_candidate_is_rolled_back_although_the_rollout_is_paused(served: Served) -> None:
    stage = served.stage
    stable = stage.place().stable
    id = stage.request(stage.commit(SLOW, version="bad", errors=0.3))
    wait_for(stage, id, "rollout.shifted", step=0)
    say_by_program(stage, "pause", "let us look at it")
    wait_for(stage, id, "rollout.pause")
    with stage.load(200) as load:
        done = stage.ended(id)
        tally = load.stop()
    assert done.outcome == "rolled_back", done
    assert "errors" in done.because
    assert stage.shares() == {stable: 1.0}
    assert steps(stage, id) == [0]
    followed = stage.run("delivery", "watch", id)
    assert followed.exit_code == 4, followed.output
    assert set(tally.statuses) == {200, 500}, "no answer but the application's own"
    assert tally.resets + tally.refused == 0, tally
    assert [e.data["outcome"] for e in told(stage, id, "rollout.recovered")] == ["PASS"]


def test_promote_goes_on_unproven_and_says_so_and_unknown_rollouts_are_refused(
    served: Served,
) -> None:
    stage = served.stage
    id = stage.request(stage.commit(SLOW, version="pushed"))
    wait_for(stage, id, "rollout.shifted", step=0)
    seq = stage.seq()
    for about in ("rol_00000000000000000000000000", "shop/nowhere", "bank/production"):
        assert "error:" in say(stage, "abort", "x", 2, about)
    assert [e.kind for e in stage.done() if e.seq > seq and e.kind != "rollout.judged"] == []
    say_by_program(stage, "promote", "a fix for the outage")
    wait_for(stage, id, "rollout.shifted", step=1)
    moved = [e.data for e in told(stage, id, "rollout.moved") if e.data["type"] == "shift"][-1]
    assert (moved["to"], moved["proven"]) == (1, False)
    assert moved["because"] == f"promote by {ME}: a fix for the outage"
    say(stage, "promote", "it is enough")
    assert stage.ended(id).outcome == "delivered"
    late = say(stage, "abort", "too late", 3, str(told(stage, id, "rollout.started")[0].subject))
    assert "[done]" in late


def test_of_contradicting_words_the_way_back_wins(served: Served) -> None:
    stage = served.stage
    stable = stage.place().stable
    id = stage.request(stage.commit(SLOW))
    wait_for(stage, id, "rollout.shifted", step=0)
    for verb in ("pause", "promote", "abort", "promote", "resume", "abort"):
        stage.say(id, verb, "all at once")
    done = stage.ended(id)
    assert (done.outcome, done.because) == ("rolled_back", "aborted by ben: all at once")
    assert stage.shares() == {stable: 1.0}
    assert len(told(stage, id, "rollout.rolled_back")) == 1


def test_a_word_said_while_nobody_runs_the_engine_is_obeyed_at_the_next_start(
    served: Served,
) -> None:
    stage = served.stage
    stable = stage.place().stable
    id = stage.request(stage.commit(SLOW))
    wait_for(stage, id, "rollout.shifted", step=0)
    with stage.load() as load:
        served.down()
        assert not stage.headway.engine_runs()
        before = stage.shares()
        say_by_program(stage, "abort", "said into the dark")
        load.wait_answered(50)
        assert stage.shares() == before
        assert len(before) == 2
        assert stage.delivery(id).state != "done"
        served.up()
        done = stage.ended(id)
        tally = load.stop()
    assert (done.outcome, done.because) == ("rolled_back", f"aborted by {ME}: said into the dark")
    assert stage.shares() == {stable: 1.0}
    assert tally.failed == 0, tally


@pytest.mark.seed("S-018")
def test_the_registry_says_who_what_when_and_where(served: Served) -> None:
    stage = served.stage
    names = [e.release for e in stage.events(kind="release.released")]
    listed = json.loads(stage.run("release", "list", "--json").stdout)["items"]
    assert {r["name"] for r in listed} >= set(names)
    in_charge = next(r for r in listed if r["environments"])
    assert (in_charge["name"], in_charge["environments"]) == (names[-1], ["production"])
    assert in_charge["author"] == "Ana <ana@example.org>"
    assert in_charge["digest"] == stage.instances()[0].digest

    for about in (in_charge["name"], in_charge["commit"], in_charge["digest"]):
        story = stage.run("trace", about, "--json")
        assert story.exit_code == 0, story.output
        for word in (in_charge["digest"], in_charge["commit"], "production", "ben", "Ana", ME):
            assert word in story.stdout, (about, word)
    visits = json.loads(stage.run("delivery", "show", in_charge["name"], "--json").stdout)["visits"]
    assert [(v["environment"], v["state"]) for v in visits] == [("production", "released")]
    assert visits[0]["entered_at"] < visits[0]["ended_at"]
    assert [(s["verb"], s["by"]) for s in visits[0]["said"]] == [("promote", ME), ("promote", ME)]


STAGES = {
    "delivery.requested", "pipeline.started", "job.finished:build", "artifact.packed",
    "release.created", "gates.judged", "artifact.verified", "rollout.started", "tests.finished",
    "release.released", "delivery.finished",
}  # fmt: skip
# What CDEvents has a word for.
STANDARD = (
    "pipelinerun.queued", "pipelinerun.started", "pipelinerun.finished", "taskrun.finished",
    "artifact.packaged", "artifact.signed", "testsuiterun.finished", "service.deployed",
    "service.published",
)  # fmt: skip


@pytest.mark.seed("S-151")
def test_each_stage_emits_one_event_and_none_is_lost(served: Served) -> None:
    stage = served.stage
    id = stage.release(stage.events(kind="release.released")[-1].release).delivery
    kinds = stage.kinds(delivery=id)
    assert {k: kinds.count(k) for k in STAGES} == dict.fromkeys(STAGES, 1)
    own = [json.loads(line) for line in stage.cli("events").stdout.splitlines()]
    assert [e["seq"] for e in own] == list(range(1, len(own) + 1))
    assert len({e["id"] for e in own}) == len(own)
    out = stage.cli("events", "--cdevents").stdout.splitlines()
    shown = [json.loads(line) for line in out]
    assert len({e["id"] for e in shown}) == len(shown)
    assert {e["specversion"] for e in shown} == {"1.0"}
    first = [restore(e) for e in shown if "#" not in e["id"]]
    assert first == stage.events(), "nothing is lost on the way out"
    mine = [e for e in shown if e["data"]["context"].get("chainId") == id]
    types = {e["type"].rsplit(".", 3)[0] for e in mine}
    assert types >= {f"dev.cdevents.{stage}" for stage in STANDARD}, types


@pytest.mark.soak
def test_without_a_server_the_command_itself_delivers_and_says_how_it_went(served: Served) -> None:
    stage = served.stage
    served.down()
    good = stage.cli("deliver", str(stage.repo), "--rev", stage.commit(ONE, version="alone"))
    assert good.returncode == 0, good.stderr
    assert "no server runs for this home: delivering in this process" in good.stderr
    release = stage.place().stable
    assert good.stdout.startswith(f"✓ delivered: {release}")
    assert stage.shares() == {release: 1.0}

    before = stage.picture()
    bad = stage.cli("deliver", str(stage.repo), "--rev", stage.commit(RED), "--json")
    assert bad.returncode == 1, bad.stderr
    view = json.loads(bad.stdout)
    assert (view["outcome"], view["code"]) == ("failed", "tests-failed")
    assert stage.picture() == before
    assert not stage.headway.engine_runs()
