"""The ref that workflows of a delivery see, whoever asked for it."""

import pytest

from headway.flows.build import full_ref
from headway.pipeline.run.contexts import ref_name


@pytest.mark.parametrize("given", ["main", "refs/heads/main"])
def test_a_workflow_sees_the_whole_ref_once_after_a_push_and_after_a_delivery(given: str) -> None:
    assert full_ref(given) == "refs/heads/main"
    assert ref_name(full_ref(given)) == "main"


def test_a_tag_stays_a_tag_and_no_ref_stays_none() -> None:
    assert full_ref("refs/tags/v1") == "refs/tags/v1"
    assert full_ref("") == ""
