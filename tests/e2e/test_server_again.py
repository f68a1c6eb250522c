"""A run that the server does another time: its next attempt, once, also after a crash."""

import pytest
from tests.support.served import Served, job, workflow

from headway.flows import pipeline, run_list
from headway.model.errors import Invalid
from headway.store import run_log


def test_what_failed_is_done_again_and_what_was_green_is_taken_over() -> None:
    with Served() as served:
        flag = served.scratch / "mended"
        good = job(f"echo ran >> {served.scratch}/good", name="good")
        bad = job(f"test -e {flag}", name="bad")
        served.repo.write(ci=workflow("push", good, bad))
        served.repo.push()
        served.up()
        (first,) = served.ended(1)
        assert first.phase == "failure"
        flag.touch()

        made = served.headway.again(first.spec.id, failed_only=True)
        assert (made.spec.id, made.spec.attempt) == (f"{first.spec.id}.2", 2)
        served.ended(2)
        second = pipeline.show(served.home, made.spec.id)
        assert (second.phase, second.spec.number) == ("success", first.spec.number)
        assert served.said("good") == ["ran"]
        served.eventually(lambda: "run.finished" in served.kinds(made.spec.id))

        with pytest.raises(Invalid, match="nothing failed"):
            served.headway.again(made.spec.id, failed_only=True)

        third = served.headway.again(made.spec.id)
        served.ended(3)
        assert served.said("good") == ["ran", "ran"]
        listed = run_list.listed(served.home, lambda _one: True, limit=2)
        assert [one.run.spec.id for one in listed.runs] == [third.spec.id, made.spec.id]
        rest = run_list.listed(served.home, lambda _one: True, listed.next)
        assert [one.run.spec.id for one in rest.runs] == [first.spec.id]
        assert rest.next == ""


def test_a_crash_before_the_queue_leaves_nothing_that_waits_for_ever() -> None:
    with Served() as served:
        served.repo.write(ci=workflow("push", job("exit 1")))
        served.repo.push()
        served.up()
        (first,) = served.ended(1)
        left = pipeline.rerun(served.headway.world.bench, first.spec.id, served=True)
        made = served.headway.again(first.spec.id)
        assert made.spec.id == left.spec.id
        served.ended(2)
        assert len(run_log.runs(served.home)) == 2
        assert served.headway.again(first.spec.id).spec.attempt == 3
        served.ended(3)
