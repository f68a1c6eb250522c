"""headway.lock is read strictly and written in one way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.model.errors import Invalid
from headway.pipeline import lock

SHA = "0400d5f644dc74513175e3cd8d07132dd4860809"

names = st.from_regex(r"[a-z0-9]{1,9}/[A-Za-z0-9._-]{1,9}@[A-Za-z0-9_+{}./-]{1,9}", fullmatch=True)
commits = st.from_regex(r"[0-9a-f]{40}", fullmatch=True) | st.from_regex(
    r"[0-9]{40}", fullmatch=True
)


@given(st.dictionaries(names, commits, max_size=6))
def test_what_is_written_is_read(actions: dict[str, str]) -> None:
    text = lock.write(actions)
    assert lock.read(text) == actions
    assert lock.write(dict(reversed(actions.items()))) == text
    assert text.startswith("# ")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("version: 1\n", "missing-key"),
        ("actions: {}\n", "missing-key"),
        ("version: 2\nactions: {}\n", "missing-key"),
        ("version: true\nactions: {}\n", "missing-key"),
        ("version: 1\nactions: {}\nextra: 1\n", "unknown-key"),
        (f"version: 1\nactions:\n  a/b: {SHA}\n", "bad-name"),
        (f"version: 1\nactions:\n  ../b@v1: {SHA}\n", "bad-name"),
        ("version: 1\nactions:\n  a/b@v1: main\n", "bad-commit"),
        ("version: 1\nactions:\n  a/b@v1: [1]\n", "bad-commit"),
        (f"version: 1\nactions:\n  a/b@v1: {SHA}\n  a/b@v1: {SHA}\n", "duplicate-key"),
        ("- 1\n", "wrong-type"),
        ("", "empty"),
        ("version: 1\nactions: &a {x: *a}\n", "alias"),
    ],
)
def test_anything_else_is_refused_with_its_place(text: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        lock.read(text)
    assert code in {problem.code for problem in refused.value.problems}
    assert all(problem.file == "headway.lock" for problem in refused.value.problems)


def test_places_are_those_of_the_fault() -> None:
    with pytest.raises(Invalid) as refused:
        lock.read(f"version: 1\nactions:\n  a/b@v1: {SHA}\n  c/d@v1: x\n")
    (problem,) = refused.value.problems
    assert (problem.line, problem.column) == (4, 11)


@pytest.mark.parametrize("actions", [{"a/b": SHA}, {"a/b@v1": "main"}, {"a/b@v\n1": SHA}])
def test_nothing_is_written_that_could_not_be_read(actions: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="cannot be locked"):
        lock.write(actions)
