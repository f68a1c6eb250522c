"""Each key of the table acts, and a test proves it, or it is refused by name; there is no third.

The table itself is held against the published schemas by tests/contract/test_workflow_oracle.py. A
new key fails here until it is told which test sees its effect. Names without `::` are workflows of
tests/behaviour/corpus, which run through the real runner.
"""

import re
from pathlib import Path

import pytest

from headway.model.errors import Invalid
from headway.pipeline.syntax.action import read_action
from headway.pipeline.syntax.keys import KEYS, SCOPES
from headway.pipeline.syntax.reader import read

TESTS = Path(__file__).parents[2]
PEOPLE = "for people"
"""A text that is there to be read in the file; nothing else may be marked so."""

PROGRAM = "unit/pipeline_run/test_run_program.py"
FILTERS = "unit/pipeline_trigger/test_trigger_filters.py"
RUN = "flows/test_pipeline_run.py"
OPTIONS = "unit/actions/test_image_options.py"
CONTAINER = "contract/test_job_container.py"
SERVICES = "contract/test_actions_services.py"
ACTIONS = "contract/test_actions_found.py"
PARTS = "contract/test_action_keys.py"
ORDER = f"{PROGRAM}::test_an_order"
ONCE = "concurrency_group"

PROOFS: dict[str, dict[str, str]] = {
    "workflow": {
        "name": f"{PROGRAM}::test_the_github_context",
        "description": PEOPLE,
        "run-name": f"{PROGRAM}::test_title",
        "on": f"{FILTERS}::test_other_events",
        "permissions": f"{RUN}::test_a_job_that_may_nothing_gets_no_token",
        "env": "env_precedence",
        "defaults": "defaults_run",
        "concurrency": ONCE,
        "jobs": "needs_order",
    },
    "schedule": {
        "cron": f"{FILTERS}::test_other_events",
        "timezone": "flows/test_trigger_rounds.py::"
        "test_a_schedule_is_learnt_from_the_default_branch_and_struck_in_its_zone",
    },
    "on.workflow_dispatch": {"inputs": "dispatch_inputs"},
    "dispatch-input": {
        "description": PEOPLE,
        "required": f"{PROGRAM}::test_inputs_of_a_start",
        "deprecationMessage": f"{RUN}::test_a_deprecated_input_is_told_where_the_run_begins",
        "type": "dispatch_inputs",
        "default": "dispatch_inputs",
        "options": "dispatch_inputs",
    },
    "on.workflow_call": dict.fromkeys(
        ("inputs", "secrets", "outputs"), f"{RUN}::test_called_workflow"
    ),
    "call-input": {
        "description": PEOPLE,
        "required": f"{PROGRAM}::test_what_is_handed_to_a_called_workflow",
        "type": f"{RUN}::test_called_workflow",
        "default": f"{RUN}::test_called_workflow",
    },
    "call-secret": {
        "description": PEOPLE,
        "required": f"{PROGRAM}::test_what_is_handed_to_a_called_workflow",
    },
    "call-output": {"description": PEOPLE, "value": f"{RUN}::test_called_workflow"},
    "permissions": dict.fromkeys(SCOPES, f"{RUN}::test_a_job_that_may_nothing_gets_no_token"),
    "defaults": {"run": "defaults_run"},
    "job.defaults": {"run": "defaults_run"},
    "defaults.run": {"shell": "shell_sh", "working-directory": "defaults_run"},
    "concurrency": {
        "group": ONCE,
        "cancel-in-progress": "flows/test_pipeline_groups.py::test_cancel_in_progress",
        "queue": f"{PROGRAM}::test_who_waits_in_the_queue_of_a_group",
    },
    "job": {
        "name": ORDER,
        "needs": "needs_order",
        "if": "job_if_false",
        "permissions": f"{RUN}::test_a_job_that_may_nothing_gets_no_token",
        "runs-on": ORDER,
        "environment": "flows/test_pipeline_gates.py::"
        "test_it_comes_back_where_only_a_person_can_go_on",
        "concurrency": "flows/test_pipeline_groups.py::"
        "test_jobs_of_a_group_take_turns_in_one_run_and_across",
        "outputs": "needs_order",
        "env": "env_precedence",
        "defaults": "defaults_run",
        "steps": "step_status",
        "timeout-minutes": "timeout_job",
        "cancel-timeout-minutes": "cancel_timeout",
        "strategy": "matrix_plain",
        "continue-on-error": "continue_on_error_job",
        "container": f"{CONTAINER}::test_steps_run_in_the_container",
        "services": f"{SERVICES}::test_postgres_as_the_image_has_it",
        "uses": "reusable_local",
        "with": "reusable_local",
        "secrets": "reusable_secrets",
    },
    "runs-on": dict.fromkeys(
        ("group", "labels"), "flows/test_pool_parts.py::test_where_a_job_goes"
    ),
    "environment": {
        "name": ORDER,
        "url": "contract/test_job_url.py::test_it_may_be_what_a_step_says",
        "deployment": "flows/test_pipeline_line.py::"
        "test_a_job_that_deploys_nothing_waits_for_its_approval_but_not_for_the_line",
    },
    "strategy": {
        "matrix": "matrix_plain",
        "fail-fast": "matrix_fail_fast_off",
        "max-parallel": f"{RUN}::test_fail_fast_and_max_parallel",
    },
    "matrix": {"include": "matrix_include", "exclude": "matrix_exclude"},
    "container": {
        "image": f"{CONTAINER}::test_steps_run_in_the_container",
        "credentials": f"{OPTIONS}::test_credentials_are_for_the_registry_of_the_image_alone",
        "env": f"{CONTAINER}::test_steps_run_in_the_container",
        "ports": f"{OPTIONS}::test_a_container_is_a_name_or_a_map",
        "volumes": f"{OPTIONS}::test_a_container_is_a_name_or_a_map",
        "options": "container_refused",
    },
    "service": {
        "image": f"{SERVICES}::test_postgres_as_the_image_has_it",
        "credentials": f"{SERVICES}::test_what_cannot_be_is_refused_before_the_run",
        "env": f"{SERVICES}::test_postgres_as_the_image_has_it",
        "ports": f"{SERVICES}::test_a_wanted_port_is_used_and_another_version_is_said",
        "volumes": f"{SERVICES}::test_what_cannot_be_is_refused_before_the_run",
        "options": f"{OPTIONS}::test_options_that_are_understood",
        "command": f"{SERVICES}::test_redis_with_the_password_of_its_command",
        "entrypoint": f"{CONTAINER}::test_services_are_reached_from_the_container_by_name",
    },
    "credentials": dict.fromkeys(
        ("username", "password"),
        f"{OPTIONS}::test_credentials_are_for_the_registry_of_the_image_alone",
    ),
    "step": {
        "id": "step_status",
        "if": "step_status",
        "name": "expressions_everywhere",
        "uses": "composite_local",
        "run": "exit_codes",
        "working-directory": "working_directory",
        "shell": "shell_sh",
        "with": "composite_local",
        "env": "env_precedence",
        "continue-on-error": "continue_on_error_step",
        "timeout-minutes": "timeout_step",
    },
    "action": {
        **dict.fromkeys(("name", "author", "description", "branding"), PEOPLE),
        "inputs": "composite_local",
        "outputs": "composite_local",
        "runs": "composite_local",
    },
    "action-input": {
        "description": PEOPLE,
        "type": PEOPLE,
        "required": f"{PARTS}::"
        "test_a_required_and_a_deprecated_input_are_told_where_the_action_runs",
        "deprecationMessage": f"{PARTS}::"
        "test_a_required_and_a_deprecated_input_are_told_where_the_action_runs",
        "default": "composite_local",
    },
    "action-output": {"description": PEOPLE, "value": "composite_local"},
    "runs": {
        "using": f"{ACTIONS}::test_other_runtimes_are_refused",
        "steps": "composite_local",
        "main": f"{ACTIONS}::test_a_remote_javascript_action_with_all_its_parts",
        "pre": f"{ACTIONS}::test_a_remote_javascript_action_with_all_its_parts",
        "post": f"{ACTIONS}::test_a_remote_javascript_action_with_all_its_parts",
        "image": f"{CONTAINER}::test_docker_actions_are_built_and_run",
        "entrypoint": f"{CONTAINER}::test_docker_actions_are_built_and_run",
        "pre-entrypoint": f"{PARTS}::test_both_kinds_hand_their_parts_and_conditions_on",
        "post-entrypoint": f"{CONTAINER}::test_docker_actions_are_built_and_run",
        "args": f"{CONTAINER}::test_docker_actions_are_built_and_run",
        "env": f"{CONTAINER}::test_docker_actions_are_built_and_run",
        "pre-if": f"{PARTS}::test_parts_run_if_their_conditions_hold",
        "post-if": f"{PARTS}::test_parts_run_if_their_conditions_hold",
    },
    "action-step": {
        **dict.fromkeys(("id", "run", "shell"), "composite_local"),
        "if": "composite_fails",
        "with": "composite_nested",
        "uses": "composite_nested",
        "name": PEOPLE,
        **dict.fromkeys(
            ("env", "continue-on-error", "working-directory"),
            f"{PARTS}::test_keys_of_the_steps_of_a_composite_action",
        ),
    },
}
EVENT_KEYS = {
    **dict.fromkeys(
        ("branches", "branches-ignore", "tags", "tags-ignore", "paths", "paths-ignore"),
        f"{FILTERS}::test_pushes",
    ),
    **dict.fromkeys(("types", "workflows"), f"{FILTERS}::test_other_events"),
}
"""The filters of every event share one code."""


