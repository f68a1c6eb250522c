"""From the text of a workflow file to the intermediate form, strictly.

Every key is either done or refused by name with its place (table SUPPORTED). Called as
`pipeline.read` by flows and the command line.
"""

import re

from headway.document import WITH_ANCHORS, Mapping, Mark, Node, Scalar, Sequence, invalid, quoted
from headway.document import read as read_document
from headway.pipeline.page import Page
from headway.pipeline.steps import read_steps
from headway.pipeline.supported import RESERVED_JOB_IDS, SUPPORTED
from headway.pipeline.triggers import read_triggers
from headway.pipeline.values import Scope, check_permissions, read_env
from headway.pipeline.workflow import Job, Name, Workflow

_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}")
_HERE = re.compile(r"ubuntu-[a-z0-9.-]+|self-hosted|linux", re.IGNORECASE)
_OTHER = re.compile(r"(windows|macos)(-.*)?", re.IGNORECASE)
_MAX_MINUTES = 7 * 24 * 60
_NO_JOBS = "`jobs` is missing: what is to be done?"
_NO_RUNNER = "`runs-on` is missing. Write `runs-on: ubuntu-latest`"
_NO_STEPS = "`steps` is missing: what does the job do?"


def read(text: str, file: str) -> Workflow:
    """The workflow; `file` names it in errors. Raises Invalid with problems, each with its place.

    Codes: those of document.read, and `unknown-key` `planned` `missing-key` `wrong-type` `empty`
    `bad-name` `reserved-name` `duplicate-id` `unknown-job` `unknown-input` `unknown-value`
    `unknown-runner` `other-system` `number` `outside` `expression` `injection` `conflict`
    `bad-input`.
    """
    root = read_document(text, file, limits=WITH_ANCHORS)
    page = Page(text, file)
    keys = page.known(root, SUPPORTED["workflow"], "a workflow")
    workflow = _workflow(page, keys) if keys else None
    if workflow is None or page.problems:
        raise invalid(page.problems)
    return workflow


def _workflow(page: Page, keys: Mapping) -> Workflow:
    triggers = read_triggers(page, keys.get("on"), keys.at)
    inputs = tuple(i.name for i in triggers.inputs())
    check_permissions(page, keys.get("permissions"))
    return Workflow(
        page.file,
        page.plain(keys.get("name"), "`name`") or page.file,
        keys.at,
        triggers,
        _jobs(page, keys, inputs),
        read_env(page, keys.get("env"), Scope(inputs)),
    )


def _jobs(page: Page, keys: Mapping, inputs: tuple[str, ...]) -> tuple[Job, ...]:
    node = keys.get("jobs")
    jobs = page.mapping(node, "`jobs`")
    if node is None or (jobs is not None and not jobs.entries):
        page.fault(node.at if node else keys.at, _NO_JOBS, "missing-key")
    if jobs is None:
        return ()
    found = tuple(j for k, v in jobs.entries if (j := _job(page, k, v, inputs)))
    ids = jobs.keys()
    for need in (n for job in found for n in job.needs):
        if need.text not in ids:
            page.unknown(need.at, need.text, ids, "job")
    return found


def _job(page: Page, id: Scalar, node: Node, inputs: tuple[str, ...]) -> Job | None:
    if not _ID.fullmatch(id.text):
        page.fault(id.at, f"{quoted(id.text)} cannot be the id of a job", "bad-name")
    if id.text in RESERVED_JOB_IDS:
        page.fault(
            id.at, f"no job can have the id {quoted(id.text)}: take another", "reserved-name"
        )
    keys = page.known(node, SUPPORTED["job"], "a job")
    if keys is None:
        return None
    _check_runner(page, keys, id.at)
    check_permissions(page, keys.get("permissions"))
    if keys.get("steps") is None and keys.get("uses") is None:
        page.fault(id.at, _NO_STEPS, "missing-key")
    return Job(
        id.text,
        page.plain(keys.get("name"), "`name`") or id.text,
        id.at,
        tuple(Name(n.text, n.at) for n in page.texts(keys.get("needs"), "`needs`")),
        read_steps(page, keys.get("steps"), inputs),
        read_env(page, keys.get("env"), Scope(inputs)),
        _timeout_seconds(page, keys.get("timeout-minutes")),
    )


def _check_runner(page: Page, keys: Mapping, at: Mark) -> None:
    node = keys.get("runs-on")
    if node is None:
        if keys.get("uses") is None:
            page.fault(at, _NO_RUNNER, "missing-key")
        return
    if isinstance(node, Mapping) or (isinstance(node, Sequence) and not node.items):
        page.planned(node.at, "choosing a runner by group or by nothing")
        return
    for label in page.texts(node, "`runs-on`"):
        if _OTHER.fullmatch(label.text):
            sentence = f"{quoted(label.text)} is another system: jobs run on this machine, Linux"
            page.fault(label.at, sentence, "other-system")
        elif not _HERE.fullmatch(label.text):
            sentence = f"no runner has the label {quoted(label.text)}. Write `ubuntu-latest`"
            page.fault(label.at, sentence, "unknown-runner")


def _timeout_seconds(page: Page, node: Node | None) -> float:
    text = page.plain(node, "`timeout-minutes`")
    if node is None or text is None:
        return 3600.0
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        page.fault(node.at, f"`timeout-minutes` is a number, not {quoted(text)}", "number")
        return 3600.0
    if not 0 < value <= _MAX_MINUTES:
        page.fault(node.at, f"`timeout-minutes` is above 0, at most {_MAX_MINUTES}", "number")
    return float(value) * 60
