"""What the table cannot say: ids, needs, the two kinds of jobs and steps, actions, shells.

Called by `reader` after `shapes`; `check_steps` also by `action`. Every rule notes its faults on
the page, each with a suggestion. Codes: `bad-name` `duplicate-id` `unknown-job` `cycle` `conflict`
`missing-key` `uses` `shell` `empty-matrix` `runner-group` `unsupported` `unknown-event` `cron`
`time-zone` `pattern` `input-default` `input-options`.
"""

import re

from headway.document import Mapping, Mark, Node, Scalar, Sequence, quoted
from headway.pipeline.syntax import ids, needs, rules_on, scan
from headway.pipeline.syntax.expressions import has_holes
from headway.pipeline.syntax.ir import Job, Step, Text, Workflow
from headway.pipeline.syntax.keys import CALL_JOB_ONLY, RUN_JOB_ONLY, RUN_STEP_ONLY
from headway.pipeline.syntax.page import Page

SHELLS = ("bash", "sh", "python", "pwsh", "powershell", "cmd")
_ACTION = re.compile(r"[A-Za-z0-9._ -]+(/[A-Za-z0-9._ -]+){1,20}@\S+")
_IMAGE = re.compile(r"docker://\S+")
_CALLED = re.compile(r"\.(/(?!\.\./)[^@/\s]+)+\.ya?ml")
_REMOTE = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+/[^@\s]+\.ya?ml@[^@\s]+")
_GROUPS = ("org", "organization", "ent", "enterprise")


def check(page: Page, root: Mapping, workflow: Workflow) -> None:
    """Note every fault of a workflow that the table does not know."""
    rules_on.check(page, root.get("on"), workflow)
    jobs = root.get("jobs")
    if isinstance(jobs, Mapping):
        needs.check(page, workflow, jobs.at)
    for (_, node), job in zip(scan.mapping(jobs).entries, workflow.jobs, strict=True):
        if isinstance(node, Mapping):
            _check_job(page, node, job)
    _check_shell(page, workflow.defaults.shell)


def _check_job(page: Page, keys: Mapping, job: Job) -> None:
    if wrong := ids.fault(job.id):
        page.fault(job.at, f"the id of a job {wrong}, not {quoted(job.id)}", "bad-name")
    if job.uses is None:
        _check_run_job(page, keys, job)
    else:
        _check_call_job(page, keys, job.uses)
    _check_matrix(page, keys.get("strategy"))


def _check_run_job(page: Page, keys: Mapping, job: Job) -> None:
    if keys.get("runs-on") is None:
        sentence = "`runs-on` is missing. Write `runs-on: ubuntu-latest`, or `uses` of a workflow"
        page.fault(job.at, sentence, "missing-key")
    for name in CALL_JOB_ONLY:
        if key := keys.key(name):
            sentence = f"{quoted(name)} needs `uses`: this job calls no workflow"
            page.fault(key.at, sentence, "conflict")
    _check_runner(page, job.runs_on)
    _check_shell(page, job.defaults.shell)
    steps = keys.get("steps")
    check_steps(page, scan.items(steps), job.steps)


def _check_call_job(page: Page, keys: Mapping, uses: Text) -> None:
    for name in RUN_JOB_ONLY:
        if key := keys.key(name):
            sentence = f"{quoted(name)} cannot stand beside `uses`: write it in the called workflow"
            page.fault(key.at, sentence, "conflict")
    if not uses.text or has_holes(uses.text):
        return  # told by the table
    if not (_CALLED.fullmatch(uses.text) or _REMOTE.fullmatch(uses.text)):
        sentence = (
            f"{quoted(uses.text)} names no workflow. Write `./.github/workflows/file.yml` or "
            "`owner/repo/.github/workflows/file.yml@ref`"
        )
        page.fault(uses.at, sentence, "uses")


def check_steps(page: Page, nodes: tuple[Node, ...], steps: tuple[Step, ...]) -> None:
    """Note every fault of a list of steps; `nodes` are those that the steps were built from."""
    seen: dict[str, Mark] = {}
    for node, step in zip(nodes, steps, strict=True):
        if isinstance(node, Mapping):
            _check_id(page, node.get("id"), seen)
            _check_step(page, node, step)


def _check_id(page: Page, node: Node | None, seen: dict[str, Mark]) -> None:
    if not isinstance(node, Scalar) or not node.text or has_holes(node.text):
        return
    if wrong := ids.fault(node.text):
        page.fault(node.at, f"the id of a step {wrong}, not {quoted(node.text)}", "bad-name")
        return
    first = seen.setdefault(node.text.casefold(), node.at)
    if first is not node.at:
        sentence = f"a step on line {first.line} has the id {quoted(node.text)} too. Take another"
        page.fault(node.at, sentence, "duplicate-id")


def _check_step(page: Page, node: Mapping, step: Step) -> None:
    run, uses = node.key("run"), node.key("uses")
    if run and uses:
        page.fault(uses.at, "a step has `run` or `uses`, not both. Make two steps", "conflict")
    elif not run and not uses:
        sentence = "a step needs `run` (a script) or `uses` (an action)"
        page.fault(node.at, sentence, "missing-key")
    for name in ("with",) if not uses else RUN_STEP_ONLY:
        if key := node.key(name):
            other = "run" if uses else "uses"
            page.fault(key.at, f"{quoted(name)} goes with `{other}`. Remove it", "conflict")
    if step.uses:
        _check_uses(page, step.uses)
    _check_shell(page, step.shell)


def _check_uses(page: Page, uses: Text) -> None:
    if not uses.text or has_holes(uses.text) or uses.text.startswith(("./", "../")):
        return
    if not (_ACTION.fullmatch(uses.text) or _IMAGE.fullmatch(uses.text)):
        sentence = (
            f"{quoted(uses.text)} names no action. Write `owner/repo@ref`, `./folder` or "
            "`docker://image`"
        )
        page.fault(uses.at, sentence, "uses")


def _check_shell(page: Page, shell: Text | None) -> None:
    if shell is None or not shell.text or has_holes(shell.text) or "{0}" in shell.text:
        return
    if shell.text.casefold() not in SHELLS:
        known = ", ".join(quoted(s) for s in SHELLS)
        sentence = (
            f"unknown shell {quoted(shell.text)}. Write one of {known}, or a command with `{{0}}`"
        )
        page.fault(shell.at, sentence, "shell")


def _check_runner(page: Page, node: Node | None) -> None:
    group = scan.text(scan.mapping(node).get("group"))
    if group is None or has_holes(group.text) or "/" not in group.text:
        return
    lead, _, name = group.text.partition("/")
    if lead not in _GROUPS or not name or "/" in name:
        sentence = f"{quoted(group.text)} is no group. Write its name, or `organization/name`"
        page.fault(group.at, sentence, "runner-group")


def _check_matrix(page: Page, strategy: Node | None) -> None:
    matrix = scan.mapping(scan.mapping(strategy).get("matrix"))
    for name, values in matrix.entries:
        if isinstance(values, Sequence) and not values.items and name.text not in _LISTS:
            sentence = f"{quoted(name.text)} has no values: the job would never run. Add one"
            page.fault(name.at, sentence, "empty-matrix")


_LISTS = ("include", "exclude")
