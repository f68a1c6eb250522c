"""Random graphs of jobs, random ends, cancels at random: what must hold of any run."""

from dataclasses import replace
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
    fold,
)

FILE = "ci.yml"
CONDITIONS = ["", "", "", "always()", "failure()", "cancelled()", "!cancelled()", "success()"]
ENDS = st.sampled_from(["success", "success", "success", "failure", "cancelled"])
STEPS = "    runs-on: x\n    steps: [{run: make}]\n"


@st.composite
def workflows(draw: st.DrawFn) -> tuple[str, dict[str, dict[str, Any]]]:
    """A workflow's text, and what was drawn of each job."""
    jobs: dict[str, dict[str, Any]] = {}
    text = "on: push\njobs:\n"
    for number in range(draw(st.integers(1, 8))):
        name = f"j{number}"
        needs = draw(st.lists(st.sampled_from(sorted(jobs)), unique=True)) if jobs else []
        job = {
            "needs": needs,
            "if": draw(st.sampled_from(CONDITIONS)),
            "matrix": draw(st.integers(0, 4)),
            "fail_fast": draw(st.booleans()),
            "parallel": draw(st.integers(0, 2)),
            "tolerated": draw(st.integers(0, 4)) == 0,
        }
        jobs[name] = job
        text += f"  {name}:\n    needs: [{', '.join(needs)}]\n" if needs else f"  {name}:\n"
        text += f"    if: ${{{{ {job['if']} }}}}\n" if job["if"] else ""
        text += "    continue-on-error: true\n" if job["tolerated"] else ""
        if job["matrix"]:
            most = f"\n      max-parallel: {job['parallel']}" if job["parallel"] else ""
            fast = "" if job["fail_fast"] else "\n      fail-fast: false"
            values = list(range(job["matrix"]))
            text += f"    strategy:{most}{fast}\n      matrix: {{n: {values}}}\n"
        text += STEPS
    return text, jobs


class Run:
    """Drives a schedule as the flow does, with no flow; checks what must hold at every turn."""

    def __init__(self, text: str, jobs: dict[str, dict[str, Any]], places: int) -> None:
        self.jobs = jobs
        self.places = places
        spec = RunSpec("r", FILE, {FILE: text}, "/srv/x", "f" * 40, "refs/heads/main")
        self.schedule = Schedule(load(spec))
        self.events: list[Any] = [Created(spec, 0.0)]
        self.state = created(self.events[0])
        self.now = 0.0

    def note(self, event: Any) -> None:
        self.events.append(event)
        self.state = after(self.state, event)

    def turn(self) -> None:
        """All that follows, until only running jobs are left."""
        self.now += 1
        events, self.state = self.schedule.settle(self.state, self.now)
        self.events += events
        if self.state.phase != "running":
            return
        free = self.places - len(self.state.running)
        for key in self.schedule.ready(self.state, free):
            job = self.schedule.job_of(self.state, key)
            for need in self.jobs[job]["needs"]:
                assert need in self.state.planned, f"{key} began before {need}"
                assert all(k in self.state.ended for k in self.state.planned[need])
            self.note(Started(self.schedule.order(self.state, key), self.now))
        self.check_limits()

    def check_limits(self) -> None:
        running = self.state.running
        assert len(running) <= self.places
        for job, drawn in self.jobs.items():
            keys = self.state.planned.get(job, ())
            if drawn["matrix"] and drawn["parallel"]:
                assert sum(1 for k in keys if k in running) <= drawn["parallel"]

    def end(self, key: str, outcome: str) -> None:
        tolerated = outcome == "failure" and self.schedule.tolerates(self.state, key)
        if key in self.schedule.stopping(self.state) and outcome == "success":
            outcome = "cancelled"
        report = JobReport(key, outcome, self.now, self.now)  # type: ignore[arg-type]
        self.note(Ended(self.schedule.job_of(self.state, key), report, self.now, tolerated))


