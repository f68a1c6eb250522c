"""Plans put needs first and fill inputs in; expressions are filled late and only once."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway import pipeline
from headway.model.errors import Failed, Invalid
from headway.pipeline.expression import Context, fill, fill_script, holes


def workflow(needs: dict[str, list[str]], on: str = "push") -> str:
    lines = [f"on: {on}", "env: {A: w, B: w}", "jobs:"]
    for name, wanted in needs.items():
        lines += [
            f"  {name}:",
            "    runs-on: ubuntu-latest",
            f"    needs: [{', '.join(wanted)}]",
            "    env: {A: j}",
            "    steps: [{run: x}]",
        ]
    return "\n".join(lines)


def order(needs: dict[str, list[str]]) -> list[str]:
    return [job.id for job in pipeline.plan(pipeline.read(workflow(needs), "w.yml"))]


def test_needs_come_first_else_as_written() -> None:
    assert order({"c": ["a"], "b": [], "a": [], "d": ["c", "b"]}) == ["b", "a", "c", "d"]
    assert order({"z": [], "y": [], "x": []}) == ["z", "y", "x"]


@given(st.lists(st.lists(st.integers(0, 9), max_size=4), min_size=1, max_size=10))
def test_any_graph_is_ordered_or_its_circle_is_named(graph: list[list[int]]) -> None:
    needs = {f"j{n}": [f"j{t}" for t in to if t < len(graph)] for n, to in enumerate(graph)}
    circle: list[str] = []
    found: list[str] = []
    try:
        found = order(needs)
    except Invalid as error:
        circle = error.problems[0].sentence.rpartition(": ")[2].split(" -> ")
    if circle:
        assert circle[0] == circle[-1]
        assert all(b in needs[a] for a, b in pairwise(circle))
    else:
        assert sorted(found) == sorted(needs)
        before = [(wanted, name) for name, all_ in needs.items() for wanted in all_]
        assert all(found.index(wanted) < found.index(name) for wanted, name in before)


def test_a_circle_is_named_at_its_first_job() -> None:
    with pytest.raises(Invalid) as error:
        order({"free": [], "a": ["c"], "b": ["a"], "c": ["b"]})
    sentence = "w.yml:9:3: these jobs wait for each other: a -> c -> b -> a  [cycle]"
    assert str(error.value.problems[0]) == sentence


def test_a_job_hides_the_variables_of_the_workflow() -> None:
    (job,) = pipeline.plan(pipeline.read(workflow({"a": []}), "w.yml"))
    assert job.env == {"A": "j", "B": "w"}
    assert job.timeout_seconds == 3600


INPUTS = """{workflow_call: {inputs: {
  url: {required: true}, size: {type: choice, options: [s, m], default: s},
  loud: {type: boolean}, n: {type: number, default: 1}}}}"""


def planned(**inputs: str) -> dict[str, str]:
    text = workflow({"a": []}, on=INPUTS)
    (job,) = pipeline.plan(pipeline.read(text, "w.yml"), inputs=inputs)
    return job.inputs


def test_inputs_are_filled_with_their_defaults() -> None:
    assert planned(url="u") == {"url": "u", "size": "s", "loud": "", "n": "1"}
    assert planned(url="", size="m", loud="true", n="-2.5")["n"] == "-2.5"


@pytest.mark.parametrize(
    ("inputs", "code", "words"),
    [
        ({}, "missing-input", "the input `url` is required and was not given"),
        ({"url": "u", "ulr": "x"}, "unknown-input", "unknown input `ulr`. Did you mean `url`?"),
        ({"url": "u", "size": "xl"}, "bad-input", "`size` must be one of s, m, not `xl`"),
        ({"url": "u", "loud": "yes"}, "bad-input", "`loud` must be `true` or `false`"),
        ({"url": "u", "n": "many"}, "bad-input", "`n` must be a number, not `many`"),
    ],
)
def test_bad_inputs_are_refused(inputs: dict[str, str], code: str, words: str) -> None:
    with pytest.raises(Invalid) as error:
        planned(**inputs)
    assert error.value.problems[0].code == code
    assert words in error.value.problems[0].sentence


CONTEXT = Context(
    {"a": "${{ env.b }}", "evil": "$(id)"}, {"sha": "ab12", "ref_name": "m"}, {"b": "v"}
)


def test_values_are_filled_in_once() -> None:
    assert fill("x ${{inputs.a}} ${{  github.sha }}", CONTEXT) == "x ${{ env.b }} ab12"
    assert fill("no holes $ { }} {{ x }}", CONTEXT) == "no holes $ { }} {{ x }}"
    with pytest.raises(Failed, match="has no value here"):
        fill("${{ env.missing }}", CONTEXT)


def test_a_script_takes_only_what_no_shell_interprets() -> None:
    assert fill_script("echo ${{ github.sha }} ${{ env.b }}", CONTEXT) == "echo ab12 v"
    with pytest.raises(Failed, match="a shell would interpret") as error:
        fill_script("echo ${{ inputs.evil }}", CONTEXT)
    assert error.value.next.startswith('write "$evil"')


@given(st.text(min_size=1))
def test_no_metacharacter_ever_reaches_a_script(value: str) -> None:
    context = Context({}, {}, {"v": value})
    try:
        filled = fill_script("${{ env.v }}", context)
    except Failed:
        return
    assert filled == value
    assert not set(value) & set(" \t\n\r'\"`$&|;<>()[]{}*?!#~\\^")
    assert not value.startswith("-")


@given(st.text(alphabet="${} inputs.env_abc"))
def test_holes_are_found_in_any_text(text: str) -> None:
    found = list(holes(text))
    assert [h.number for h in found] == list(range(len(found)))
    assert all(h.closed for h in found[:-1])
    assert all(h.text in text for h in found)
    assert bool(found) == ("${{" in text)