def proofs(place: str) -> dict[str, str]:
    if place == "on":
        names = (name for name, key in KEYS["on"].items() if not key.refused)
        return dict.fromkeys(names, f"{FILTERS}::test_other_events")
    if place.startswith("on.") and place not in PROOFS:
        return {key: EVENT_KEYS[key] for key in KEYS[place]}
    return PROOFS[place]


@pytest.mark.parametrize("place", KEYS)
def test_every_key_that_is_not_refused_has_a_test_that_sees_its_effect(place: str) -> None:
    taken = {name for name, key in KEYS[place].items() if not key.refused}
    assert set(proofs(place)) == taken


@pytest.mark.parametrize("place", KEYS)
def test_the_tests_that_are_named_are_there_and_speak_of_the_key(place: str) -> None:
    for key, proof in proofs(place).items():
        if proof == PEOPLE:
            assert KEYS[place][key].shape.kind in {"text", "word"} or key == "branding"
            continue
        file, _, name = proof.partition("::")
        text = _text(file, name)
        if place not in {"on", "permissions"}:
            word = re.escape(key).replace(r"\-", "[-_]")
            assert re.search(rf"(?<![\w-]){word}(?![\w-])", text), f"{place}.{key}: {proof}"


def _text(file: str, name: str) -> str:
    """Where the key is written: of a workflow also the actions and workflows that it uses."""
    if name:
        text = (TESTS / file).read_text("utf-8")
        assert re.search(rf"^def {name}\(", text, re.MULTILINE), f"{file} has no {name}"
        return text
    text = (TESTS / "behaviour/corpus" / f"{file}.yml").read_text("utf-8")
    used = (TESTS / "behaviour/repo/.github").rglob("*.yml")
    return text + "".join(u.read_text("utf-8") for u in used if _used(u, text))