@given(workflows(), st.integers(1, 4), st.data())
@settings(max_examples=150, deadline=None)
def test_any_run_ends_right(
    workflow: tuple[str, dict[str, dict[str, Any]]], places: int, data: st.DataObject
) -> None:
    text, jobs = workflow
    run = Run(text, jobs, places)
    run.turn()
    turns = 0
    while run.state.phase == "running":
        assert run.state.running, "nothing runs and nothing has ended"
        if not run.state.cancelled and data.draw(st.integers(0, 9)) == 0:
            run.note(Cancelled("ana", "", run.now))
        key = data.draw(st.sampled_from(run.state.running))
        run.end(key, data.draw(ENDS))
        run.turn()
        turns += 1
        assert turns < 100
    check_end(run.state, jobs, run.events)


def check_end(state: RunState, jobs: dict[str, dict[str, Any]], events: list[Any]) -> None:
    assert set(state.planned) == set(jobs)
    keys = [key for planned in state.planned.values() for key in planned]
    ends = [e.report.key for e in events if isinstance(e, Ended)]
    assert sorted(ends) == sorted(keys) == sorted(set(keys))
    assert fold(events) == state
    for job, drawn in jobs.items():
        check_job(state, job, drawn, above(jobs, job))
    if state.cancelled:
        assert state.phase == "cancelled"
    else:
        real = [o for j in jobs for o in outcomes(state, j)]
        assert (state.phase == "failure") == ("failure" in real)


def check_job(state: RunState, job: str, drawn: dict[str, Any], ancestors: set[str]) -> None:
    """Fail-fast, conditions without a cancel, and skips."""
    found = [state.ended[key].outcome for key in state.planned[job]]
    began = [key for key in state.planned[job] if key in state.orders]
    if state.cancelled:
        return
    results = [o for need in ancestors for o in outcomes(state, need)]
    all_green = all(o == "success" for o in results)
    some_red = "failure" in results
    wanted = {
        "": all_green,
        "success()": all_green,
        "failure()": some_red,
        "cancelled()": False,
    }.get(drawn["if"], True)
    assert bool(began) == wanted, (job, results, found)
    if wanted and drawn["matrix"] > 1 and not drawn["fail_fast"]:
        assert began == list(state.planned[job])


def above(jobs: dict[str, dict[str, Any]], job: str) -> set[str]:
    """All ancestors of the job, worked out from what was drawn alone."""
    found: set[str] = set()
    for need in jobs[job]["needs"]:
        found |= {need} | above(jobs, need)
    return found


def outcomes(state: RunState, job: str) -> list[str]:
    """What the instances of the job count as."""
    keys = state.planned[job]
    found = ["success" if k in state.tolerated else state.ended[k].outcome for k in keys]
    for worst in ("failure", "cancelled", "success"):
        if worst in found:
            return [worst]
    return ["skipped"]


@given(workflows(), st.integers(1, 3), st.integers(0, 30), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_a_new_schedule_goes_on_where_another_was(
    workflow: tuple[str, dict[str, dict[str, Any]]], places: int, crash: int, dice: Any
) -> None:
    text, jobs = workflow
    run = Run(text, jobs, places)
    run.turn()
    turns = 0
    while run.state.phase == "running":
        if turns == crash:
            run.schedule = Schedule(load(run.state.spec))
            run.state = fold(run.events)
            replayed, _ = run.schedule.settle(run.state, run.now)
            assert replayed == []
        run.end(dice.choice(run.state.running), dice.choice(["success", "success", "failure"]))
        run.turn()
        turns += 1
    check_end(run.state, jobs, run.events)


def test_a_forced_cancel_ends_even_always() -> None:
    text = "on: push\njobs:\n  a:\n    if: always()\n" + STEPS + "  b:\n    if: always()\n" + STEPS
    run = Run(text, {"a": {"needs": []}, "b": {"needs": []}}, 1)
    run.check_limits = lambda: None  # type: ignore[method-assign]
    run.turn()
    run.note(Cancelled("ana", "", 1.0))
    assert run.schedule.stopping(run.state) == {}
    run.note(replace(Cancelled("ana", "", 2.0), forced=True))
    assert list(run.schedule.stopping(run.state)) == ["a"]
    run.end("a", "cancelled")
    run.turn()
    assert run.state.ended["b"].outcome == "skipped"
    assert run.state.phase == "cancelled"
