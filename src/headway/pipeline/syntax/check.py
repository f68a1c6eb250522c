"""The linter of workflows: what can be read but is dangerous or will surprise. Called by the CLI.

Exempt from `unpinned`: `./` (it is of the same commit) and the built-in actions, whose code is
Headway's own whatever their ref says.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from headway.document import Mark, Node, Scalar, Sequence, quoted
from headway.model.errors import Problem
from headway.pipeline.syntax import check_names, check_on, flow
from headway.pipeline.syntax.expressions import has_holes, is_hole
from headway.pipeline.syntax.ir import (
    Action,
    Job,
    Permissions,
    Step,
    Text,
    Trigger,
    Workflow,
)
from headway.pipeline.syntax.page import Page
from headway.pipeline.syntax.taint import Tainted, sources

BUILT_IN = (
    *("actions/checkout", "actions/setup-python", "actions/setup-node", "actions/setup-go"),
    *("actions/setup-java", "actions/cache", "actions/cache/restore", "actions/cache/save"),
    *("actions/upload-artifact", "actions/download-artifact"),
)
"""Actions that Headway does itself."""

_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_HEAD = re.compile(
    r"github\.(head_ref|event\.(pull_request\.head|workflow_run\.head|issue|number))"
    r"|refs/pull/",
    re.IGNORECASE,
)
_CALLABLE = ("./.github/workflows", "./.headway/workflows")
_LONGEST_MINUTES = 35 * 24 * 60


def warnings(workflow: Workflow, text: str = "") -> tuple[Problem, ...]:
    """Every warning, in the order of the file; codes are the rules' names.

    `text`: of the file, for the place of each `${{ }}`; without it the value's place is told.
    Codes: `injection` `unpinned` `unpinned-image` `no-timeout` `timeout` `permissions`
    `untrusted-checkout` `inherited-secrets` `called-elsewhere` `always-true` `no-steps`
    and those of `check_on` and `check_names`.
    """
    page = Page(text, workflow.file)
    check_on.note(page, workflow)
    check_names.note(page, workflow)
    _note_permissions(page, workflow)
    tainted = {**flow.of_env(workflow.env, {}), **flow.of_jobs(workflow)}
    for job in workflow.jobs:
        _note_job(page, workflow, job, flow.of_env(job.env, tainted))
    return tuple(sorted(dict.fromkeys(page.problems), key=_order))


def action_warnings(action: Action, text: str = "") -> tuple[Problem, ...]:
    """The same for the steps of a composite action: `injection` `unpinned` `always-true`."""
    page = Page(text, action.file)
    tainted: Tainted = {}
    for step in action.steps:
        _note_step(page, (), step, flow.of_env(step.env, tainted))
        tainted = flow.after(step, tainted)
    return tuple(sorted(dict.fromkeys(page.problems), key=_order))


def deprecations(
    file: str, steps: Iterable[Step], actions: Mapping[str, Action]
) -> Iterator[Problem]:
    """A warning `deprecated-input` where a step gives a value to an input that its action declares
    with `deprecationMessage`. `actions`: by what `uses` says; others are left alone.
    """
    for step in steps:
        action = actions.get(step.uses.text) if step.uses else None
        told = {i.name.casefold(): i.deprecation() for i in action.inputs} if action else {}
        for name, value in step.inputs:
            if said := told.get(name.casefold()):
                yield Problem(file, value.at.line, value.at.column, said, "deprecated-input")


def _order(problem: Problem) -> tuple[int, int, str]:
    return problem.line, problem.column, problem.code


def _note_job(page: Page, workflow: Workflow, job: Job, tainted: Tainted) -> None:
    _note_condition(page, job.condition)
    _note_grant(page, job.permissions)
    if job.uses is not None:
        _note_call(page, job, job.uses)
        return
    _note_timeout(page, job)
    _note_tidy_time(page, job)
    for image in (job.container, *_values(job.services)):
        _note_image(page, image)
    if not job.steps:
        sentence = f"{quoted(job.id)} has no steps: nothing is done. Write `steps`"
        page.fault(job.at, sentence, "no-steps")
    for step in job.steps:
        _note_step(page, workflow.on, step, flow.of_env(step.env, tainted))
        tainted = flow.after(step, tainted)


def _note_step(page: Page, on: tuple[Trigger, ...], step: Step, tainted: Tainted) -> None:
    _note_condition(page, step.condition)
    if step.run:
        _note_script(page, step.run, tainted, "this script")
    if step.uses is None:
        return
    _note_pin(page, step.uses)
    inputs = {name.lower(): value for name, value in step.inputs}
    action = step.uses.text.partition("@")[0].lower()
    if action == "actions/github-script" and "script" in inputs:
        _note_script(page, inputs["script"], tainted, "this script")
    if action == "actions/checkout":
        _note_checkout(page, on, inputs)


def _note_script(page: Page, script: Text, tainted: Tainted, what: str) -> None:
    for number, source in sources(script.text, tainted):
        sentence = (
            f"{quoted(source)} is written into {what} as it is: whoever chooses its words runs "
            "commands here. Give it to the step by `env` and use the variable"
        )
        page.fault(page.place(script.at, number), sentence, "injection")


def _note_pin(page: Page, uses: Text) -> None:
    name, _, ref = uses.text.partition("@")
    if uses.text.startswith(("./", "../")) or name.lower() in BUILT_IN:
        return
    if uses.text.startswith("docker://"):
        if not _DIGEST.search(uses.text):
            sentence = f"{quoted(uses.text)} may change under its tag. Write `@sha256:…` behind it"
            page.fault(uses.at, sentence, "unpinned")
    elif not _COMMIT.fullmatch(ref):
        sentence = (
            f"{quoted(uses.text)} may change under its ref. Write the whole commit instead of "
            f"{quoted(ref)}"
        )
        page.fault(uses.at, sentence, "unpinned")


def _note_image(page: Page, node: Node | None) -> None:
    for image in _images(node):
        if image.text and not has_holes(image.text) and not _DIGEST.search(image.text):
            sentence = f"the image {quoted(image.text)} may change. Write `@sha256:…` behind it"
            page.fault(image.at, sentence, "unpinned-image")


def _images(node: Node | None) -> Iterator[Scalar]:
    if isinstance(node, Scalar):
        yield node
    elif node is not None and not isinstance(node, Sequence):
        image = node.get("image")
        if isinstance(image, Scalar):
            yield image


def _values(node: Node | None) -> tuple[Node, ...]:
    if node is None or isinstance(node, Scalar | Sequence):
        return ()
    return tuple(value for _, value in node.entries)


def _note_call(page: Page, job: Job, uses: Text) -> None:
    _note_pin(page, uses)
    if uses.text.startswith("./") and uses.text.rpartition("/")[0] not in _CALLABLE:
        sentence = f"GitHub calls only files in `.github/workflows`, not {quoted(uses.text)}"
        page.fault(uses.at, f"{sentence}. Move it there", "called-elsewhere")
    if job.inherit and not uses.text.startswith("./"):
        sentence = (
            f"every secret goes to {quoted(uses.text)}, which is of another repository. Name those "
            "that it needs under `secrets`"
        )
        page.fault(uses.at, sentence, "inherited-secrets")


def _note_timeout(page: Page, job: Job) -> None:
    if job.timeout_minutes is None:
        sentence = f"{quoted(job.id)} has no `timeout-minutes`: one that hangs blocks for hours"
        page.fault(job.at, sentence, "no-timeout")
        return
    number = job.timeout_minutes.value
    if isinstance(number, int | float) and not 0 < number <= _LONGEST_MINUTES:
        sentence = f"{quoted(job.timeout_minutes.text)} minutes make no sense. Write 1 to 50400"
        page.fault(job.timeout_minutes.at, sentence, "timeout")


def _note_tidy_time(page: Page, job: Job) -> None:
    written = job.cancel_timeout_minutes
    number = written.value if written else None
    if written and isinstance(number, int | float) and not 0 <= number <= _LONGEST_MINUTES:
        sentence = f"{quoted(written.text)} minutes make no sense. Write 0 to 50400"
        page.fault(written.at, sentence, "timeout")


def _note_permissions(page: Page, workflow: Workflow) -> None:
    _note_grant(page, workflow.permissions)
    if workflow.permissions is None and any(job.permissions is None for job in workflow.jobs):
        sentence = "no `permissions`: jobs get what the repository grants. Write `permissions: {}`"
        page.fault(workflow.at, f"{sentence} and what each job needs", "permissions")


def _note_grant(page: Page, permissions: Permissions | None) -> None:
    if permissions and permissions.all == "write-all":
        sentence = "`write-all` lets every step write everything. Name the scopes that are needed"
        page.fault(permissions.at, sentence, "permissions")


def _note_checkout(page: Page, on: tuple[Trigger, ...], inputs: dict[str, Text]) -> None:
    risky = next((t for t in on if t.event in _WITH_SECRETS), None)
    if risky is None:
        return
    for name in ("ref", "repository"):
        value = inputs.get(name)
        if value and _HEAD.search(value.text):
            sentence = (
                f"the code of a stranger is checked out where {quoted(risky.event)} gives secrets "
                "and a writing token. Use `pull_request`, or do not run that code"
            )
            page.fault(value.at, sentence, "untrusted-checkout")


_WITH_SECRETS = ("pull_request_target", "workflow_run", "issue_comment")


def _note_condition(page: Page, condition: Text | None) -> None:
    if condition and has_holes(condition.text) and not is_hole(condition.text):
        sentence = (
            "text around `${{ }}` makes this `if` always true. Put all of it inside, or leave "
            "`${{ }}` out"
        )
        at: Mark = page.place(condition.at, 0)
        page.fault(at, sentence, "always-true")
