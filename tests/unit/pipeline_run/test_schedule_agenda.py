"""A schedule that looks only at what changed finds all that one that looks at everything finds."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from headway.model.job import JobReport
from headway.pipeline.run.program import load
from headway.pipeline.run.schedule import Schedule
from headway.pipeline.run.state import (
    Cancelled,
    Created,
    Ended,
    RunSpec,
    RunState,
    Started,
    after,
    created,
)

FILE, SUB = "ci.yml", ".github/workflows/sub.yml"
STEPS = "    runs-on: x\n    steps: [{run: make}]\n"
CALLED = (
    "on: workflow_call\njobs:\n  one:\n" + STEPS + "  two:\n    needs: one\n"
    "    strategy: {max-parallel: 1, matrix: {m: [1, 2]}}\n" + STEPS + "  last:\n    needs: two\n"
    "    if: always()\n" + STEPS
)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Jobs with steps and jobs that call a workflow, some of them several times."""
    text = "on: push\njobs:\n"
    for number in range(draw(st.integers(1, 5))):
        needs = draw(st.lists(st.integers(0, number - 1), unique=True)) if number else []
        text += f"  j{number}:\n"
        text += f"    needs: [{', '.join(f'j{n}' for n in needs)}]\n" if needs else ""
        text += draw(st.sampled_from(["", "", "    if: always()\n", "    if: failure()\n"]))
        text += draw(st.sampled_from(["", "", "    strategy: {matrix: {n: [1, 2, 3]}}\n"]))
        text += draw(st.sampled_from([STEPS, f"    uses: ./{SUB}\n"]))
    return text


class Twice:
    """Asks one schedule that has seen everything, and one that has seen nothing."""

    def __init__(self, text: str, places: int) -> None:
        self.spec = RunSpec("r", FILE, {FILE: text, SUB: CALLED}, "/srv/x", "f" * 40, "")
        self.schedule = Schedule(load(self.spec))
        self.state: RunState = created(Created(self.spec, 0.0))
        self.places = places

    def turn(self) -> None:
        """All that follows, until only running jobs are left."""
        moved = True
        while moved and self.state.phase == "running":
            _, self.state = self.schedule.settle(self.state, 1.0)
            new = Schedule(load(self.spec))
            more, _ = new.settle(self.state, 1.0)
            assert more == []
            assert new.stopping(self.state) == self.schedule.stopping(self.state)
            moved = self.begin(new) if self.state.phase == "running" else False

    def begin(self, new: Schedule) -> bool:
        free = self.places - len(self.state.running)
        ready = self.schedule.ready(self.state, free)
        assert set(new.ready(self.state, 99)) >= set(ready)
        assert len(new.ready(self.state, free)) == len(ready)
        for key in ready:
            if self.schedule.is_call(self.state, key):
                self.state = after(self.state, self.schedule.call(self.state, key, 1.0))
            else:
                order = self.schedule.order(self.state, key)
                self.state = after(self.state, Started(order, 1.0))
        return bool(ready)


@given(texts(), st.integers(1, 4), st.data())
@settings(max_examples=50, deadline=None)
def test_nothing_is_overlooked(text: str, places: int, data: st.DataObject) -> None:
    run = Twice(text, places)
    run.turn()
    while run.state.phase == "running":
        assert run.state.running, "nothing runs and nothing has ended"
        what: Any = data.draw(st.sampled_from(["success", "success", "success", "failure", "stop"]))
        key = data.draw(st.sampled_from(run.state.running))
        if what == "stop":
            one = data.draw(st.sampled_from(["", key, *run.state.calls]))
            run.state = after(run.state, Cancelled("ana", "", 1.0, one))
        outcome = "cancelled" if what == "stop" else what
        job = run.schedule.job_of(run.state, key)
        run.state = after(run.state, Ended(job, JobReport(key, outcome, 0.0, 1.0), 1.0))
        run.turn()
    assert all(key in run.state.ended for plan in run.state.plans.values() for key in plan.keys)
