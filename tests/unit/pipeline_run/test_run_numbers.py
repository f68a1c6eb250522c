"""What a run is called in GITHUB_RUN_ID."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from headway.pipeline.run.contexts import run_id
from headway.pipeline.run.state import RunSpec

SPEC = RunSpec("run_01M7ZFM0VSZF4PRRYW7SFZWK7H", "w.yml", {}, "/r", "a" * 40, "refs/heads/main")


@given(st.text(min_size=1))
def test_it_is_a_positive_number_that_javascript_can_hold(id: str) -> None:
    found = run_id(replace(SPEC, id=id))
    assert 0 < found < 2**53
    assert int(float(found)) == found


def test_every_attempt_has_the_same_and_every_run_its_own() -> None:
    again = replace(SPEC, id=f"{SPEC.id}.2", attempt=2)
    assert run_id(again) == run_id(SPEC)
    assert run_id(replace(SPEC, id="run_01M7ZFM0VSZF4PRRYW7SFZWK7J")) != run_id(SPEC)
