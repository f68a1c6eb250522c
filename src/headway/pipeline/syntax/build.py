"""Builds the intermediate form out of a checked document. Called by `reader` and `action`."""

from dataclasses import replace

from headway.document import Mapping, Node, Scalar
from headway.pipeline.syntax import scan
from headway.pipeline.syntax.build_on import triggers
from headway.pipeline.syntax.ids import StepIds
from headway.pipeline.syntax.ir import (
    Concurrency,
    Defaults,
    Environment,
    Job,
    Permissions,
    Step,
    Strategy,
    Text,
    Workflow,
)
from headway.pipeline.syntax.page import Page


def workflow(page: Page, root: Mapping) -> Workflow:
    """The whole file. `name` is the file's if none is written."""
    return Workflow(
        page.file,
        scan.plain(root.get("name")) or page.file,
        root.at,
        triggers(page, root.get("on")),
        tuple(_job(key, value) for key, value in scan.mapping(root.get("jobs")).entries),
        run_name=scan.given(root.get("run-name")),
        env=scan.bindings(root.get("env")),
        defaults=_defaults(root.get("defaults")),
        concurrency=_concurrency(root.get("concurrency")),
        permissions=_permissions(root.get("permissions")),
        description=scan.plain(root.get("description")),
    )


def _job(id: Scalar, node: Node) -> Job:
    keys = scan.mapping(node)
    return Job(
        id.text,
        id.at,
        name=scan.given(keys.get("name")),
        needs=scan.texts(keys.get("needs")),
        condition=scan.given(keys.get("if")),
        runs_on=keys.get("runs-on"),
        steps=steps(keys.get("steps")),
        uses=scan.text(keys.get("uses")),
        inputs=scan.bindings(keys.get("with")),
        secrets=scan.bindings(keys.get("secrets")),
        inherit=scan.plain(keys.get("secrets")) == "inherit",
        env=scan.bindings(keys.get("env")),
        outputs=scan.bindings(keys.get("outputs")),
        defaults=_defaults(keys.get("defaults")),
        strategy=_strategy(keys.get("strategy")),
        environment=_environment(keys.get("environment")),
        concurrency=_concurrency(keys.get("concurrency")),
        permissions=_permissions(keys.get("permissions")),
        timeout_minutes=scan.text(keys.get("timeout-minutes")),
        continue_on_error=scan.text(keys.get("continue-on-error")),
        container=keys.get("container"),
        services=keys.get("services"),
        cancel_timeout_minutes=scan.text(keys.get("cancel-timeout-minutes")),
    )


def steps(node: Node | None) -> tuple[Step, ...]:
    """The steps; one without an id gets one that begins with `__`."""
    found = [scan.mapping(item) for item in scan.items(node)]
    ids = StepIds(scan.plain(keys.get("id")) for keys in found)
    return tuple(_step(keys, item, ids) for keys, item in zip(found, scan.items(node), strict=True))


def _step(keys: Mapping, node: Node, ids: StepIds) -> Step:
    uses = scan.text(keys.get("uses"))
    return Step(
        scan.plain(keys.get("id")) or ids.make(uses.text if uses else ""),
        node.at,
        name=scan.given(keys.get("name")),
        run=scan.text(keys.get("run")),
        uses=uses,
        inputs=scan.bindings(keys.get("with")),
        env=scan.bindings(keys.get("env")),
        condition=scan.given(keys.get("if")),
        shell=_shell(keys.get("shell")),
        working_directory=scan.given(keys.get("working-directory")),
        timeout_minutes=scan.text(keys.get("timeout-minutes")),
        continue_on_error=scan.text(keys.get("continue-on-error")),
    )


def _defaults(node: Node | None) -> Defaults:
    run = scan.mapping(scan.mapping(node).get("run"))
    return Defaults(_shell(run.get("shell")), scan.text(run.get("working-directory")))


def _shell(node: Node | None) -> Text | None:
    """The names of shells are compared without case."""
    found = scan.given(node)
    return replace(found, text=found.text.lower()) if found and found.text.isalpha() else found


def _concurrency(node: Node | None) -> Concurrency | None:
    keys = scan.mapping(node)
    group = scan.text(keys.get("group")) if isinstance(node, Mapping) else scan.given(node)
    if group is None:
        return None
    queue = scan.plain(keys.get("queue")) or "single"
    return Concurrency(group, scan.text(keys.get("cancel-in-progress")), queue)


def _permissions(node: Node | None) -> Permissions | None:
    if node is None:
        return None
    scopes = tuple((name, value.text) for name, value in scan.bindings(node))
    return Permissions(node.at, scan.plain(node), scopes)


def _strategy(node: Node | None) -> Strategy | None:
    if not isinstance(node, Mapping):
        return None
    fail_fast, most = scan.text(node.get("fail-fast")), scan.text(node.get("max-parallel"))
    return Strategy(node.at, node.get("matrix"), fail_fast, most)


def _environment(node: Node | None) -> Environment | None:
    if not isinstance(node, Mapping):
        name = scan.given(node)
        return Environment(name) if name else None
    name = scan.given(node.get("name"))
    url, deployment = scan.given(node.get("url")), scan.text(node.get("deployment"))
    return Environment(name, url, deployment) if name else None
