"""Which pushes start a delivery."""

from pathlib import Path

import pytest
from tests.fakes.world import FakeParts
from tests.flows.conftest import CONFIG, WORKFLOW

from headway.flows.intake import NO_COMMIT, Push, read_notes, wanted

ONLY_RELEASES = WORKFLOW.replace("on: push", "on: {push: {branches: ['release/**']}}")
BY_HAND = WORKFLOW.replace("on: push", "on: workflow_dispatch")


def asked(branch: str, config: str = CONFIG, workflow: str = WORKFLOW, sha: str = "a1") -> bool:
    parts = FakeParts()
    parts.source.files["a1"] = {
        "headway.yaml": config,
        ".github/workflows/deliver.yml": workflow,
    }
    return bool(wanted(parts.world(Path("/nowhere")), Push("shop", "/repo", branch, sha)))


def test_the_services_branch_starts_and_others_do_not() -> None:
    assert asked("refs/heads/main")
    assert not asked("refs/heads/feature")
    assert not asked("refs/tags/main")
    assert not asked("refs/heads/main", sha=NO_COMMIT)
    released = f"{CONFIG}pipeline: {{branch: release/1}}\n"
    assert asked("refs/heads/release/1", released)
    assert not asked("refs/heads/main", released)


@pytest.mark.parametrize("workflow", [ONLY_RELEASES, BY_HAND])
def test_the_workflows_own_triggers_count(workflow: str) -> None:
    assert not asked("refs/heads/main", workflow=workflow)


def test_what_cannot_be_read_is_delivered_so_that_somebody_is_told() -> None:
    assert asked("refs/heads/main", "servise: x\n")
    assert asked("refs/heads/main", workflow="on: [")


def test_where_others_build_a_push_without_a_workflow_waits_for_their_artifact() -> None:
    parts = FakeParts()
    elsewhere = f"{CONFIG}artifact: {{builders: ['urn:ci:acme']}}\n"
    for config, starts in ((CONFIG, True), (elsewhere, False)):
        parts.source.files["a1"] = {"headway.yaml": config}
        push = Push("shop", "/repo", "refs/heads/main", "a1")
        assert bool(wanted(parts.world(Path("/nowhere")), push)) is starts


def test_a_file_that_is_no_note_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_text("{")
    assert read_notes(tmp_path) == []
    assert (tmp_path / "1.unreadable").exists()
