"""The order of a job's parts, and what records fold into."""

from hypothesis import given
from hypothesis import strategies as st

from headway.model.job import JobOutcome, StepReport, StepSpec
from headway.pipeline.step.environment import github_variables, runner_variables, with_path
from headway.pipeline.step.sequence import Main, Part, Post, Pre, because, key, part
from headway.pipeline.step.state import Left, Pending, Progress, Record, fold

STEPS = tuple(StepSpec(f"s{n}", uses="a/b@c") for n in range(3))


def report(id: str, conclusion: JobOutcome = "success") -> StepReport:
    return StepReport(id, id, conclusion, conclusion, 0, 1.0, 2.0)


def walk(pres: tuple[Pre, ...], posting: set[str]) -> list[str]:
    """Run all parts; those named owe a post part."""
    progress, seen = Progress(), []
    found: Part | None
    while (found := part(pres, STEPS, progress)) is not None:
        name = key(found)
        seen.append(name)
        owed = ()
        if isinstance(found, Main) and found.step.id in posting:
            owed = (Pending(found.step.id, f"Post {found.step.id}", found.step),)
        progress.took(report(name), Left(posts=owed))
    return seen


def test_pre_parts_first_post_parts_last_and_backwards() -> None:
    pres = (Pre("s1", "Pre s1", STEPS[1]),)
    assert walk(pres, {"s0", "s2"}) == [
        *("__pre_s1", "s0", "s1", "s2", "__post_s2", "__post_s0"),
    ]
    assert walk((), set()) == ["s0", "s1", "s2"]


_lefts = st.builds(
    Left,
    env=st.dictionaries(st.sampled_from("ABC"), st.text(max_size=3), max_size=2),
    path=st.lists(st.sampled_from(["/a", "/b"]), max_size=2).map(tuple),
    summary=st.sampled_from(["", "x"]),
)


@given(st.lists(st.tuples(_lefts, st.sampled_from(["success", "failure", "skipped"])), max_size=6))
def test_a_fold_is_what_happened(done: list[tuple[Left, JobOutcome]]) -> None:
    live = Progress(started_at=1.0)
    records = [(Record(1, 1.0, began=0), Left())]
    for number, (left, conclusion) in enumerate(done):
        live.took(report(f"s{number}", conclusion), left)
        records.append((Record(1, 2.0 + number, report(f"s{number}", conclusion), left), left))
    again = fold(records)
    assert again.reports == live.reports
    assert (again.env, again.path, again.results) == (live.env, live.path, live.results)
    assert again.red == live.red == any(c == "failure" for _, c in done)
    assert again.worked() == (1.0 * len(done) if done else 0.0)


def test_why_a_job_is_red() -> None:
    assert because([report("a"), report("b", "failure")]) == "step `b` failed (exit code 0)"
    assert because([report("a")]) == ""


def test_variables() -> None:
    github = {"run_number": 7.0, "ref_protected": False, "event": {}, "actor": None, "sha": "x"}
    assert github_variables(github) == {
        "GITHUB_RUN_NUMBER": "7", "GITHUB_REF_PROTECTED": "false", "GITHUB_SHA": "x"
    }  # fmt: skip
    assert runner_variables({"os": "Linux", "debug": "1"}) == {
        "RUNNER_OS": "Linux", "RUNNER_DEBUG": "1"
    }  # fmt: skip
    assert with_path({"PATH": "/bin"}, ["/b", "/a"]) == {"PATH": "/b:/a:/bin"}
    assert isinstance(Post(Pending("k", "n", STEPS[0])), Post)