def _used(file: Path, text: str) -> bool:
    return (file.parent.name if file.stem == "action" else file.name) in text


WHERE = {
    "workflow": "{key}: x\n",
    "on": "",
    "job": "jobs: {{b: {{runs-on: x, {key}: x}}}}\n",
    "step": "jobs: {{b: {{runs-on: x, steps: [{{run: x, {key}: x}}]}}}}\n",
}


def test_what_is_refused_is_refused_by_name_with_what_to_write_instead() -> None:
    refused = [
        (place, name) for place, table in KEYS.items() for name in table if table[name].refused
    ]
    assert 8 <= len(refused) <= 12
    for place, name in refused:
        more = WHERE[place].format(key=name)
        text = ("on: push\n" if place != "on" else f"on: {name}\n") + more
        text += "" if "jobs:" in more else "jobs: {a: {runs-on: x}}\n"
        with pytest.raises(Invalid) as caught:
            read(text, "w.yml")
        (problem,) = [p for p in caught.value.problems if p.code == "unsupported"]
        assert f"`{name}`" in problem.sentence
        assert KEYS[place][name].refused in problem.sentence


def test_what_nobody_knows_is_refused_at_every_place() -> None:
    for text in (
        "on: push\nnope: 1\njobs: {a: {runs-on: x}}\n",
        "on: {push: {nope: 1}}\njobs: {}\n",
    ):
        with pytest.raises(Invalid, match="nope"):
            read(text, "w.yml")
    with pytest.raises(Invalid, match="nope"):
        read_action("name: a\nnope: 1\nruns: {using: composite, steps: []}\n", "action.yml")
