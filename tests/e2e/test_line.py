"""The stopped line on real parts: a canary under load stands, also through SIGKILL."""

import json

import pytest
from tests.support.stage import CANARY, Stage, config, eventually

YAML = config(CANARY, staging=False)


@pytest.mark.soak
def test_a_canary_stands_while_the_line_is_stopped_also_after_sigkill() -> None:
    with Stage() as stage:
        with stage.engine():
            assert stage.deliver(stage.commit(YAML)).outcome == "delivered"
        with stage.load() as load:
            with stage.server() as server:
                id = stage.request(stage.commit(YAML))
                stage.happened("rollout.shifted", delivery=id)
                told = stage.run("line", "stop", "--reason", "the database fails")
                assert told.exit_code == 0, told.output
                stage.happened("rollout.halted", delivery=id)
                server.kill()
                server.wait(30)
            standing = stage.shares()
            assert sorted(standing.values()) == [0.3, 0.7]
            with stage.server():
                seen = stage.seq()
                eventually(
                    lambda: judged_since(stage, id, seen) > 1,
                    lambda: str(stage.kinds()[-20:]),
                    120,
                )
                assert stage.shares() == standing
                refused = stage.run("rollout", "promote", "shop/production", "--reason", "x", "-y")
                assert (refused.exit_code, "[line-stopped]" in refused.output) == (3, True)
                status = json.loads(stage.run("line", "status", "--json").output)
                (held,) = status["stops"][0]["held"]
                assert (held["delivery"], held["state"], held["share"]) == (id, "at a step", 0.3)
                story = stage.run("delivery", "show", id).output
                assert "step 1 of 2, 30%: the line is stopped for everything by " in story
                assert stage.run("status").output.startswith("□ the line is stopped for ")
                started = stage.run("line", "start", "--reason", "it is well")
                assert started.exit_code == 0, started.output
                done = stage.ended(id)
            events = [(e.kind, e.seq) for e in stage.events(delivery=id)]
            tally = load.stop()
    assert done.outcome == "delivered", done
    kinds = [kind for kind, _ in events]
    between = kinds[kinds.index("rollout.halted") : kinds.index("rollout.continued")]
    assert "rollout.judged" in between
    assert not {"rollout.moved", "rollout.shifted"} & set(between)
    assert tally.failed == 0, tally


def judged_since(stage: Stage, id: str, seq: int) -> int:
    return sum(e.seq > seq for e in stage.events(kind="rollout.judged", delivery=id))
