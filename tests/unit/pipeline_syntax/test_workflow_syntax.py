"""Workflow files are read whole or refused at the place of the fault, and nothing is ignored."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.pipeline_syntax.corpus import BROKEN, STRICTER, VALID

from headway.document import Limits, Mapping
from headway.model.errors import Invalid, Problem
from headway.pipeline.syntax.check import warnings
from headway.pipeline.syntax.keys import KEYS
from headway.pipeline.syntax.reader import read
from headway.pipeline.syntax.reference import markdown
from headway.pipeline.syntax.shape import Shape

WRONG = BROKEN | STRICTER


def faults(text: str) -> tuple[Problem, ...]:
    with pytest.raises(Invalid) as caught:
        read(text, "w.yml")
    return caught.value.problems


def test_the_corpus_is_wide() -> None:
    assert len(VALID) >= 30
    assert len(BROKEN) >= 60


@pytest.mark.parametrize("name", VALID)
def test_a_right_file_is_read(name: str) -> None:
    workflow = read(VALID[name], "w.yml")
    assert workflow.jobs
    assert workflow.on


@pytest.mark.parametrize("name", VALID)
def test_a_right_file_is_linted_without_a_fault_of_the_linter(name: str) -> None:
    found = warnings(read(VALID[name], "w.yml"), VALID[name])
    assert all(p.line >= 1 and p.sentence for p in found)


@pytest.mark.parametrize("name", WRONG)
def test_a_broken_file_is_refused_at_the_place(name: str) -> None:
    text, code, place = WRONG[name]
    found = [(p.code, f"{p.line}:{p.column}") for p in faults(text)]
    assert (code, place) in found
    assert all(p.sentence and p.file == "w.yml" for p in faults(text))


def test_every_fault_is_told_at_once() -> None:
    text = "on: pusj\nname: [x]\njobs:\n  a: {runs-on: x, needs: b, steps: [{rum: x}]}\n"
    assert {p.code for p in faults(text)} == {
        *("unknown-event", "wrong-type", "unknown-job", "unknown-key", "missing-key")
    }
    many = "on: push\njobs: {a: {runs-on: x, env: {" + ", ".join(f"k{n}: []" for n in range(90))
    assert len(faults(many + "}}}")) == 90


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("on: pusj\njobs: {a: {runs-on: x}}", "Did you mean `push`?"),
        ("on: push\njobs: {a: {runs-on: x, step: []}}", "Did you mean `steps`?"),
        ("on: push\njobs: {a: {runs-on: x, if: alwys()}}", "Did you mean `always`?"),
        ("on: push\njobs: {a: {runs-on: x, needs: B}, b: {runs-on: x}}", "Did you mean `b`?"),
        (
            "on: push\npermissions: {content: read}\njobs: {a: {runs-on: x}}",
            "Did you mean `contents`?",
        ),
    ],
)
def test_the_nearest_right_word_is_suggested(text: str, hint: str) -> None:
    assert any(hint in p.sentence for p in faults(text))


def test_what_was_read_is_in_the_intermediate_form() -> None:
    found = read(VALID["steps"], "w.yml").jobs[0]
    assert [s.id for s in found.steps] == [
        "__actions_checkout",
        "a",
        "__self",
        "__alpine_3",
        "__run",
        "__run_2",
    ]
    say = found.steps[1]
    assert (say.shell and say.shell.text, say.timeout_minutes and say.timeout_minutes.text) == (
        "bash",
        "${{ fromJSON(env.T) }}",
    )
    assert say.condition
    assert say.condition.text == "success() && hashFiles('**/*.lock') != ''"
    assert [(name, v.text, v.value) for name, v in found.steps[0].inputs] == [
        ("fetch-depth", "0", 0),
        ("ref", "${{ github.sha }}", "${{ github.sha }}"),
    ]
    extras = read(VALID["job extras"], "w.yml").jobs[0]
    assert extras.concurrency
    assert extras.concurrency.queue == "single"
    assert extras.permissions
    assert (extras.permissions.all, extras.permissions.scopes) == ("", ())
    assert isinstance(read(VALID["matrix"], "w.yml").jobs[0].strategy.matrix, Mapping)  # type: ignore[union-attr]


def test_triggers_and_calls_are_in_the_intermediate_form() -> None:
    push = read(VALID["push filters"], "w.yml").trigger("push")
    assert push
    assert (push.branches, push.tags, push.tags_ignore) == (("main", "v[0-9]+", "!x"), None, ("a",))
    times = read(VALID["schedule"], "w.yml").trigger("schedule")
    assert times
    assert times.crons == (("*/15 8-18 * jan-mar mon-fri", "Europe/Berlin"),)
    inputs = read(VALID["dispatch inputs"], "w.yml").on[0].inputs
    assert [(i.name, i.type, i.required, i.options) for i in inputs] == [
        ("text", "string", True, ()),
        ("flag", "boolean", False, ()),
        ("pick", "choice", False, ("a", "b")),
        ("count", "number", False, ()),
        ("where", "environment", False, ()),
    ]
    first, second = read(VALID["called job"], "w.yml").jobs
    assert (first.uses and first.uses.text, first.inherit) == ("./.github/workflows/x.yml", False)
    assert second.inherit
    assert [n.text for n in second.needs] == ["a"]


def test_words_that_another_yaml_would_turn_stay_texts() -> None:
    env = dict(read(VALID["the words of YAML 1.1"], "w.yml").jobs[0].steps[0].env)
    assert {name: env[name].value for name in ("on", "off", "t", "o")} == {
        "on": "yes",
        "off": "no",
        "t": "1:30",
        "o": "010",
    }


def test_a_bomb_of_aliases_is_refused() -> None:
    lines = ["a: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"b{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert faults("\n".join(lines))[0].code == "bomb"


def test_a_file_beyond_the_limits_is_refused() -> None:
    with pytest.raises(Invalid) as caught:
        read(VALID["smallest"], "w.yml", limits=Limits(max_bytes=10))
    assert caught.value.code == "too-large"
    assert faults("on: push\njobs: " + "[" * 60 + "]" * 60)[0].code == "too-deep"
    long = VALID["smallest"].replace("run: y", "run: '" + "x" * 21_000 + "${{ 1 }}'")
    assert faults(long)[0].code == "too-long"


def test_thousands_of_jobs_are_judged_in_time_that_grows_with_them() -> None:
    ring = [f"  j{n}: {{runs-on: x, needs: j{(n + 1) % 3000}}}" for n in range(3000)]
    assert {p.code for p in faults("on: push\njobs:\n" + "\n".join(ring))} == {"cycle"}
    unknown = [f"  j{n}: {{runs-on: x, needs: k{n}}}" for n in range(3000)]
    found = faults("on: push\njobs:\n" + "\n".join(unknown))
    assert {p.code for p in found} == {"unknown-job"}
    assert len(found) == 500
    chain = [f"  j{n}: {{runs-on: x, needs: j{n + 1}}}" for n in range(2999)] + [
        "  j2999: {runs-on: x}"
    ]
    assert len(read("on: push\njobs:\n" + "\n".join(chain), "w.yml").jobs) == 3000


def test_only_jobs_of_a_ring_are_told_of_it() -> None:
    text = "on: push\njobs:\n" + "".join(
        f"  {job}: {{runs-on: x, needs: {needs}}}\n"
        for job, needs in {"a": "[]", "b": "[a, c]", "c": "b", "d": "c", "e": "[d, a]"}.items()
    )
    assert [(p.code, p.line) for p in faults(text)] == [("cycle", 4), ("cycle", 5)]


def test_core_tags_say_what_a_value_is() -> None:
    env = "on: push\nenv: {A: !!str 1, B: !!int '2'}\njobs: {a: {runs-on: x}}"
    assert faults(env)[0].code == "tag"
    good = read(env.replace("!!int '2'", "!!int 2"), "w.yml").env
    assert [v.value for _, v in good] == ["1", 2]


def test_every_key_of_the_table_has_its_place_and_is_read_or_refused() -> None:
    places = set()
    for table in KEYS.values():
        for name, key in table.items():
            places |= {shape.place for shape in _shapes(key.shape) if shape.place}
            assert not (key.refused and key.required), name
    assert places | {"workflow", "action"} == set(KEYS)


def _shapes(shape: Shape) -> list[Shape]:
    below = [s for s in (shape.items, shape.names) if s]
    return [shape, *(found for one in below for found in _shapes(one))]


def test_the_reference_is_not_stale() -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "workflows.md"
    assert page.read_text("utf-8") == markdown(), "run: python -m headway.pipeline.syntax.reference"


SEED = VALID["matrix"] + VALID["steps"].removeprefix("on: push\njobs:\n").replace("build:", "b2:")


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60), st.integers(0, len(SEED)), st.integers(0, 60))
def test_any_damage_is_read_or_told_never_a_crash(noise: str, at: int, cut: int) -> None:
    problems: tuple[Problem, ...] = ()
    try:
        text = SEED[:at] + noise + SEED[at + cut :]
        problems = warnings(read(text, "w.yml"), text)
    except Invalid as error:
        problems = error.problems or (Problem("w.yml", 0, 0, "a fault without a place", ""),)
    assert all(p.line >= 1 and p.column >= 1 for p in problems)
