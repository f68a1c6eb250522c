"""The contexts that are known before a job runs, and the filling in of what a workflow says.

`github` has the fields of docs.github.com, "Contexts reference", that mean something here; those of
a step (`action`, `workspace`, `path`, …) are added where the job runs. Called by schedule, orders.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from headway import expression
from headway.document import Node
from headway.expression import Scope
from headway.pipeline.run.matrix import evaluated
from headway.pipeline.run.program import Program
from headway.pipeline.run.state import RunSpec
from headway.pipeline.syntax.ir import Bindings, Text, Workflow

Contexts = dict[str, Any]
_ADDRESS = re.compile(r"(?P<server>https?://[^/]+|ssh://[^/]+|[^/@:]+@[^/:]+)[/:](?P<path>.+)")
_NULLS = {"", "~", "null", "Null", "NULL"}


def github(program: Program) -> Contexts:
    """The `github` context of the whole run; also of the workflows that it calls."""
    spec, workflow = program.spec, program.root.workflow
    server, name = repository(spec)
    return {
        "actor": spec.actor,
        "api_url": f"{server}/api/v3" if server else "",
        "base_ref": _pull(spec, "base"),
        "event": spec.payload,
        "event_name": spec.event,
        "graphql_url": f"{server}/api/graphql" if server else "",
        "head_ref": _pull(spec, "head"),
        "ref": spec.ref,
        "ref_name": ref_name(spec.ref),
        "ref_protected": False,
        "ref_type": "tag" if spec.ref.startswith("refs/tags/") else "branch",
        "repository": name,
        "repository_owner": name.partition("/")[0],
        "repositoryUrl": spec.repo,
        "run_attempt": str(spec.attempt),
        "run_id": str(run_id(spec)),
        "run_number": str(spec.number),
        "secret_source": "Actions" if spec.trusted else "None",
        "server_url": server,
        "sha": spec.sha,
        "triggering_actor": spec.actor,
        "workflow": workflow.name or workflow.file,
        "workflow_ref": f"{name}/{workflow.file}@{spec.ref}",
        "workflow_sha": spec.sha,
    }


def run_id(spec: RunSpec) -> int:
    """`github.run_id`: a number, as actions and scripts expect, from 1 and below 2**52, so that it
    is whole in JavaScript too. The same for all attempts of a run.
    """
    base = spec.id.removesuffix(f".{spec.attempt}") if spec.attempt > 1 else spec.id
    return int(hashlib.sha256(base.encode()).hexdigest()[:13], 16) or 1


def repository(spec: RunSpec) -> tuple[str, str]:
    """(server, `owner/name`): as the event says, else from the address; a folder's owner is
    `local`.
    """
    said = spec.payload.get("repository")
    if isinstance(said, Mapping) and isinstance(said.get("full_name"), str):
        name = str(said["full_name"])
        page = said.get("html_url")
        if isinstance(page, str) and page.endswith(f"/{name}"):
            return page.removesuffix(f"/{name}"), name
        return "", name
    address = _ADDRESS.fullmatch(spec.repo)
    parts = [p for p in (address["path"] if address else spec.repo).split("/") if p]
    last = parts[-1].removesuffix(".git") if parts else "repository"
    if not address or len(parts) < 2:
        return "", f"local/{last}"
    server = address["server"] if address["server"].startswith("http") else ""
    return server, f"{parts[-2]}/{last}"


def ref_name(ref: str) -> str:
    """The ref without what says of which kind it is: `main`, `v1`, `7/merge`."""
    for kind in ("refs/heads/", "refs/tags/", "refs/pull/"):
        if ref.startswith(kind):
            return ref.removeprefix(kind)
    return ref


def _pull(spec: RunSpec, side: str) -> str:
    pull = spec.payload.get("pull_request")
    found = pull.get(side) if isinstance(pull, Mapping) else None
    return str(found.get("ref", "")) if isinstance(found, Mapping) else ""


def template(text: Text | None) -> str:
    """What is written, to be filled in later: a bare `1.0` or `yes` as the language prints it."""
    if text is None:
        return ""
    if isinstance(text.value, bool | int | float):
        return expression.text(text.value)
    return "" if text.value is None and text.text in _NULLS else text.text


def templates(bindings: Bindings) -> dict[str, str]:
    """The same of each name."""
    return {name: template(text) for name, text in bindings}


def filled(text: Text | None, scope: Scope) -> str:
    """The text with every `${{ }}` filled in; "" if nothing is written. Raises ExpressionError."""
    written = template(text)
    return expression.fill(written, scope) if "${{" in written else written


def valued(text: Text, scope: Scope) -> Any:
    """The value itself. Raises ExpressionError."""
    if isinstance(text.value, str) and "${{" in text.text:
        return expression.value(text.text, scope)
    return text.value


def node_value(node: Node | None, scope: Scope) -> Any:
    """A node of the document, evaluated; None if nothing is written. Raises ExpressionError."""
    return None if node is None else evaluated(node, scope)


def labels(found: Any) -> tuple[str, ...]:
    """What `runs-on` asks for: a label, a list of them, or a mapping with `labels` and `group`."""
    if isinstance(found, Mapping):
        group = (f"group:{found['group']}",) if found.get("group") else ()
        return (*group, *labels(found.get("labels")))
    if isinstance(found, list):
        return tuple(expression.text(label) for label in found)
    return (expression.text(found),) if found else ()


def environment_of(levels: Iterable[Mapping[str, str]], known: Mapping[str, Any]) -> dict[str, str]:
    """The `env` context before a job runs: the variables that need no secret, later ones win."""
    values: dict[str, str] = {}
    for level in levels:
        for name, text in level.items():
            if "secrets" not in text.lower():
                values[name] = expression.fill(text, Scope(known, {})) if "${{" in text else text
    return values


def env_levels(
    given: dict[str, str], workflow: Workflow, bindings: Bindings
) -> tuple[dict[str, str], ...]:
    """The run's, the workflow's and the job's variables, as templates; later ones win."""
    levels = (given, templates(workflow.env), templates(bindings))
    return tuple(level for level in levels if level)
