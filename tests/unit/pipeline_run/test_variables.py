"""Variables of a home: names, values, which of several wins, and who is given none."""

import pytest

from headway.model.errors import Invalid
from headway.pipeline.run.state import RunSpec
from headway.pipeline.run.variables import MOST_BYTES, Variable, checked, fits, with_variables

SPEC = RunSpec("run_1", "ci.yml", {}, "/srv/shop.git", "f" * 40, "refs/heads/main")
HOME, REPO, SERVICE = "", "repo:/srv/shop.git", "service:shop"


def given(*known: Variable, spec: RunSpec = SPEC, environment: str = "") -> RunSpec:
    return with_variables(spec, known, {HOME, REPO, SERVICE}.__contains__, environment)


@pytest.mark.parametrize("name", ["a", "_A9", "LOG_LEVEL", "github", "x" * 255])
def test_names_that_may_be(name: str) -> None:
    assert checked(name) == name.upper()


@pytest.mark.parametrize(
    "name", ["", "1A", "A-B", "A B", "GITHUB_X", "github_x", "Ä", "A\n", "x" * 256, "A.B"]
)
def test_names_that_may_not_be(name: str) -> None:
    with pytest.raises(Invalid, match="cannot name a variable"):
        checked(name)


def test_values_are_bounded() -> None:
    assert fits("x" * MOST_BYTES)
    assert fits("") == ""
    for bad in ("ä" * (MOST_BYTES // 2 + 1), "a\0"):
        with pytest.raises(Invalid):
            fits(bad)


def test_the_narrower_place_wins_and_an_environment_over_all() -> None:
    known = [
        Variable(scope, environment, name, f"{scope or 'home'} {environment}".strip())
        for environment in ("", "production")
        for scope, names in ((SERVICE, "A"), (REPO, "AB"), (HOME, "ABC"), ("repo:/other", "ABCD"))
        for name in names
    ]
    made = given(*known)
    assert made.vars == {"A": SERVICE, "B": REPO, "C": "home"}
    assert made.environment_vars == {
        "production": {
            "A": f"{SERVICE} production", "B": f"{REPO} production", "C": "home production",
        }
    }  # fmt: skip
    assert given(*known, environment="Production").vars == made.environment_vars["production"]


def test_what_was_said_for_this_run_wins() -> None:
    spec = RunSpec(**{f: getattr(SPEC, f) for f in SPEC.__slots__} | {"vars": {"level": "mine"}})
    made = given(Variable("", "", "LEVEL", "a"), Variable("", "prod", "LEVEL", "b"), spec=spec)
    assert made.vars == {"level": "mine"}
    assert made.environment_vars.get("prod", {}) == {}


def test_a_fork_is_given_none() -> None:
    spec = RunSpec(**{f: getattr(SPEC, f) for f in SPEC.__slots__} | {"trusted": False})
    assert given(Variable("", "", "LEVEL", "a"), spec=spec) == spec
